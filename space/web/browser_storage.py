"""What the browser keeps for a visitor, under the same names on every page, and the script of the study's form.

Copies of judgments each have a name of their own in the browser's storage (`static/study_form.js`), so that tabs do
not overwrite each other's.
"""

from __future__ import annotations

import json

import gradio as gr

from annotation import form
from space.web.assets import asset_address

# Gradio encrypts what it keeps with this; the browser knows it, so it protects nothing. The token is signed instead.
PUBLIC_STORAGE_SECRET = "maps-annotations"


def study_form_tags() -> str:
    """Tags for the head of every page: the questions of the form as JSON, and the script that reads them."""
    questions = json.dumps(form.questions_for_browser()).replace("<", "\\u003c")  # no text may end the element
    return f'<script type="application/json" id="study-questions">{questions}</script>' + script_tag("study_form.js")


def script_tag(name: str) -> str:
    """The tag that loads one of the app's scripts."""
    return f'<script src="{asset_address(name)}"></script>'


def token_state() -> gr.BrowserState:
    """The signed token of whoever signed in."""
    return gr.BrowserState(None, storage_key="maps-token", secret=PUBLIC_STORAGE_SECRET)


def task_state() -> gr.BrowserState:
    """The item to judge, which only the server changes."""
    return gr.BrowserState(None, storage_key="maps-desk", secret=PUBLIC_STORAGE_SECRET)


def draft_state() -> gr.BrowserState:
    """The answers so far to the item, which only the browser changes."""
    return gr.BrowserState(None, storage_key="maps-draft", secret=PUBLIC_STORAGE_SECRET)


def organiser_token_state() -> gr.BrowserState:
    """The token of an organiser's session, if this browser opened the link."""
    return gr.BrowserState(None, storage_key="maps-organiser", secret=PUBLIC_STORAGE_SECRET)
