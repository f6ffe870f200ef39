// Saves a figure as SVG or PNG, in the colours in which the page shows it: the grid of heads, the scatter, and the charts
// that Gradio draws. The file says what the page says around the figure: title, axes, and what the colours mean.
(() => {
  const NAMESPACE = 'http://www.w3.org/2000/svg', SHARPNESS = 2, MARGIN = 16, LINE = 18, KEY = 13, MIN_WIDTH = 560;
  const FONT = 'system-ui, sans-serif';
  const STYLES = ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-opacity', 'stroke-dasharray', 'stroke-linecap',
    'opacity', 'font-family', 'font-size', 'font-weight', 'text-anchor'];
  const BUTTONS = '<button type="button" data-save="svg">Save as SVG</button> <button type="button" data-save="png">PNG</button>';
  const element = (name, attributes, text = '') => {
    const made = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const styled = svg => {  // a copy that needs no style sheet
    const copy = svg.cloneNode(true), copies = copy.querySelectorAll('*');
    svg.querySelectorAll('*').forEach((original, i) => {
      const style = getComputedStyle(original);
      for (const name of STYLES) copies[i].setAttribute(name, style.getPropertyValue(name));
      copies[i].removeAttribute('style');
      copies[i].removeAttribute('class');
    });
    copy.querySelectorAll('[data-page-only]').forEach(each => each.remove());
    return copy;
  };
  const pen = document.createElement('canvas').getContext('2d');
  const widthOf = text => {
    pen.font = `13px ${FONT}`;
    return pen.measureText(text).width;
  };
  const wrapped = (text, width) => {  // lines of about that width
    const lines = [''];
    for (const word of text.split(/\s+/)) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (widthOf(longer) <= width || !lines.at(-1)) lines[lines.length - 1] = longer; else lines.push(word);
    }
    return lines.filter(Boolean);
  };
  const legendOf = host => [...host.querySelectorAll('.legend span')].map(entry => {
    const style = getComputedStyle(entry.querySelector('.key'));
    return {colour: style.backgroundColor, label: entry.textContent.trim()};
  });
  const framed = (drawing, width, height, above, below, legend) => {  // a drawing with its words
    const page = getComputedStyle(document.body), ink = getComputedStyle(drawing.source).color;
    const whole = Math.max(width, MIN_WIDTH), svg = element('svg', {xmlns: NAMESPACE});
    const background = svg.appendChild(element('rect', {width: '100%', height: '100%', fill: page.backgroundColor}));
    let y = MARGIN;
    const put = (text, x) => svg.append(element('text', {x, y: y - 4, fill: ink, 'font-family': FONT, 'font-size': 13}, text));
    const write = text => wrapped(text, whole).forEach(line => { y += LINE; put(line, MARGIN); });
    above.forEach(write);
    const inner = drawing.svg;
    for (const [name, value] of Object.entries({x: MARGIN, y: y += 6, width, height})) inner.setAttribute(name, value);
    svg.append(inner);
    y += height;
    below.forEach(write);
    let x = MARGIN;
    if (legend.length) y += LINE + 4;
    for (const {colour, label} of legend) {
      const length = KEY + 5 + widthOf(label);
      if (x + length > whole + MARGIN && x > MARGIN) { x = MARGIN; y += LINE; }
      svg.append(element('rect', {x, y: y - 15, width: KEY, height: KEY, fill: colour, stroke: ink, 'stroke-opacity': 0.3}));
      put(label, x + KEY + 5);
      x += length + 18;
    }
    svg.setAttribute('width', whole + 2 * MARGIN);
    svg.setAttribute('height', y + MARGIN);
    svg.setAttribute('viewBox', `0 0 ${whole + 2 * MARGIN} ${y + MARGIN}`);
    background.setAttribute('height', y + MARGIN);
    return svg;
  };
  const words = (host, selector) => [...host.querySelectorAll(selector)].map(each => each.textContent.trim());
  const pictureOf = host => {
    if (host.matches('.head-grid')) {
      const svg = gridPictures.get(host)();
      return framed({svg, source: host}, +svg.getAttribute('width'), +svg.getAttribute('height'),
        [JSON.parse(host.dataset.grid).model, ...words(host, '.grid-title')], [], legendOf(host));
    }
    const source = host.querySelector('svg'), svg = styled(source), [, , width, height] = source.getAttribute('viewBox').split(' ').map(Number);
    const [up, across] = words(host, '.axis');
    const scatter = host.matches('.scatter');
    return framed({svg, source: host}, width, height, scatter ? [source.getAttribute('aria-label'), up] : [],
      scatter ? [across] : [], scatter ? legendOf(host) : []);
  };
  const download = (blob, name) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  const save = async (host, kind) => {
    const svg = pictureOf(host), text = new XMLSerializer().serializeToString(svg);
    const name = document.title.normalize('NFKD').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 60) || 'figure';
    const drawn = new Blob([text], {type: 'image/svg+xml'});
    if (kind === 'svg') return download(drawn, `${name}.svg`);
    const image = new Image(), canvas = document.createElement('canvas');
    image.src = URL.createObjectURL(drawn);
    await image.decode();
    canvas.width = svg.getAttribute('width') * SHARPNESS;
    canvas.height = svg.getAttribute('height') * SHARPNESS;
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(image.src);
    canvas.toBlob(blob => download(blob, `${name}.png`), 'image/png');
  };
  document.addEventListener('click', event => {
    const button = event.target.closest && event.target.closest('[data-save]');
    if (button) save(button.closest('.head-grid, .scatter, .vega-embed'), button.dataset.save);
  });
  const addButtons = () => {  // to figures that were drawn since
    for (const figure of document.querySelectorAll(':is(.head-grid, .scatter, .vega-embed:has(svg)):not(:has(.save-figure))')) {
      const buttons = document.createElement('p'), hint = figure.querySelector('.pointed');
      buttons.className = 'save-figure';
      buttons.innerHTML = BUTTONS;
      if (hint) hint.after(buttons); else figure.append(buttons);
    }
  };
  new MutationObserver(addButtons).observe(document.documentElement, {childList: true, subtree: true});
})();
