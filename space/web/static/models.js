// The page of models in the browser. Of the files that an organiser chooses, a model's is uploaded, with how far it is;
// small ones are read here.
const modelUpload = (() => {
  let file = null;
  const say = text => { document.getElementById('upload-progress').textContent = text; };
  const size = bytes => `${(bytes / 1e6).toLocaleString(undefined, {maximumFractionDigits: 0})} MB`;
  const choose = chosen => {  // the chosen file waits for a ticket
    file = chosen || null;
    say(file ? `${file.name}, ${size(file.size)}: press Upload.` : '');
  };
  const send = ticket => new Promise(done => {
    if (!file || !ticket) { say('Choose a .gguf file first.'); done(''); return; }
    const request = new XMLHttpRequest();
    request.open('POST', `upload/${ticket}?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = event => say(`${size(event.loaded)} of ${size(event.total)} sent`);
    request.onloadend = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* the connection was lost */ }
      say(answer.model ? `${file.name} is uploaded. Press Map this model.` : answer.error || 'The upload was interrupted. Try again.');
      done(answer.model || '');
    };
    request.send(file);
  });
  const text = async () => {  // a small file as JSON with its name, for a handler of the page
    const chosen = document.getElementById('descriptions-file').files[0];
    return chosen && chosen.size <= 1.5e6 ? JSON.stringify({name: chosen.name, text: await chosen.text()}) : '';
  };
  const fill = async chosen => {  // the pairs of a relation, where the organiser sees them
    const field = document.querySelector('#relation-pairs textarea');
    field.value = chosen && chosen.size <= 1e5 ? await chosen.text() : '';
    field.dispatchEvent(new Event('input', {bubbles: true}));
  };
  document.addEventListener('change', event => {
    const react = {'upload-file': choose, 'relation-file': fill}[event.target.id];
    if (react) react(event.target.files[0]);
  });
  return {send, text};
})();

// The list of jobs is written anew every two seconds while one runs: what somebody opened there stays open.
(() => {
  const opened = new Set();
  const name = details => {  // without the numbers, which change
    const job = details.closest('section');
    return `${job ? job.getAttribute('aria-label') : ''}|${details.querySelector('summary').textContent.replace(/[0-9,]+/g, '')}`;
  };
  document.addEventListener('click', event => {  // before it opens or closes; a toggle event may come too late
    const summary = event.target.closest('#jobs summary');
    if (!summary) return;
    if (summary.parentElement.open) opened.delete(name(summary.parentElement));
    else opened.add(name(summary.parentElement));
  });
  new MutationObserver(() => {
    if (!opened.size) return;
    for (const details of document.querySelectorAll('#jobs details')) if (opened.has(name(details))) details.open = true;
  }).observe(document.documentElement, {childList: true, subtree: true});
})();
