// The rectangle over a scatter: dragged with a pointer, or moved with the sliders. The address holds it, but following
// it asks nothing of the server. Everything is found in the page at each event, since Gradio replaces the content.
(() => {
  const SPAN = 1000, STEP = 10, NEAR = 30;  // NEAR: how far from a point the pointer may be, in places on the axes
  const EDGES = ['x_from', 'x_to', 'y_from', 'y_to'];
  const FULL = {x_from: 0, x_to: SPAN, y_from: 0, y_to: SPAN};
  const read = new WeakMap();
  let drag = null, shown = null;
  const hostOf = element => element && element.closest ? element.closest('.scatter') : null;
  const dataOf = host => {
    const text = host.dataset.scatter, known = read.get(host);
    if (known && known.text === text) return known.data;
    const data = JSON.parse(text);
    read.set(host, {text, data});
    return data;
  };
  const fields = host => Object.fromEntries(EDGES.map(name => [name, host.querySelector(`input[name=${name}]`)]));
  const name = (data, i) => `L${data.layer[i]}H${data.head[i]}`;
  const link = (data, i) => 'head?' + new URLSearchParams({model: data.model, layer: data.layer[i], head: data.head[i]});
  const placeUnder = (host, event) => {
    const svg = host.querySelector('svg'), matrix = svg.getScreenCTM().inverse(), [left, top, width, height] = dataOf(host).plot;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    return {x: SPAN * (at.x - left) / width, y: SPAN * (top + height - at.y) / height};
  };
  const onAxis = value => Math.max(0, Math.min(SPAN, value));
  const nearest = (host, event) => {
    const data = dataOf(host), at = placeUnder(host, event);
    let best = -1, least = NEAR;
    for (let i = 0; i < data.x.length; i++) {
      const distance = Math.hypot(data.x[i] - at.x, data.y[i] - at.y);
      if (distance < least) { least = distance; best = i; }
    }
    return best;
  };
  const tell = (host, i) => {
    const text = host.querySelector('.pointed'), data = dataOf(host);
    text.dataset.hint = text.dataset.hint || text.textContent;
    text.textContent = i < 0 ? text.dataset.hint
      : `${name(data, i)}: ${data.labels[0]} ${data.values[0][i]}, ${data.labels[1]} ${data.values[1][i]}`;
    host.querySelector('svg').style.cursor = i < 0 ? 'crosshair' : 'pointer';
  };
  const show = (host, box) => {  // the rectangle, its sliders, and the heads in it
    const data = dataOf(host), [left, top, width, height] = data.plot, rect = host.querySelector('.brush');
    rect.setAttribute('x', left + width * box.x_from / SPAN);
    rect.setAttribute('y', top + height * (SPAN - box.y_to) / SPAN);
    rect.setAttribute('width', Math.max(0, width * (box.x_to - box.x_from) / SPAN));
    rect.setAttribute('height', Math.max(0, height * (box.y_to - box.y_from) / SPAN));
    const inputs = fields(host);
    for (const edge of EDGES) {
      inputs[edge].value = box[edge];
      inputs[edge].nextElementSibling.textContent = data.ticks[edge[0] === 'x' ? 0 : 1][Math.round(box[edge] / STEP)];
    }
    const inside = data.x.map((_, i) => i)
      .filter(i => box.x_from <= data.x[i] && data.x[i] <= box.x_to && box.y_from <= data.y[i] && data.y[i] <= box.y_to);
    const all = EDGES.every(edge => box[edge] === FULL[edge]), count = n => n.toLocaleString('en');
    host.querySelector('.selection').textContent = all
      ? `All ${count(data.x.length)} heads are inside the rectangle. Make it smaller to list them.`
      : `${count(inside.length)} of ${count(data.x.length)} heads are inside the rectangle.`
        + (inside.length > data.listed ? ` The first ${data.listed} are listed.` : '');
    const list = document.createElement('ul');
    for (const i of all ? [] : inside.slice(0, data.listed)) {
      const item = list.appendChild(document.createElement('li')), anchor = item.appendChild(document.createElement('a'));
      anchor.href = link(data, i);
      anchor.textContent = name(data, i);
    }
    host.querySelector('.selected').replaceChildren(...(list.childElementCount ? [list] : []));
  };
  const remember = (host, box) => {
    const url = new URL(location.href);
    for (const edge of EDGES) box[edge] === FULL[edge] ? url.searchParams.delete(edge) : url.searchParams.set(edge, box[edge]);
    history.replaceState(history.state, '', url);
  };
  const boxOf = host => Object.fromEntries(Object.entries(fields(host)).map(([edge, input]) => [edge, Number(input.value)]));
  const between = (start, end) => {  // whole steps, so that the sliders can show it
    const low = value => Math.floor(onAxis(value) / STEP) * STEP, high = value => Math.ceil(onAxis(value) / STEP) * STEP;
    return {x_from: low(Math.min(start.x, end.x)), x_to: high(Math.max(start.x, end.x)),
      y_from: low(Math.min(start.y, end.y)), y_to: high(Math.max(start.y, end.y))};
  };

  document.addEventListener('pointerdown', event => {
    const host = hostOf(event.target);
    if (!host || event.button || !event.target.closest('svg')) return;
    drag = {host, start: placeUnder(host, event), x: event.clientX, y: event.clientY, moved: false, touch: event.pointerType === 'touch'};
    event.target.closest('svg').setPointerCapture(event.pointerId);
  });
  document.addEventListener('pointermove', event => {
    if (!drag) {
      const host = hostOf(event.target);
      if (host && event.target.closest('svg')) tell(host, nearest(host, event));
      return;
    }
    drag.moved = drag.moved || Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 6;
    if (drag.moved) show(drag.host, between(drag.start, placeUnder(drag.host, event)));
  });
  const open = (host, i, touch) => {  // a finger covers what it taps: the first tap shows, the second opens
    const again = shown && shown.host === host && shown.i === i;
    tell(host, i);
    shown = i < 0 ? null : {host, i};
    if (i < 0 || (touch && !again)) return;
    const anchor = host.querySelector('.selected').appendChild(document.createElement('a'));
    anchor.href = link(dataOf(host), i);
    anchor.click();  // as any link of the page, so it opens in place
  };
  document.addEventListener('pointerup', event => {
    if (!drag) return;
    const {host, start, moved, touch} = drag;
    drag = null;
    if (!moved) return open(host, nearest(host, event), touch);
    const box = between(start, placeUnder(host, event));
    show(host, box);
    remember(host, box);
  });
  document.addEventListener('pointercancel', () => { drag = null; });
  const tidy = (host, axis) => {  // another number has other places, and an address needs no edges that select all
    const inputs = fields(host);
    for (const edge of EDGES) {
      if (edge[0] === axis) inputs[edge].value = FULL[edge];
      inputs[edge].disabled = Number(inputs[edge].value) === FULL[edge];
    }
    setTimeout(() => Object.values(inputs).forEach(input => { input.disabled = false; }));
  };
  const slide = event => {  // before the explorer sees it, which would ask the server for the page anew
    const host = hostOf(event.target);
    if (!host) return;
    if (event.type === 'change' && event.target.matches('select')) return tidy(host, event.target.name[0]);
    if (!EDGES.includes(event.target.name)) return;
    event.stopPropagation();
    const box = boxOf(host), [axis, end] = event.target.name.split('_');
    if (box[`${axis}_from`] > box[`${axis}_to`]) box[`${axis}_${end === 'from' ? 'to' : 'from'}`] = box[event.target.name];
    show(host, box);
    remember(host, box);
  };
  document.addEventListener('input', slide, true);
  document.addEventListener('change', slide, true);
  document.addEventListener('click', event => {
    const host = event.target.matches && event.target.matches('.all-heads') ? hostOf(event.target) : null;
    if (!host) return;
    show(host, FULL);
    remember(host, FULL);
  });
})();
