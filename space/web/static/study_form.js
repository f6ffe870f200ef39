// The form of /annotate and /organise in the browser. The pages' events name these functions: each gets the values of
// the event's inputs, then those of its outputs, and returns the new values. Which question is asked when is data from
// annotation/form.py.
window.studyForm = (() => {
  const QUESTIONS = JSON.parse(document.getElementById('study-questions').textContent);
  const COPY_PREFIX = 'maps-outbox:';
  const MAX_COPIES = 500;  // in one request
  const MAX_SENT = 1500000;  // characters in one request: the server takes no more than 2 MB

  // Codes by field -> the fields of the questions that are asked.
  const applicableFields = codes => {
    const fields = new Set();
    for (const {field, askedWhen} of QUESTIONS) {
      const applies = !askedWhen || (fields.has(askedWhen.field) && askedWhen.codes.includes(codes[askedWhen.field]));
      if (applies) fields.add(field);
    }
    return fields;
  };

  // One code for each question -> the codes without those that do not apply, and an update for each dependent question.
  const applyConditions = values => {
    const fields = applicableFields(Object.fromEntries(QUESTIONS.map(({field}, n) => [field, values[n]])));
    const kept = QUESTIONS.map(({field}, n) => fields.has(field) ? values[n] : null);
    const updates = [];
    QUESTIONS.forEach(({field, askedWhen}, n) => {
      if (askedWhen) updates.push({__type__: 'update', visible: fields.has(field) || 'hidden', value: kept[n]});
    });
    return [kept, updates];
  };

  // The code of each question (organiser's page) -> the dependent questions.
  const showQuestions = (...values) => applyConditions(values)[1];

  // The task, the code of each question, the comment -> the draft to keep, the dependent questions, and the message:
  // a problem or a hint goes with the next answer, a receipt stays.
  const updateDraft = (task, ...values) => {
    const comment = values[QUESTIONS.length];
    const [codes, updates] = applyConditions(values);
    const message = document.querySelector('#message .notice:not(.receipt, .feedback)') ? '' : {__type__: 'update'};
    if (!task || !task.judgment_id) return [undefined, ...updates.map(() => undefined), {__type__: 'update'}];
    return [{judgment_id: task.judgment_id, answers: [...codes, comment]}, ...updates, message];
  };

  // Whether the page shows exactly those dependent questions that apply to what is chosen on it.
  const isUpToDate = () => {
    const chosen = {}, shown = new Set();
    for (const {field, codes} of QUESTIONS) {
      const question = document.getElementById(field);
      if (!question || question.offsetParent === null) continue;
      shown.add(field);
      chosen[field] = codes[[...question.querySelectorAll('input')].findIndex(option => option.checked)];
    }
    const fields = applicableFields(chosen);
    return QUESTIONS.every(({field, askedWhen}) => !askedWhen || fields.has(field) === shown.has(field));
  };

  // Copies of the annotator's answers and of withdrawals: `keep` and `drop` are orders of the server, `ids` and `seals` what is sent to it.
  const copyIds = () => Object.keys(localStorage).filter(name => name.startsWith(COPY_PREFIX))
    .map(name => name.slice(COPY_PREFIX.length));
  const sendIdsOnLoad = (token, task, draft) => [token, task, draft, {ids: copyIds()}];
  const sendIds = (token, task) => [token, task, {ids: copyIds()}];
  const sendIdsOfOrganiser = organiserKey => [organiserKey, {ids: copyIds()}];
  const missingCopies = copies => {
    const {missing = []} = copies || {};
    const seals = [];
    let size = 0;
    for (const id of missing.slice(0, MAX_COPIES)) {
      const copy = localStorage.getItem(COPY_PREFIX + id) || '';
      size += copy.length;
      if (size > MAX_SENT) break;  // the rest goes with the next request
      if (copy) seals.push(copy);
    }
    return {seals};
  };
  const sendMissingCopies = (token, task, copies) => [token, task, missingCopies(copies)];
  const sendMissingCopiesOnly = copies => [missingCopies(copies)];
  const updateCopies = copies => {
    const {keep = {}, drop = []} = copies || {};
    for (const id of drop) localStorage.removeItem(COPY_PREFIX + id);
    try {
      for (const [id, copy] of Object.entries(keep)) localStorage.setItem(COPY_PREFIX + id, copy);
    } catch (error) {
      return {__type__: 'update', value: '<p class="notice problem" role="alert">All is stored on the server, ' +
        'but this browser could not keep a copy of it: its storage is full or blocked for this page.</p>'};
    }
    return {__type__: 'update'};
  };

  // The names of the outputs, the token, the task, the code of each question, the comment -> an update for each output.
  const keepAll = (names, text) => names.map(name => ({__type__: 'update', ...(name === 'message' && {value: text})}));
  const problem = text => `<p class="notice problem" role="alert">${text}</p>`;
  const submit = async (names, token, task, ...values) => {
    const answers = Object.fromEntries(QUESTIONS.map(({field}, n) => [field, values[n]]));
    const body = JSON.stringify({token, task, ...answers, comment: values[QUESTIONS.length]});
    try {
      const address = location.pathname.replace(/\/?$/, '/submit');  // of the page, below whatever path the app has
      const reply = await fetch(address, {method: 'POST', headers: {'Content-Type': 'application/json'}, body});
      if (!reply.ok) return keepAll(names, problem(`The server could not store your answer (status ${reply.status}). It is still here: submit it again.`));
      const updates = await reply.json();
      return names.map(name => name in updates ? updates[name] : {__type__: 'update'});
    } catch (error) {
      return keepAll(names, problem('The server cannot be reached. Your answer is still here: submit it again in a moment.'));
    }
  };

  const removeQuery = () => history.replaceState({}, '', location.pathname);
  // Whether this browser was an organiser's: the header then has a link to their page; see also explorer.js.
  const rememberOrganiser = () => {
    localStorage.setItem('maps-is-organiser', 'yes');
    document.querySelector('#site-header .for-organisers').hidden = false;
  };
  const forgetOrganiser = () => {
    localStorage.removeItem('maps-is-organiser');
    document.querySelector('#site-header .for-organisers').hidden = true;
  };
  const removeKey = () => {
    const address = new URL(location);
    address.searchParams.delete('key');
    history.replaceState({}, '', address);
  };
  const showTop = () => window.scrollTo(0, 0);  // where the personal link is
  const announceTask = task => { document.dispatchEvent(new CustomEvent('task-shown', {detail: task && task.judgment_id})); };
  const resetConfirmation = () => ['', {__type__: 'update', visible: false}];

  return {
    fields: QUESTIONS.map(question => question.field), isUpToDate, showQuestions, updateDraft, sendIdsOnLoad, sendIds,
    sendIdsOfOrganiser, sendMissingCopies, sendMissingCopiesOnly, updateCopies, removeQuery, removeKey,
    rememberOrganiser, forgetOrganiser, announceTask, showTop, resetConfirmation, submit,
  };
})();
