"""What the browser keeps for a visitor, under the same names on every page: who signed in, the desk and the draft.

Copies of judgments lie apart, each under a name of its own, so that tabs do not overwrite each other's.
"""

from __future__ import annotations

import gradio as gr

# Gradio encrypts what it keeps with this; the browser knows it, so it protects nothing. The token is signed instead.
PUBLIC_STORAGE_SECRET = "maps-annotations"

DEPENDENT_QUESTIONS_JS = """(desk, presence, precision, category, comment) => {
  if (!desk || !desk.judgment_id) return [undefined, undefined, undefined];
  const described = presence === 'present_described', known = described || presence === 'present_missed';
  const answers = [presence, described ? precision : null, known ? category : null, comment];
  const shown = (applies, value) => ({__type__: 'update', visible: applies || 'hidden', value});
  return [{judgment_id: desk.judgment_id, answers}, shown(described, answers[1]), shown(known, answers[2])];
}"""  # form.asked and form.cleared for the eye, at once; the server checks again
COPY_KEY_PREFIX = "maps-outbox:"
COPY_IDS_JS = f"""Object.keys(localStorage).filter(name => name.startsWith('{COPY_KEY_PREFIX}')).map(name => name.slice({len(COPY_KEY_PREFIX)}))"""
UPDATE_COPIES_JS = """(copies) => {
  const {keep, drop} = copies || {};
  for (const id of drop || []) localStorage.removeItem('maps-outbox:' + id);
  try {
    for (const [id, copy] of Object.entries(keep || {})) localStorage.setItem('maps-outbox:' + id, copy);
  } catch (error) {
    return {__type__: 'update', value: '<p class="notice problem" role="alert">Your answer is stored on the server, ' +
      'but this browser could keep no copy of it: its storage is full or closed to this page.</p>'};
  }
  return {__type__: 'update'};
}"""
MISSING_COPIES_JS = """(token, desk, copies) => {
  const missing = ((copies || {}).missing || []).slice(0, 500);
  return [token, desk, {seals: missing.map(id => localStorage.getItem('maps-outbox:' + id)).filter(Boolean)}];
}"""


def token_state() -> gr.BrowserState:
    """The signed token of whoever signed in."""
    return gr.BrowserState(None, storage_key="maps-token", secret=PUBLIC_STORAGE_SECRET)


def task_state() -> gr.BrowserState:
    """The item on the desk, which only the server changes."""
    return gr.BrowserState(None, storage_key="maps-desk", secret=PUBLIC_STORAGE_SECRET)


def draft_state() -> gr.BrowserState:
    """The answers so far to the item on the desk, which the browser keeps by itself."""
    return gr.BrowserState(None, storage_key="maps-draft", secret=PUBLIC_STORAGE_SECRET)


def organiser_key_state() -> gr.BrowserState:
    """The key of the organiser's link, of whoever opened it."""
    return gr.BrowserState(None, storage_key="maps-organiser", secret=PUBLIC_STORAGE_SECRET)
