// Draws a grid of heads on a canvas from the JSON in its data-grid; its cells are too many for elements of their own.
// Arrow keys move a cursor, Enter or a click opens the head. Beside it stand pickers and a table for who cannot see it.
const BANDS = ['algorithmic', 'knowledge', 'linguistic', 'translation', 'own', 'right', 'wrong', 'tied'];
const drawn = new WeakMap();
function drawGrid(host, open) {  // again where Gradio has put other data into the same element
  const known = drawn.get(host);
  if (known) return known();
  const LEFT = 34, FOOT = 26, canvas = host.querySelector('canvas'), words = host.querySelector('.pointed');
  let grid, data, layers, heads, model, wide, quiet, at;
  const name = i => `L${grid.layer[i]}H${grid.head[i]}`;
  const link = i => 'head?' + new URLSearchParams({model, layer: grid.layer[i], head: grid.head[i]});
  const colour = variable => getComputedStyle(host).getPropertyValue(variable).trim();
  const mix = (low, high, share) => {
    const part = k => Math.round(parseInt(low.slice(k, k + 2), 16) * (1 - share) + parseInt(high.slice(k, k + 2), 16) * share);
    return `rgb(${part(1)},${part(3)},${part(5)})`;
  };
  let size = 0, here = -1, sentences = null;
  const place = i => [LEFT + grid.layer[i] * size, grid.head[i] * size];
  const paint = () => {
    const room = host.clientWidth, most = Math.max(12, Math.min(30, 420 / heads));
    size = Math.max(9, Math.min(most, (room - LEFT - 2) / wide));
    const width = LEFT + wide * size + 2, height = heads * size + FOOT, ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = width + 'px';
    canvas.style.height = height + 'px';
    const pen = canvas.getContext('2d'), inner = size - Math.max(1, size / 9);
    pen.scale(ratio, ratio);
    const none = colour('--none'), low = colour('--low'), high = colour(grid.side === 'suppression' ? '--down' : '--up');
    const paints = BANDS.map(band => colour('--' + band));
    for (let i = 0; i < grid.layer.length; i++) {
      const [x, y] = place(i);
      pen.fillStyle = none;
      pen.fillRect(x, y, inner, inner);
      if (grid.bands) {
        const mine = paints.filter((_, k) => grid.bands[i] >> k & 1);
        mine.forEach((paint, k) => { pen.fillStyle = paint; pen.fillRect(x, y + k * inner / mine.length, inner, inner / mine.length); });
      } else if (grid.share[i] !== null) {
        pen.fillStyle = mix(low, high, grid.share[i]);
        pen.fillRect(x, y, inner, inner);
      }
    }
    pen.fillStyle = colour('--quiet');
    pen.font = '11px system-ui, sans-serif';
    const every = count => [1, 2, 5, 10, 20].find(step => step * size >= 20 && count / step <= 24) || 50;
    pen.textAlign = 'center';
    for (let i = 0; i < layers; i += every(layers)) pen.fillText(i, LEFT + i * size + inner / 2, heads * size + 11);
    pen.fillText('layer', LEFT + wide * size / 2, height - 2);
    pen.textAlign = 'right';
    const rows = [1, 2, 4, 8, 16].find(step => step * size >= 14) || 32;
    for (let i = 0; i < heads; i += rows) pen.fillText(i, LEFT - 5, i * size + inner / 2 + 4);
    pen.textAlign = 'left';
    pen.fillText('head', 0, heads * size + 11);
    if (here >= 0) {
      const [x, y] = place(here);
      pen.strokeStyle = colour('--ink');
      pen.lineWidth = 2;
      pen.strokeRect(x - 1, y - 1, inner + 2, inner + 2);
    }
  };
  const value = i => grid.words ? grid.words[i] || grid.default
    : grid.value[i] === null ? grid.default : `${grid.label} ${grid.value[i]}`;
  const point = i => {
    if (i === here) return;
    here = i;
    paint();
    const said = i >= 0 && sentences && sentences[i];
    words.textContent = i < 0 ? quiet : `${name(i)}: ${value(i)}${said ? '. ' + said : ''}`;
    canvas.style.cursor = i < 0 ? '' : 'pointer';
  };
  const under = event => {
    const box = canvas.getBoundingClientRect();
    const layer = Math.floor((event.clientX - box.left - LEFT) / size), head = Math.floor((event.clientY - box.top) / size);
    return layer < 0 || head < 0 || head >= heads ? -1 : at.get(layer * heads + head) ?? -1;
  };
  canvas.addEventListener('mousemove', event => point(under(event)));
  canvas.addEventListener('mouseleave', () => { if (document.activeElement !== canvas) point(-1); });
  canvas.addEventListener('click', event => { const i = under(event); if (i >= 0) open(link(i)); });
  canvas.addEventListener('focus', () => { if (here < 0 && grid.layer.length) point(0); });
  canvas.addEventListener('keydown', event => {
    if (event.key === 'Enter' && here >= 0) return open(link(here));
    const step = {ArrowLeft: -heads, ArrowRight: heads, ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = here < 0 ? 0 : here, row = grid.head[from] + (Math.abs(step) === 1 ? step : 0);
    const to = row < 0 || row >= heads ? undefined : at.get(grid.layer[from] * heads + grid.head[from] + step);
    point(to ?? from);
  });
  const show = () => {
    if (data === host.dataset.grid) return;
    data = host.dataset.grid;
    grid = JSON.parse(data);
    const before = model;
    ({layers, heads, model} = grid);
    wide = Math.max(layers, 1);
    at = new Map(grid.layer.map((layer, i) => [layer * heads + grid.head[i], i]));
    [here, quiet] = [-1, host.dataset.hint];
    words.textContent = quiet;
    paint();
    if (model === before) return;
    sentences = null;
    const mine = model;
    fetch('look/sentences.json?' + new URLSearchParams({model})).then(reply => reply.ok ? reply.json() : null)
      .then(found => { if (mine === model) sentences = found; }, () => { sentences = null; });
  };
  drawn.set(host, show);
  show();
  new ResizeObserver(paint).observe(host);
  new MutationObserver(paint).observe(document.body, {attributes: true, attributeFilter: ['class']});
}
