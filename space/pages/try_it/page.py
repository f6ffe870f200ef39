"""Try it: a token, a pair or own pairs put to every head of the bundled model, computed live from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from maps.analysis.classification import SCORE
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.mapping.probe_results import OwnRelation, Probe
from maps.text import many, said
from maps.types import TAU
from maps.weights.bundled import BUNDLED
from space.components.markup import anchor, notice, options, tau_slider, text
from space.pages.try_it.question import LIMIT, LONGEST, Asked
from space.pages.try_it.view import of_pair, of_relation, of_token
from space.services import Services
from space.web.addresses import SIDES, threshold
from space.web.page import Look, nowhere
from space.web.sessions import Annotator, Asking
from space.web.visitors import put

NAMED = 10  # lines without a pair that are written out
EXAMPLES = (("France", "Paris"), ("he", "him"), ("Spain", ""), ("water", ""))
CAPITALS = "France, Paris\nSpain, Madrid\nGermany, Berlin\nItaly, Rome\nRussia, Moscow\nJapan, Tokyo\nEgypt, Cairo"
LEAD = "Type a token or a pair, and see which heads promote it: computed from the weights while you wait."


def look(services: Services, query: Mapping[str, str], who: Annotator | None = None) -> Look:  # noqa: ARG001
    """The forms, and what is being computed for the question in the address."""
    try:
        asked = Asked.of(query)
    except MapsError as error:
        return page(services, query, notice(str(error), "problem"), "")
    if services.live.model is None:
        return page(services, query, asked.command if asked.something else "", asked.words)
    atlas = atlas_of(services)
    threshold(query, atlas)  # a bad one is told before anything is computed
    if not asked.something:
        return page(services, query, odd_lines(asked), "")
    waiting = notice(
        f"Asking {len(atlas.ids):,} heads of {atlas.model} about {asked.words}. "
        "The first question loads the weights, which takes some seconds."
    )
    without = f"<noscript>{notice('The answer needs a script; the command gives it without one.')}</noscript>"
    return page(services, query, odd_lines(asked) + waiting + without + asked.command, asked.words, unfinished=True)


def finish(services: Services, query: Mapping[str, str], asking: Asking | None = None) -> Look:
    """The answer for whoever asks, or in one sentence why there is none."""
    try:
        asked = Asked.of(query)
        if not asked.something:
            return look(services, query)
        atlas = atlas_of(services)
        tau = threshold(query, atlas)
    except MapsError as error:
        return nowhere(str(error))
    try:
        found = put(services, asked.put, asking)
        shown = answer(found, atlas, asked.side, tau)
    except MapsError as error:
        shown = notice(str(error), "problem")
    return page(services, query, odd_lines(asked) + shown + asked.command, asked.words)


def answer(found: Probe | OwnRelation, atlas: Atlas, side: str, tau: float) -> str:
    """An answer as HTML."""
    if isinstance(found, OwnRelation):
        return of_relation(found, atlas, side, tau)
    return of_token(found, atlas) if found.target is None else of_pair(found, atlas)


def atlas_of(services: Services) -> Atlas:
    """The atlas of the model that is asked; raises MapsError where there is none."""
    for atlas in services.atlases.values():
        if atlas.info.get("asked_for") == BUNDLED:
            return atlas
    raise MapsError(services.live.off)


def odd_lines(asked: Asked) -> str:
    """How many lines hold no pair, and which."""
    if not asked.odd:
        return ""
    named = "; ".join(f"“{line[:60]}”" for line in asked.odd[:NAMED])
    more = f"; and {len(asked.odd) - NAMED} more" if len(asked.odd) > NAMED else ""
    return notice(f"{many(len(asked.odd), 'line')} without a source and a target left out: {named}{more}.")


def page(services: Services, query: Mapping[str, str], shown: str, words: str, unfinished: bool = False) -> Look:
    """The whole page around an answer."""
    title = f"Try it: {said(words[:60])}" if words else "Try it"
    html = f'<h1>Try it</h1><p class="lead">{text(LEAD)}</p>{forms(query, tau_shown(services, query))}'
    answered = f'<section class="answer" aria-live="polite">{shown}</section>' if shown else ""
    off = notice(services.live.off, "problem") if services.live.model is None else ""
    whence = notice(services.live.note) if services.live.note and not off else ""
    return Look(title, LEAD, html + off + answered + examples() + whence, unfinished=unfinished)


def tau_shown(services: Services, query: Mapping[str, str]) -> float:
    """Where the slider stands; what is wrong with the address is told beside it."""
    try:
        return threshold(query, atlas_of(services))
    except MapsError:
        return TAU


def forms(query: Mapping[str, str], tau: float) -> str:
    """A form for a token or a pair, and one for own pairs."""
    source, target, pairs = (shown(query.get(name, "")) for name in ("source", "target", "pairs"))
    limit = f'maxlength="{LONGEST}" autocomplete="off" spellcheck="false"'
    sides = options([(words, key) for key, words in SIDES.items()], query.get("side") or SCORE)
    opened = " open" if pairs else ""
    return (
        '<form class="controls" action="try"><label>Token, or source '
        f'<input name="source" value="{source}" required {limit}></label><label>Target, if it is a pair '
        f'<input name="target" value="{target}" {limit}></label><button>Ask the heads</button></form>'
        f'<details{opened}><summary>A relation of your own</summary><form class="controls" action="try">'
        f'<label class="tall">One pair a line, such as France, Paris; {LIMIT} at most '
        f'<textarea name="pairs" rows="8" required spellcheck="false">\n{pairs}</textarea></label>'
        f'<label>Direction <select name="side">{sides}</select></label>{tau_slider(tau)}'
        "<button>Score every head</button></form></details>"
    )


def shown(given: str) -> str:
    """What was typed, for a field of a form."""
    return escape(given.encode("utf-8", "replace").decode().replace("\0", ""))


def examples() -> str:
    """Questions to begin with."""
    links = [
        anchor("try?" + urlencode({"source": s, "target": t} if t else {"source": s}), f"{s} → {t}" if t else f"“{s}”")
        for s, t in EXAMPLES
    ]
    links.append(anchor("try?" + urlencode({"pairs": CAPITALS}), "seven capitals"))
    return f"<p>For example {', '.join(links)}.</p>"
