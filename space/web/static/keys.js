() => {
  const typing = node => node && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName)
    && !/^(radio|checkbox)$/.test(node.type));
  const isVisible = node => node && node.offsetParent !== null;
  const questions = () => studyForm.fields.map(id => document.getElementById(id)).filter(isVisible);
  const answered = question => question.querySelector('input:checked') !== null;
  const current = () => {
    const visible = questions(), focused = visible.find(question => question.contains(document.activeElement));
    return visible.find(question => !answered(question)) || focused || visible[0];
  };
  const mark = () => {
    const here = current();
    for (const question of questions()) {
      question.classList.toggle('current', question === here);
      const group = question.querySelector('fieldset') || question, words = question.querySelector('[data-testid=block-info]');
      if (words && !group.hasAttribute('aria-label')) group.setAttribute('aria-label', words.innerText);
    }
  };
  // Dependent questions appear a moment after the answer that they depend on: keys pressed in between wait for them.
  const waiting = [];
  const pump = (tries = 0) => {
    if (!waiting.length) return;
    if (!studyForm.isUpToDate()) return tries < 50 ? void setTimeout(pump, 20, tries + 1) : void waiting.splice(0);
    waiting.shift()();
    mark();
    setTimeout(pump, 20);
  };
  const later = action => { if (waiting.push(action) === 1) pump(); };
  const choose = number => {
    const question = current(), option = question && question.querySelectorAll('input')[number];
    if (option) { option.focus(); option.click(); }
  };
  // From Submit, Skip or Back until the next item is shown, keys and clicks are ignored: the annotator who pressed them
  // had not seen that item. After 15 seconds without a new item the form works again.
  let changing = 0;
  const unlock = () => {
    clearTimeout(changing);
    changing = 0;
    const form = document.getElementById('questions');
    if (form) form.inert = false;
    mark();
  };
  // A new item starts at its top, and its description must have been in view before an answer to it can be submitted.
  let shownTask = null, isSeen = false;
  const description = () => [...document.querySelectorAll('#description .judged, .on-phone .judged')].find(isVisible);
  const watcher = new IntersectionObserver(entries => {
    for (const {isIntersecting, target} of entries) if (isIntersecting && target === description()) isSeen = true;
  }, {threshold: .5});
  const isInView = node => {  // now: the observer is told of it a frame later
    const {top, bottom} = node.getBoundingClientRect();
    return Math.min(bottom, innerHeight) - Math.max(top, 0) >= (bottom - top) / 2;
  };
  const showFromTop = () => {
    window.scrollTo(0, 0);
    for (const pane of document.querySelectorAll('.beside, #questions')) pane.scrollTop = 0;
  };
  let watched = null;
  const watch = () => {
    watched = description();
    isSeen = !watched;
    watcher.disconnect();
    if (watched) watcher.observe(watched);
  };
  document.addEventListener('task-shown', ({detail}) => setTimeout(() => {
    if (detail && detail !== shownTask) { showFromTop(); watch(); }
    shownTask = detail || shownTask;
    const feedback = document.querySelector('#message .feedback');
    if (feedback) feedback.scrollIntoView({block: 'nearest'});
    localTimes();
    unlock();
  }, 20));
  const localTimes = () => {
    for (const time of document.querySelectorAll('#message time[datetime]'))
      time.textContent = new Date(time.dateTime).toLocaleTimeString();
  };
  const lock = () => {
    waiting.splice(0);
    changing = setTimeout(unlock, 15000);
    document.getElementById('questions').inert = true;
  };
  document.addEventListener('click', event => {
    const button = event.target.closest('#submit, #skip, #back');
    if (!button || button.disabled || changing) return;
    if (button.id === 'submit' && !isSeen && !isInView(watched)) {
      event.stopImmediatePropagation();
      event.preventDefault();
      return void watched.scrollIntoView({block: 'center'});
    }
    setTimeout(lock);
  }, true);
  const press = id => { const button = document.getElementById(id); if (isVisible(button) && !button.disabled) button.click(); };
  const guidelines = () => {
    const toggle = document.querySelector('#guidelines button');
    if (toggle) { toggle.click(); setTimeout(() => document.getElementById('guidelines').scrollIntoView({block: 'start'}), 50); }
  };
  const onForm = event => {
    const {key, target} = event;
    if (changing) return;
    if (key === 'Enter' && event.ctrlKey) {
      document.activeElement.blur();
      return later(() => press('submit'));
    }
    if (typing(target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (key.length === 1 && key >= '1' && key <= '9') later(() => choose(Number(key) - 1));
    else if (key === 'Enter' && !/^(BUTTON|A|SUMMARY)$/.test(target.tagName))
      later(() => press(isVisible(document.getElementById('submit')) ? 'submit' : 'skip'));
    else if (key === 'Backspace') later(() => press('back'));
    else if (key === 's' || key === 'S') later(() => press('skip'));
    else if (key === '?') guidelines();
    else return;
    event.preventDefault();
  };
  document.addEventListener('keydown', event => {
    if (isVisible(document.getElementById('annotation-form'))) return onForm(event);
    const rel = {ArrowLeft: 'prev', ArrowRight: 'next'}[event.key];
    if (!rel || typing(event.target) || event.altKey || event.ctrlKey || event.metaKey) return;
    const link = document.querySelector(`#head-page a[rel=${rel}]`);
    if (link) link.click();
  });
  // Gradio's text box reports key presses only: without this the draft would miss pasting, deleting and phone keyboards.
  document.addEventListener('input', event => {
    if (event.target.matches('#comment textarea')) event.target.dispatchEvent(new KeyboardEvent('keypress'));
  });
  // While the annotator is active, the item is reserved again every four minutes: an abandoned tab keeps none reserved.
  let lastSign = Date.now(), isActive = false;
  for (const kind of ['keydown', 'pointermove', 'pointerdown', 'scroll', 'input'])
    document.addEventListener(kind, () => { isActive = true; }, {capture: true, passive: true});
  setInterval(() => {
    const button = document.getElementById('still-here');
    if (!isActive || !button || document.hidden || Date.now() - lastSign < 240000) return;
    lastSign = Date.now();
    isActive = false;
    button.click();
  }, 15000);
  document.addEventListener('change', () => setTimeout(mark, 30));
  new MutationObserver(() => {
    if (description() !== watched) watch();
    mark();
  }).observe(document.body, {childList: true, subtree: true});
}
