"""What the browser keeps for a visitor, under the same names on every page: who signed in, the desk and the draft."""

from __future__ import annotations

import gradio as gr

# Gradio encrypts what it keeps with this; the browser knows it, so it protects nothing. The token is signed instead.
KNOWN_TO_THE_BROWSER = "maps-annotations"


def browser_token() -> gr.BrowserState:
    """The signed token of whoever signed in."""
    return gr.BrowserState(None, storage_key="maps-token", secret=KNOWN_TO_THE_BROWSER)


def browser_desk() -> gr.BrowserState:
    """The item on the desk, which only the server changes."""
    return gr.BrowserState(None, storage_key="maps-desk", secret=KNOWN_TO_THE_BROWSER)


def browser_draft() -> gr.BrowserState:
    """The answers so far to the item on the desk, which the browser keeps by itself."""
    return gr.BrowserState(None, storage_key="maps-draft", secret=KNOWN_TO_THE_BROWSER)


def browser_organiser() -> gr.BrowserState:
    """The key of the organiser's link, of whoever opened it."""
    return gr.BrowserState(None, storage_key="maps-organiser", secret=KNOWN_TO_THE_BROWSER)
