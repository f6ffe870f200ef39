"""What is stored about an annotator, where, and how to withdraw."""

from __future__ import annotations

import gradio as gr

from annotation.form import CONSENT_SENTENCE
from annotation.identity.pseudonyms import SESSION_DAYS
from annotation.journal.reservations import RESERVATION_DURATION
from space.live.rate_limit import BURST_SIZE, REFILL_SECONDS
from space.services import Services

PRIVACY_TEXT = """\
# Privacy

**Whoever explores** is asked for no name and no login. Nothing about them is stored; this app sets no cookie for them
and sends nothing to others. {visitors}

**Whoever judges** agrees to this first: {consent}

## What is stored, and where

{stored}

The pseudonym, such as `a-3f9c2b81d0e4`, is made from {called} with a key that never leaves the server. Without the key
nobody can tell whose it is; whoever runs the app can. That two answers are by the same person is to be seen.
{name_again}
A comment is published as you write it: write nothing there that tells who you are.

{logs}

## How to withdraw

Open [Annotate](annotate), sign in, and use "Withdraw my answers" under the form. From then on:

- all your answers in all studies here are left out of every figure, export and release;
- {forgotten}
- your name is forgotten; that somebody with your pseudonym withdrew stays, so that nothing of you comes back.

What others downloaded before cannot be called back, and releases that are already public keep your answers until the
next one is made. You cannot take part again under the same name.

If you cannot sign in any more, write to {organisers}, who can do the same for you. They also tell you what is stored
about you.
"""
UNDER_PSEUDONYM = "under a pseudonym: "
OPERATOR = "whoever runs the app"


def build(services: Services, page: gr.Blocks) -> None:  # noqa: ARG001 - every page is built the same way
    """Lays out the page."""
    gr.Markdown(privacy_text(services), elem_id="privacy")


def privacy_text(services: Services) -> str:
    """The page's text, for where this app runs."""
    kept = services.ledger is not None
    return PRIVACY_TEXT.format(
        consent=CONSENT_SENTENCE,
        visitors=rate_limit_notice() if services.is_on_space else "",
        stored=storage_table(services),
        called="your user name" if services.is_on_space else "your name",
        name_again="Your name is in no dataset, export or release."
        if kept
        else "Your name is in no export or release.",
        logs=hosting_notice()
        if services.is_on_space
        else "Nothing is sent to anybody else until the answers are published.",
        forgotten=(
            "they are taken out of the private dataset and its history;"
            if kept
            else "they stay in the database, marked, and are not read any more;"
        ),
        organisers=contact_text(services),
    )


def storage_table(services: Services) -> str:
    """What is stored where, as a table in Markdown."""
    here = "the database of this app" + (", lost when the Space restarts" if services.is_on_space else "")
    kept = here + (", and a private dataset on the Hugging Face Hub" if services.ledger is not None else "")
    reserved = RESERVATION_DURATION.total_seconds() / 60
    name = "your Hugging Face user name" if services.is_on_space else "the name that you type"
    session = "that you are signed in (for eight hours at most)"
    if not services.is_on_space:
        session = f"your name (for {SESSION_DAYS} days; then you type it again)"
    rows = (
        (name, here, OPERATOR),
        (f"{UNDER_PSEUDONYM}when you agreed, and to which version of the guidelines", kept, OPERATOR),
        (
            f"{UNDER_PSEUDONYM}your answers, your comment, when you began and submitted each",
            kept,
            "those who take part, as said above; later everybody",
        ),
        (f"{UNDER_PSEUDONYM}which item lies before you, for {reserved:.0f} minutes", here, OPERATOR),
        (f"{UNDER_PSEUDONYM}that you withdrew", kept, OPERATOR),
        (
            f"your draft; a copy of each answer until it is published, sealed for the server; {session}",
            "your browser",
            "you",
        ),
    )
    lines = ["| what | where | who sees it |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def rate_limit_notice() -> str:
    """How questions to the weights are counted."""
    return (
        "Questions under Try it are counted for some minutes by login or network address, in memory alone: "
        f"{BURST_SIZE} can be asked without a pause, then one every {REFILL_SECONDS:g} seconds."
    )


def hosting_notice() -> str:
    """What the host does beside the app."""
    return (
        "This app is hosted by Hugging Face, which sees every visit as any host does, and runs the login: "
        "[its privacy policy](https://huggingface.co/privacy). The app asks the login for your user name and public "
        "profile alone."
    )


def contact_text(services: Services) -> str:
    """Whom to write to."""
    names = [f"[{name}](https://huggingface.co/{name})" for name in sorted(services.organisers)]
    return f"the organisers ({', '.join(names)})" if names and services.is_on_space else "whoever runs this app"
