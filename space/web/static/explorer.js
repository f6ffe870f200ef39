// The explorer in the browser. The content of an address is in the page's first HTML. Once Gradio has loaded, its view
// takes that content over; from then on links and forms to explorer pages load in place. Every state is an address.
// On the other pages, this script only keeps the header's forms and the page's title.
const explorer = (() => {
  const PAGES = /^(|head|relation|search|compare|try|catalogue|sentence)$/;
  let view = null, events = null, wanted = null, asked = 0, push = false, field = null, newest = null, shownView = null;
  const title = document.title;
  const base = new URL('.', document.baseURI);
  const here = () => location.pathname.slice(base.pathname.length) + location.search;
  const relative = url => url.pathname.slice(base.pathname.length) + url.search;
  const inside = url => url.origin === base.origin && url.pathname.startsWith(base.pathname)
    && PAGES.test(url.pathname.slice(base.pathname.length).replace(/\/$/, ''));
  const look = () => (view || document).querySelector('.look');

  const dress = () => {
    const shown = look();
    if (!shown) return;
    for (const grid of shown.querySelectorAll('.head-grid')) drawGrid(grid);
    if (localStorage.getItem('maps-is-organiser')) shown.querySelectorAll('.for-organisers').forEach(each => { each.hidden = false; });
    for (const sample of shown.querySelectorAll('.sharing ~ details pre')) sample.textContent = sample.textContent.replaceAll('ADDRESS/', base);
    for (const button of shown.querySelectorAll('.copy-link')) button.hidden = !navigator.clipboard;
    document.title = shown.dataset.title;
    markHeader();
  };
  const markHeader = () => {  // after a move in place: which page is open, and which model
    const path = here().split('?')[0], header = document.getElementById('site-header');
    for (const link of header.querySelectorAll('nav a')) {
      if (relative(new URL(link.href)) === path) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
    }
    header.querySelector('.for-organisers').hidden = !localStorage.getItem('maps-is-organiser');
    const nav = header.querySelector('nav'), open = nav.querySelector('[aria-current]');
    if (open) nav.scrollLeft = open.offsetLeft - nav.offsetLeft - nav.clientWidth / 2;  // on a phone the row is longer than the screen
    const picker = header.querySelector('select'), model = new URLSearchParams(location.search).get('model');
    if (picker) picker.value = [...picker.options].some(option => option.value === model) ? model : picker.options[0].value;
    const search = header.querySelector('input[type=search]');
    if (search !== document.activeElement) search.value = '';
  };
  const ask = (address, more) => {  // the answer carries the turn; only the answer to the latest request is used
    wanted = address;
    const turn = String(++asked), shown = look();
    if (shown) shown.setAttribute('aria-busy', 'true');
    events.visit({address, turn, ...more});
    if (!more) setTimeout(() => { if (turn === String(asked) && wanted !== null) location.href = address || './'; }, 20000);
  };
  const visit = (address, remember, from) => {  // `from`: the field whose change asks for it, which keeps the focus
    if (!events) { location.href = address || './'; return; }
    push = remember && address !== here();
    field = from && from.name ? from : null;
    ask(address);
  };
  const arrived = () => {  // the view's value has changed
    if (!look()) return;
    if (look().dataset.turn !== String(asked)) {  // an answer that was overtaken by a later one
      if (wanted === null && newest !== null) shownView.value = newest;
      return;
    }
    newest = shownView.value;
    if (wanted === null) return;
    const address = wanted, moved = push, kept = field;
    wanted = field = null;
    if (moved) history[kept && kept.type === 'range' ? 'replaceState' : 'pushState'](null, '', new URL(address, base));
    push = false;
    dress();
    const shown = look();
    const same = kept && shown.querySelector(`form[data-auto] [name="${kept.name}"]`);
    if (same) {
      same.focus({preventScroll: true});
    } else if (moved && shown) {
      window.scrollTo(0, 0);
      const heading = shown.querySelector('h1');
      if (heading) { heading.tabIndex = -1; heading.focus({preventScroll: true}); }
    }
    after(address);
  };
  const after = address => {
    const shown = look(), figures = document.getElementById('figures');
    if (!shown) return;
    if (shown.dataset.unfinished) return ask(address, {finish: true});
    if (shown.dataset.figures !== '0' || (figures && figures.childElementCount)) events.figures({address});
  };
  const mount = (element, props, watch, trigger, names) => {  // Gradio calls this when its view is there
    view = element;
    shownView = props;
    events = Object.fromEntries(names.map(name => [name, detail => trigger(name, detail)]));
    const first = document.querySelector('#first-look .look');
    watch('value', arrived);
    if (first) {
      props.value = newest = first.outerHTML;
      const kept = document.getElementById('first-look');
      requestAnimationFrame(() => { dress(); kept.remove(); after(here()); });
      if (first.dataset.personal) setTimeout(() => ask(here()), 50);
    } else ask(here());
  };

  document.addEventListener('click', event => {
    const link = event.target.closest && event.target.closest('a[href]');
    if (!link || !link.closest('.look, .site-header') || event.defaultPrevented || event.button || link.target || link.hasAttribute('download')
      || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const url = new URL(link.href);
    if (!inside(url) || url.hash || !events) return;
    event.preventDefault();
    visit(relative(url), true);
  });
  document.addEventListener('click', event => {
    const button = event.target.closest && event.target.closest('.copy-link, button[data-copy]');
    if (!button) return;
    const {copy = location.href, textBox} = button.dataset, box = textBox && document.querySelector(`#${textBox} textarea`);
    navigator.clipboard.writeText(box ? box.value.replaceAll('LINK', copy) : copy).then(() => { button.textContent = 'Copied'; });
  });
  const address = form => {
    const fields = new URLSearchParams(new FormData(form)), url = new URL(form.getAttribute('action') || './', base);
    for (const [name, value] of [...fields]) if (value === '') fields.delete(name);
    url.search = fields;
    return relative(url);
  };
  document.addEventListener('submit', event => {
    const form = event.target;
    if (!form.closest('.look, .site-header') || (form.getAttribute('method') || 'get') !== 'get') return;
    event.preventDefault();
    visit(address(form), true);
  });
  let changing = 0;
  document.addEventListener('change', event => {
    const form = event.target.closest && event.target.closest('.look form[data-auto], .site-header form[data-auto]');
    if (!form) return;
    clearTimeout(changing);  // a slider that is moved by keys asks once it rests
    const chosen = address(form), field = form.closest('.look') && event.target;
    changing = setTimeout(() => visit(chosen, true, field), event.target.type === 'range' ? 250 : 0);
  });
  document.addEventListener('input', event => {
    const shown = event.target.matches('.look input[type=range]') && event.target.nextElementSibling;
    if (shown && shown.tagName === 'OUTPUT') shown.textContent = Number(event.target.value).toFixed(2);
  });
  window.addEventListener('popstate', () => { if (events && view) visit(here(), false); });
  document.documentElement.classList.toggle('no-clipboard', !navigator.clipboard);
  document.body.classList.toggle('dark', matchMedia('(prefers-color-scheme: dark)').matches);  // as Gradio will
  markHeader();
  new MutationObserver(() => {  // where the header's "Skip to the content" leads
    const main = !document.getElementById('main') && document.querySelector('gradio-app main');
    if (main) main.id = 'main';
  }).observe(document.body, {childList: true, subtree: true});
  if (document.getElementById('first-look')) {  // Gradio has not loaded yet
    dress();
  } else if (!document.getElementById('view')) {  // Gradio gives all its pages the same title
    new MutationObserver(() => { if (!view && document.title !== title) document.title = title; })
      .observe(document.head, {childList: true, subtree: true, characterData: true});
  }
  return {mount};
})();
