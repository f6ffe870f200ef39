// Draws the grid as SVG from props.value. Arrow keys move a cursor, Enter or a click opens the head's page.
const NS = 'http://www.w3.org/2000/svg', SIZE = 18, GAP = 2, LEFT = 42, TOP = 4, FOOT = 28;
const make = (name, attributes, parent) => {
  const node = document.createElementNS(NS, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (parent) parent.appendChild(node);
  return node;
};
const label = (svg, x, y, words, anchor) => {
  make('text', {x, y, 'text-anchor': anchor, class: 'axis'}, svg).textContent = words;
};
const fill = (cell, x, y, svg) => {
  const bands = cell.bands || [], group = make('g', {class: 'cell'}, svg);
  make('rect', {x, y, width: SIZE - GAP, height: SIZE - GAP, rx: 2, class: 'empty'}, group);
  bands.forEach((band, i) => make('rect', {
    x, y: y + i * (SIZE - GAP) / bands.length, width: SIZE - GAP, height: (SIZE - GAP) / bands.length, class: 'band ' + band,
  }, group));
  if (typeof cell.share === 'number') make('rect', {
    x, y, width: SIZE - GAP, height: SIZE - GAP, rx: 2, class: 'shade', style: '--share:' + cell.share,
  }, group);
  return group;
};
const legend = (host, value) => {
  const list = document.createElement('p');
  list.className = 'legend ' + value.kind;
  const entries = value.kind === 'bands'
    ? ['algorithmic', 'knowledge', 'linguistic', 'translation', 'own'].filter(name =>
      value.cells.some(cell => cell.bands.includes(name))).concat('none').map(name => [name, 'key band ' + name])
    : [['0', 'key shade low'], ['1', 'key shade high']];
  if (value.kind === 'scale') entries[1][0] = 'highest';
  for (const [words, kind] of entries) {
    const item = document.createElement('span'), key = document.createElement('i');
    key.className = kind;
    item.append(key, ' ' + words);
    list.append(item);
  }
  host.append(list);
};
function draw() {
  const host = element.querySelector('.head-grid'), value = props.value;
  if (!host || !value || !value.cells) return;
  host.replaceChildren();
  const width = LEFT + value.layers * SIZE + 2, height = TOP + value.heads * SIZE + FOOT;
  const svg = make('svg', {
    viewBox: `0 0 ${width} ${height}`, class: value.kind, tabindex: 0, role: 'application',
    'aria-label': value.title + ' Arrow keys move from head to head, Enter opens one.',
  });
  svg.style.minWidth = value.layers * 11 + 40 + 'px';
  svg.style.maxWidth = Math.max(width * 1.8, 480) + 'px';
  const every = value.layers > 40 ? 10 : 5, rows = value.heads > 16 ? 8 : value.heads > 9 ? 2 : 1;
  for (let i = 0; i < value.layers; i += every) label(svg, LEFT + i * SIZE + 8, TOP + value.heads * SIZE + 12, i, 'middle');
  for (let i = 0; i < value.heads; i += rows) label(svg, LEFT - 6, TOP + i * SIZE + 12, i, 'end');
  label(svg, LEFT + value.layers * SIZE / 2, height - 4, 'layer', 'middle');
  label(svg, 0, TOP + 12, 'head', 'start');
  const words = document.createElement('p');
  words.className = 'pointed';
  words.setAttribute('aria-live', 'polite');
  const quiet = 'Point at a cell to read it; click to open the head.';
  words.textContent = quiet;
  const at = new Map(), name = cell => `L${cell.layer}H${cell.head}`;
  const cursor = make('rect', {width: SIZE, height: SIZE, rx: 3, class: 'cursor', visibility: 'hidden'});
  let here = null;
  const point = (cell, shown) => {
    here = cell;
    words.textContent = cell ? `${name(cell)}: ${cell.words}` : quiet;
    cursor.setAttribute('visibility', cell && shown ? 'visible' : 'hidden');
    if (!cell) return;
    cursor.setAttribute('x', LEFT + cell.layer * SIZE - 1);
    cursor.setAttribute('y', TOP + cell.head * SIZE - 1);
  };
  for (const cell of value.cells) {
    const group = fill(cell, LEFT + cell.layer * SIZE, TOP + cell.head * SIZE, svg);
    make('title', {}, group).textContent = `${name(cell)}: ${cell.words}`;
    group.dataset.head = name(cell);
    group.addEventListener('mouseenter', () => point(cell, true));
    group.addEventListener('click', () => { window.location.href = cell.href; });
    at.set(cell.layer + ',' + cell.head, cell);
  }
  svg.append(cursor);
  svg.addEventListener('mouseleave', () => point(null, false));
  svg.addEventListener('focus', () => { if (!here) point(value.cells[0], true); });
  svg.addEventListener('keydown', event => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (event.key === 'Enter' && here) window.location.href = here.href;
    if (!step) return;
    event.preventDefault();
    const from = here || value.cells[0];
    point(at.get((from.layer + step[0]) + ',' + (from.head + step[1])) || from, true);
  });
  const title = document.createElement('p');
  title.className = 'grid-title';
  title.textContent = value.title;
  const frame = document.createElement('div');
  frame.className = 'scroll';
  frame.append(svg);
  host.append(title, frame, words);
  legend(host, value);
}
draw();
watch('value', draw);
