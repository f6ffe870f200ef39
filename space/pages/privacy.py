"""What is stored about an annotator, where, and how to withdraw."""

from __future__ import annotations

import gradio as gr

from annotation.form import CONSENT
from space.limits import AT_ONCE, EVERY
from space.services import Services

PRIVACY = """\
# Privacy

**Whoever explores** is asked for no name and no login. Nothing about them is stored; this app sets no cookie for them and
sends nothing to others. {visitors}

**Whoever judges** agrees to this first: {consent}

## What is stored, and where

| what | where | who sees it |
|---|---|---|
| {name} | {journal} | whoever runs the app |
| under a pseudonym: when you agreed, and to which version of the guidelines | {journal}{ledger} | whoever runs the app |
| under a pseudonym: your answers, your comment, when you began and submitted each | the same | those who take part, as said above; later everybody |
| under a pseudonym: which item lies before you, for 30 minutes | {journal} | whoever runs the app |
| under a pseudonym: that you withdrew | as your answers | whoever runs the app |
| the draft that you are writing, a copy of each answer until it is published (sealed: only the server reads it){session} | your browser | you |

The pseudonym, such as `a-3f9c2b81d0e4`, is made from {called} with a key that never leaves the server. Without the key
nobody can tell whose it is; whoever runs the app can, and can tell that two answers are by the same person. {name_again}
A comment is published as you write it: write nothing there that tells who you are.

{logs}

## How to withdraw

Open [Annotate](annotate), sign in, and use "Withdraw my answers" under the form. From then on:

- all your answers in all studies here are left out of every figure, export and release;
- {forgotten}
- your name is forgotten; that somebody with your pseudonym withdrew stays, so that nothing of you comes back.

What others downloaded before cannot be called back, and releases that are already public keep your answers until the
next one is made. You cannot take part again under the same name.

If you cannot sign in any more, write to {organisers}, who can do the same for you. They also answer what is stored
about you, and correct it.
"""
LOGGED_IN = "your Hugging Face user name"
TYPED = "the name that you type"


def build(services: Services, page: gr.Blocks) -> None:  # noqa: ARG001 - every page is built the same way
    """Lays out the page."""
    gr.Markdown(words(services), elem_id="privacy")


def words(services: Services) -> str:
    """The page's text, for where this app runs."""
    kept = services.ledger is not None
    return PRIVACY.format(
        consent=CONSENT,
        visitors=asking() if services.on_space else "",
        name=LOGGED_IN if services.on_space else TYPED,
        called="your user name" if services.on_space else "your name",
        journal="the database of this app" + (", lost when the Space restarts" if services.on_space else ""),
        ledger=", and a private dataset on the Hugging Face Hub" if kept else "",
        session=", and that you are signed in (for eight hours at most)" if services.on_space else ", and your name",
        name_again="Your name is in no dataset, export or release."
        if kept
        else "Your name is in no export or release.",
        logs=hosted() if services.on_space else "Nothing is sent to anybody else until the answers are published.",
        forgotten=(
            "they are taken out of the private dataset and its history;"
            if kept
            else "they stay in the database, marked, and are not read any more;"
        ),
        organisers=organisers(services),
    )


def asking() -> str:
    """How questions to the weights are counted."""
    return (
        f"Questions under Try it are counted for some minutes by login or network address, in memory alone, so that "
        f"nobody asks more than {AT_ONCE} at once or one every {EVERY:g} seconds."
    )


def hosted() -> str:
    """What the host does beside the app."""
    return (
        "This app is hosted by Hugging Face, which sees every visit as any host does, and runs the login: "
        "[its privacy policy](https://huggingface.co/privacy). The app asks the login for your user name and public "
        "profile alone."
    )


def organisers(services: Services) -> str:
    """Whom to write to."""
    names = [f"[{name}](https://huggingface.co/{name})" for name in sorted(services.organisers)]
    return f"the organisers ({', '.join(names)})" if names and services.on_space else "whoever runs this app"
