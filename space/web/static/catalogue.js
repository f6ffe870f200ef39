// Filters the catalogue while one types, as the server does: every row is in the page. The address and the links of the
// columns follow, so what is shown can be sent on and sorted. Without this script the form asks the server.
(() => {
  const fieldOf = event => event.target.matches && event.target.matches('.catalogue input[name=q]') ? event.target : null;
  const withWords = (address, words) => {
    const url = new URL(address, document.baseURI);
    words ? url.searchParams.set('q', words) : url.searchParams.delete('q');
    return url;
  };
  const filter = field => {
    const host = field.closest('.catalogue'), rows = [...host.querySelectorAll('tbody tr')], typed = field.value.trim();
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every(word => row.dataset.words.includes(word));
    const count = rows.filter(row => !row.hidden).length;
    host.querySelector('.count').textContent = `${count.toLocaleString('en')} of ${rows.length.toLocaleString('en')}`;
    host.querySelector('.no-match').hidden = count > 0;
    for (const link of host.querySelectorAll('thead a')) link.href = withWords(link.href, typed);
    history.replaceState(history.state, '', withWords(location.href, typed));
  };
  document.addEventListener('input', event => { const field = fieldOf(event); if (field) filter(field); });
  document.addEventListener('change', event => { if (fieldOf(event)) event.stopPropagation(); }, true);  // it is done
  document.addEventListener('submit', event => {  // by Enter
    if (!event.target.closest('.catalogue')) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
})();
