// Recently looked at: the heads that this browser opened, newest first. The list stays in the browser; the search page
// shows it. Anything could have written to the storage: entries are checked, and shown as text, never as HTML.
(() => {
  const NAME = 'maps-recent-heads', MOST = 12, LONGEST_NAME = 200;
  const isNumber = value => Number.isInteger(value) && value >= 0 && value < 10000;
  const isHead = each => each !== null && typeof each === 'object' && typeof each.model === 'string' && each.model !== ''
    && each.model.length <= LONGEST_NAME && isNumber(each.layer) && isNumber(each.head);
  const read = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(NAME));
      return Array.isArray(kept) ? kept.filter(isHead).slice(0, MOST) : [];
    } catch { return []; }  // no list, or a browser that keeps nothing
  };
  const write = heads => {
    try { localStorage.setItem(NAME, JSON.stringify(heads)); } catch { /* the browser keeps nothing */ }
  };
  const link = each => 'head?' + new URLSearchParams({model: each.model, layer: each.layer, head: each.head});
  const remember = address => {
    const query = new URLSearchParams(address.slice(address.indexOf('?')));
    const opened = {model: query.get('model'), layer: Number(query.get('layer')), head: Number(query.get('head'))};
    const known = read();
    if (!isHead(opened) || (known.length && link(known[0]) === link(opened))) return;
    write([opened, ...known.filter(each => link(each) !== link(opened))].slice(0, MOST));
  };
  const show = section => {
    const heads = read();
    section.querySelector('ul').replaceChildren(...heads.map(each => {
      const item = document.createElement('li'), anchor = document.createElement('a');
      anchor.href = link(each);
      anchor.dir = 'auto';
      anchor.textContent = `L${each.layer}H${each.head} of ${each.model}`;
      item.append(anchor);
      return item;
    }));
    section.hidden = !heads.length;
  };
  document.addEventListener('click', event => {
    const section = event.target.closest && event.target.closest('#recent-heads button') && event.target.closest('#recent-heads');
    if (!section) return;
    try { localStorage.removeItem(NAME); } catch { /* the browser keeps nothing */ }
    show(section);
  });

  // The field of an empty search page has the focus. When Gradio's view takes the page over, what was typed moves along.
  let typed = '';
  const done = new WeakSet();  // not a mark on the elements: Gradio's view gets a copy of the first HTML
  const focus = field => {
    if (done.has(field) || !field.offsetParent) return;
    const other = document.activeElement;
    if (other && other !== field && other.matches('input, select, textarea, button, a') && !other.closest('#first-look')) return;
    if (typed && !field.value) field.value = typed;
    field.focus({preventScroll: true});
    if (document.activeElement === field) done.add(field);
  };
  document.addEventListener('input', event => {
    if (event.target.matches && event.target.matches('#first-look input[name=q]')) typed = event.target.value;
  });

  let shownAddress = '', isPlanned = false;
  const look = () => {
    isPlanned = false;
    const heading = document.querySelector('#head-page h1[data-address]');
    const address = heading ? heading.dataset.address : '';
    if (address && address !== shownAddress) remember(address);
    shownAddress = address;
    for (const section of document.querySelectorAll('#recent-heads')) {
      if (!done.has(section)) show(section);
      done.add(section);
    }
    const fields = document.querySelectorAll('#search-page input[name=q][autofocus]');
    if (fields.length) focus(fields[fields.length - 1]);
  };
  new MutationObserver(() => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(look);
  }).observe(document.documentElement, {childList: true, subtree: true});
  look();
})();
