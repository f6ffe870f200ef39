() => {
  const typing = node => node && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName)
    && !/^(radio|checkbox)$/.test(node.type));
  const seen = node => node && node.offsetParent !== null;
  const questions = () => ['presence', 'precision', 'category']
    .map(id => document.getElementById(id)).filter(seen);
  const answered = question => question.querySelector('input:checked') !== null;
  const current = () => {
    const open = questions(), held = open.find(question => question.contains(document.activeElement));
    return open.find(question => !answered(question)) || held || open[0];
  };
  const mark = () => {
    const here = current();
    for (const question of questions()) question.classList.toggle('current', question === here);
  };
  const press = id => { const button = document.getElementById(id); if (seen(button) && !button.disabled) button.click(); };
  const guidelines = () => {
    const toggle = document.querySelector('#guidelines button');
    if (toggle) { toggle.click(); toggle.scrollIntoView({block: 'nearest'}); }
  };
  const onForm = event => {
    const {key, target} = event;
    if (key === 'Enter' && event.ctrlKey) return press('submit');
    if (typing(target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const number = '1234'.indexOf(key), question = current();
    if (number >= 0 && question) {
      const option = question.querySelectorAll('input')[number];
      if (option) { option.focus(); option.click(); }
    } else if (key === 'Enter' && !/^(BUTTON|A|SUMMARY)$/.test(target.tagName)) press('submit');
    else if (key === 'Backspace') press('back');
    else if (key === 's' || key === 'S') press('skip');
    else if (key === '?') guidelines();
    else return;
    event.preventDefault();
    setTimeout(mark, 60);
  };
  document.addEventListener('keydown', event => {
    if (seen(document.getElementById('desk'))) return onForm(event);
    const rel = {ArrowLeft: 'prev', ArrowRight: 'next'}[event.key];
    if (!rel || typing(event.target) || event.altKey || event.ctrlKey || event.metaKey) return;
    const link = document.querySelector(`#head-page a[rel=${rel}]`);
    if (link) link.click();
  });
  document.addEventListener('change', () => setTimeout(mark, 60));
  new MutationObserver(() => mark()).observe(document.body, {childList: true, subtree: true});
}
