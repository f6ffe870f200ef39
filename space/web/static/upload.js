// Uploads a model's file in pieces that the browser sends by itself, and says how far it is.
const modelUpload = (() => {
  let file = null;
  const say = text => { document.getElementById('upload-progress').textContent = text; };
  const size = bytes => `${(bytes / 1e6).toLocaleString(undefined, {maximumFractionDigits: 0})} MB`;
  const choose = element => {  // the chosen file waits for a ticket
    file = element.files[0] || null;
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
  return {choose, send, text};
})();
