"""What is stored about an annotator, where, and how to withdraw."""

from __future__ import annotations

import gradio as gr

from annotation.form import CONSENT_SENTENCE
from annotation.identity.tokens import SESSION_DAYS
from annotation.journal.reservations import RESERVATION_DURATION
from space.rate_limit import BURST_SIZE, REFILL_SECONDS
from space.services import Services

PRIVACY_TEXT = """\
# Privacy

**If you only explore**, you need neither a name nor a login. This app stores nothing about you, sets no cookie and
sends nothing to anybody else. Your browser keeps the names of the last heads that you opened and lists them on the
search page, where you can clear the list; it does not send them. {rate_limit}

**If you judge descriptions**, you agree to this first: {consent}

## What is stored, and where

{stored}

Your pseudonym, such as `a-3f9c2b81d0e4`, is made from {name} with a key that never leaves the server. Without the key,
nobody can tell whose pseudonym it is. The people who run this app have the key, so they can. Anybody can see that two
answers are by the same person. Your name is not part of any {published_in}. If a panel such as Prolific sent you, your
id there is not stored: it is only used to make the pseudonym.

Comments are published as you write them. Do not write anything in them that identifies you.

{hosting}

## How to withdraw

Open [Annotate](annotate), sign in, and press "Withdraw my answers" under the form. From then on:

- all your answers, in all studies on this site, are left out of every figure, download and release;
- {answers_after}
- we keep a note that this pseudonym has withdrawn, so that none of your answers comes back.

We cannot call back what others have already downloaded. Releases that are already public contain your answers until the
next release. You cannot take part again under the same name.

If you can no longer sign in, write to {contact}. They can withdraw your answers for you, and they can tell you what is
stored about you.
"""
OPERATORS = "the people who run this app"
RATE_LIMIT_NOTICE = (
    "On the page Try it, questions are counted by login or network address for some minutes, in memory only: you can "
    f"ask {BURST_SIZE} in a row, then one every {REFILL_SECONDS:g} seconds."
)
HOSTING_NOTICE = (
    "This app is hosted by Hugging Face, which sees every visit, as any host does, and runs the login: "
    "[its privacy policy](https://huggingface.co/privacy). At login, this app asks only for your user name and public "
    "profile. If you ask a model about a head with your own inference credits, it asks to use them. That "
    "permission stays in a cookie of your browser until you sign out, eight hours at most."
)


def build(services: Services, page: gr.Blocks) -> None:  # noqa: ARG001 - every page is built the same way
    gr.Markdown(privacy_text(services), elem_id="privacy")


def privacy_text(services: Services) -> str:
    """The page in Markdown, true for where this app runs and where it keeps answers."""
    is_on_space, has_ledger = services.is_on_space, services.ledger is not None
    hosting = HOSTING_NOTICE if is_on_space else "Nothing is sent to anybody else until the answers are published."
    answers_after = "they stay in the database, marked, and are never read again;"
    if has_ledger:
        answers_after = "they are taken out of the private dataset and its history;"
    return PRIVACY_TEXT.format(
        consent=CONSENT_SENTENCE,
        rate_limit=RATE_LIMIT_NOTICE if is_on_space else "",
        stored=storage_table(services),
        name="your user name" if is_on_space else "your name",
        published_in="dataset, download or release" if has_ledger else "download or release",
        hosting=hosting,
        answers_after=answers_after,
        contact=contact_text(services),
    )


def storage_table(services: Services) -> str:
    """What is stored, where, and who sees it, as a table in Markdown."""
    database = "the database of this app"
    session = f"your name, signed (until you sign out, or do not come for {SESSION_DAYS} days)"
    if services.is_on_space:
        database += ", lost when the Space restarts"
        session = "that you are signed in (for eight hours at most)"
    answers_place = database
    if services.ledger is not None:
        answers_place += ", and a private dataset on the Hugging Face Hub"
    minutes = RESERVATION_DURATION.total_seconds() / 60
    rows = (
        ("What", "Where", "Who sees it"),
        ("---", "---", "---"),
        ("under your pseudonym: when you agreed, and to which version of the guidelines", answers_place, OPERATORS),
        (
            "under your pseudonym: your answers, your comments, and when you began and submitted each",
            answers_place,
            "other annotators, as you agreed above; later everybody",
        ),
        (
            f"under your pseudonym: which item you are working on, for {minutes:.0f} minutes at most; in a study, also "
            "which items you were given",
            database,
            OPERATORS,
        ),
        (
            f"{'your user name' if services.is_on_space else 'your name'}, encrypted, until you withdraw; not if a "
            "panel sent you",
            database,
            OPERATORS,
        ),
        ("under your pseudonym: in a study, whether you have reached its end", database, OPERATORS),
        ("under your pseudonym: that you have withdrawn", answers_place, OPERATORS),
        (
            "your draft; a copy of each answer and of your withdrawal until it is published, which only the server can "
            f"read; {session}",
            "your browser",
            "you",
        ),
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def contact_text(services: Services) -> str:
    names = [f"[{name}](https://huggingface.co/{name})" for name in sorted(services.organisers)]
    return f"the organisers ({', '.join(names)})" if names and services.is_on_space else OPERATORS
