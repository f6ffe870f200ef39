// Draws a grid of heads on a canvas from the JSON in its data-grid: large models have too many cells for elements.
// One link lies over the cell under the pointer, or where the arrow keys moved it, so that a cell opens as links do. On a
// touch screen the first tap shows a cell and the second opens it. The pickers and the table need no canvas.
const BANDS = ['algorithmic', 'knowledge', 'linguistic', 'translation', 'own', 'right', 'wrong', 'tied', 'described'];
const refreshers = new WeakMap(), gridPictures = new WeakMap();
function drawGrid(host) {  // when Gradio has put new data into an element that has a grid, it is drawn again
  const refresh = refreshers.get(host);
  if (refresh) return refresh();
  const LEFT = 34, FOOT = 26;  // pixels for the labels
  const canvas = host.querySelector('canvas'), cell = host.querySelector('.cell'), text = host.querySelector('.pointed');
  let grid, data, layers, heads, model, columns, hint, indexAt;
  let size = 0, current = -1, descriptions = null;  // pixels of a cell; index of the head under the cursor
  const name = i => `L${grid.layer[i]}H${grid.head[i]}`;
  const link = i => 'head?' + new URLSearchParams({model, layer: grid.layer[i], head: grid.head[i]});
  const colour = variable => getComputedStyle(host).getPropertyValue(variable).trim();
  const mix = (low, high, share) => {
    const channel = k => Math.round(parseInt(low.slice(k, k + 2), 16) * (1 - share) + parseInt(high.slice(k, k + 2), 16) * share);
    return `rgb(${channel(1)},${channel(3)},${channel(5)})`;
  };
  const innerSize = () => size - Math.max(1, size / 9);  // of a cell without the gap behind it
  const extent = () => ({width: LEFT + columns * size + 2, height: heads * size + FOOT});
  const corner = i => [LEFT + grid.layer[i] * size, grid.head[i] * size];
  const paint = () => {
    const largest = Math.max(12, Math.min(30, 420 / heads));
    size = Math.max(9, Math.min(largest, (host.clientWidth - LEFT - 2) / columns));
    if (!grid.layer.length) cell.hidden = true;
    const {width, height} = extent(), ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = width + 'px';
    canvas.style.height = height + 'px';
    const pen = canvas.getContext('2d'), inner = innerSize();
    pen.scale(ratio, ratio);
    paintCells(pen, inner);
    paintLabels(pen, inner);
    place();
  };
  const picture = () => {  // the grid as an SVG element
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), inner = innerSize();
    for (const [name, value] of Object.entries(extent())) svg.setAttribute(name, value);
    const add = (name, attributes, text) => {
      const made = svg.appendChild(document.createElementNS(svg.namespaceURI, name));
      for (const [key, value] of Object.entries({fill: pen.fillStyle, ...attributes})) made.setAttribute(key, value);
      made.textContent = text;
    };
    const anchors = {left: 'start', center: 'middle', right: 'end'};
    const pen = {
      fillRect: (x, y, width, height) => add('rect', {x, y, width, height}, ''),
      fillText: (text, x, y) => add('text', {x, y, 'text-anchor': anchors[pen.textAlign], 'font-size': 11, 'font-family': 'system-ui, sans-serif'}, text),
    };
    paintCells(pen, inner);
    paintLabels(pen, inner);
    return svg;
  };
  const place = () => {  // the link, over the current cell; before one is chosen, over the first, where Tab finds it
    const [x, y] = corner(Math.max(current, 0)), inner = innerSize();
    Object.assign(cell.style, {left: `${x - 2}px`, top: `${y - 2}px`, width: `${inner + 4}px`, height: `${inner + 4}px`});
    cell.classList.toggle('shown', current >= 0);
    cell.href = link(Math.max(current, 0));
  };
  const paintCells = (pen, inner) => {
    const none = colour('--none'), low = colour('--low'), high = colour(grid.side === 'suppression' ? '--down' : '--up');
    const bandColours = BANDS.map(band => colour('--' + band));
    for (let i = 0; i < grid.layer.length; i++) {
      const [x, y] = corner(i);
      pen.fillStyle = none;
      pen.fillRect(x, y, inner, inner);
      if (grid.bands) {
        const colours = bandColours.filter((_, k) => grid.bands[i] >> k & 1), height = inner / colours.length;
        colours.forEach((band, k) => { pen.fillStyle = band; pen.fillRect(x, y + k * height, inner, height); });
      } else if (grid.share[i] !== null) {
        pen.fillStyle = mix(low, high, grid.share[i]);
        pen.fillRect(x, y, inner, inner);
      }
    }
  };
  const paintLabels = (pen, inner) => {
    const layerStep = [1, 2, 5, 10, 20].find(step => step * size >= 20 && layers / step <= 24) || 50;
    const headStep = [1, 2, 4, 8, 16].find(step => step * size >= 14) || 32;
    pen.fillStyle = colour('--quiet');
    pen.font = '11px system-ui, sans-serif';
    pen.textAlign = 'center';
    for (let i = 0; i < layers; i += layerStep) pen.fillText(i, LEFT + i * size + inner / 2, heads * size + 11);
    pen.fillText('layer', LEFT + columns * size / 2, heads * size + FOOT - 2);
    pen.textAlign = 'right';
    for (let i = 0; i < heads; i += headStep) pen.fillText(i, LEFT - 5, i * size + inner / 2 + 4);
    pen.textAlign = 'left';
    pen.fillText('head', 0, heads * size + 11);
  };
  const meaning = i => {
    if (grid.words) return grid.words[i] || grid.default;
    return grid.value[i] === null ? grid.default : `${grid.label} ${grid.value[i]}`;
  };
  const point = i => {
    if (i === current) return;
    current = i;
    place();
    if (i < 0) { text.textContent = hint; return; }
    const description = descriptions && descriptions[i];
    text.textContent = `${name(i)}: ${meaning(i)}${description ? '. ' + description : ''}`;
    cell.setAttribute('aria-label', text.textContent);
  };
  const headUnder = event => {
    const box = canvas.getBoundingClientRect();
    const layer = Math.floor((event.clientX - box.left - LEFT) / size), head = Math.floor((event.clientY - box.top) / size);
    return layer < 0 || head < 0 || head >= heads ? -1 : indexAt.get(layer * heads + head) ?? -1;
  };
  const plot = canvas.parentElement;
  let isFirstTap = false;
  plot.addEventListener('pointermove', event => { if (event.pointerType !== 'touch') point(headUnder(event)); });
  plot.addEventListener('pointerdown', event => {
    if (event.pointerType !== 'touch') return;
    const i = headUnder(event);
    isFirstTap = i !== current;
    point(i);
  });
  plot.addEventListener('click', event => {
    if (isFirstTap && event.detail) event.preventDefault();
    isFirstTap = false;
  });
  plot.addEventListener('pointerleave', event => { if (event.pointerType !== 'touch' && document.activeElement !== cell) point(-1); });
  cell.addEventListener('focus', () => { if (current < 0 && grid.layer.length) point(0); });
  cell.addEventListener('blur', () => point(-1));
  cell.addEventListener('keydown', event => {
    const step = {ArrowLeft: -heads, ArrowRight: heads, ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = current < 0 ? 0 : current, row = grid.head[from] + (Math.abs(step) === 1 ? step : 0);
    const isInside = row >= 0 && row < heads;
    point((isInside ? indexAt.get(grid.layer[from] * heads + grid.head[from] + step) : undefined) ?? from);
  });
  const loadDescriptions = () => {
    descriptions = null;
    const requested = model;
    fetch('look/sentences.json?' + new URLSearchParams({model})).then(reply => reply.ok ? reply.json() : null)
      .then(loaded => { if (requested === model) descriptions = loaded; }, () => { descriptions = null; });
  };
  const show = () => {
    if (data === host.dataset.grid) return;
    data = host.dataset.grid;
    grid = JSON.parse(data);
    const before = model;
    ({layers, heads, model} = grid);
    columns = Math.max(layers, 1);
    indexAt = new Map(grid.layer.map((layer, i) => [layer * heads + grid.head[i], i]));
    current = -1;
    hint = matchMedia('(hover: none)').matches ? host.dataset.touchHint : host.dataset.hint;
    text.textContent = hint;
    cell.setAttribute('aria-label', hint);
    paint();
    if (model !== before) loadDescriptions();
  };
  refreshers.set(host, show);
  gridPictures.set(host, picture);
  show();
  new ResizeObserver(paint).observe(host);
  new MutationObserver(paint).observe(document.body, {attributes: true, attributeFilter: ['class']});
}
