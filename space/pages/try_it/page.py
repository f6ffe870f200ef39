"""Try it: a token, a pair or own pairs put to every head of the bundled model, computed live from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from maps.analysis.classification import SCORE
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.mapping.probe_results import OwnPairsResult, Probe
from maps.text import escape_for_terminal, pluralize
from maps.types import TAU
from maps.weights.bundled import BUNDLED_MODEL
from space.components.markup import anchor, escape_html, notice, select_options, tau_slider
from space.pages.try_it.question import MAX_PAIRS, MAX_WORD_LENGTH, TryQuestion
from space.pages.try_it.view import pair_answer, relation_answer, token_answer
from space.services import Services
from space.web.addresses import SIDE_LABELS, threshold_in_query
from space.web.page import PageContent, missing_page
from space.web.sessions import Annotator, HasRequest
from space.web.visitors import ask_within_limit

MAX_INVALID_LINES_SHOWN = 10  # lines without a pair that are written out
EXAMPLES = (("France", "Paris"), ("he", "him"), ("Spain", ""), ("water", ""))
CAPITAL_PAIRS = "France, Paris\nSpain, Madrid\nGermany, Berlin\nItaly, Rome\nRussia, Moscow\nJapan, Tokyo\nEgypt, Cairo"
INTRODUCTION = "Type a token or a pair, and see which heads promote it: computed from the weights while you wait."


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The forms, and what is being computed for the question in the address."""
    try:
        asked = TryQuestion.parse(query)
    except MapsError as error:
        return page_content(services, query, notice(str(error), "problem"), "")
    if services.live_model.model_name is None:
        return page_content(
            services, query, asked.equivalent_command if asked.has_question else "", asked.question_text
        )
    atlas = live_atlas(services)
    threshold_in_query(query, atlas)  # a bad one is told before anything is computed
    if not asked.has_question:
        return page_content(services, query, invalid_lines_notice(asked), "")
    waiting = notice(
        f"Asking {len(atlas.head_ids):,} heads of {atlas.model} about {asked.question_text}. "
        "The first question loads the weights, which takes some seconds."
    )
    without = f"<noscript>{notice('The answer needs a script; the command gives it without one.')}</noscript>"
    return page_content(
        services,
        query,
        invalid_lines_notice(asked) + waiting + without + asked.equivalent_command,
        asked.question_text,
        is_unfinished=True,
    )


def finish(services: Services, query: Mapping[str, str], request: HasRequest | None = None) -> PageContent:
    """The answer for whoever asks, or in one sentence why there is none."""
    try:
        asked = TryQuestion.parse(query)
        if not asked.has_question:
            return build_content(services, query)
        atlas = live_atlas(services)
        tau = threshold_in_query(query, atlas)
    except MapsError as error:
        return missing_page(str(error))
    try:
        found = ask_within_limit(services, asked.live_question, request)
        shown = answer_html(found, atlas, asked.side, tau)
    except MapsError as error:
        shown = notice(str(error), "problem")
    return page_content(
        services, query, invalid_lines_notice(asked) + shown + asked.equivalent_command, asked.question_text
    )


def answer_html(live_answer: Probe | OwnPairsResult, atlas: Atlas, side: str, tau: float) -> str:
    """An answer as HTML."""
    if isinstance(live_answer, OwnPairsResult):
        return relation_answer(live_answer, atlas, side, tau)
    return token_answer(live_answer, atlas) if live_answer.target is None else pair_answer(live_answer, atlas)


def live_atlas(services: Services) -> Atlas:
    """The atlas of the model that is asked; raises MapsError where there is none."""
    for atlas in services.atlases.values():
        if atlas.info.get("asked_for") == BUNDLED_MODEL:
            return atlas
    raise MapsError(services.live_model.off_reason)


def invalid_lines_notice(question: TryQuestion) -> str:
    """How many lines hold no pair, and which."""
    if not question.invalid_lines:
        return ""
    named = "; ".join(f"“{line[:60]}”" for line in question.invalid_lines[:MAX_INVALID_LINES_SHOWN])
    more = (
        f"; and {len(question.invalid_lines) - MAX_INVALID_LINES_SHOWN} more"
        if len(question.invalid_lines) > MAX_INVALID_LINES_SHOWN
        else ""
    )
    return notice(
        f"{pluralize(len(question.invalid_lines), 'line')} without a source and a target left out: {named}{more}."
    )


def page_content(
    services: Services, query: Mapping[str, str], answer: str, question_text: str, is_unfinished: bool = False
) -> PageContent:
    """The whole page around an answer."""
    title = f"Try it: {escape_for_terminal(question_text[:60])}" if question_text else "Try it"
    html = f'<h1>Try it</h1><p class="lead">{escape_html(INTRODUCTION)}</p>{question_forms(query, slider_threshold(services, query))}'
    answered = f'<section class="answer" aria-live="polite">{answer}</section>' if answer else ""
    off = notice(services.live_model.off_reason, "problem") if services.live_model.model_name is None else ""
    whence = notice(services.live_model.weights_origin) if services.live_model.weights_origin and not off else ""
    return PageContent(
        title, INTRODUCTION, html + off + answered + examples_html() + whence, is_unfinished=is_unfinished
    )


def slider_threshold(services: Services, query: Mapping[str, str]) -> float:
    """Where the slider stands; what is wrong with the address is told beside it."""
    try:
        return threshold_in_query(query, live_atlas(services))
    except MapsError:
        return TAU


def question_forms(query: Mapping[str, str], tau: float) -> str:
    """A form for a token or a pair, and one for own pairs."""
    source, target, pairs = (field_value(query.get(name, "")) for name in ("source", "target", "pairs"))
    limit = f'maxlength="{MAX_WORD_LENGTH}" autocomplete="off" spellcheck="false"'
    sides = select_options([(words, key) for key, words in SIDE_LABELS.items()], query.get("side") or SCORE)
    opened = " open" if pairs else ""
    return (
        '<form class="controls" action="try"><label>Token, or source '
        f'<input name="source" value="{source}" required {limit}></label><label>Target, if it is a pair '
        f'<input name="target" value="{target}" {limit}></label><button>Ask the heads</button></form>'
        f'<details{opened}><summary>A relation of your own</summary><form class="controls" action="try">'
        f'<label class="tall">One pair a line, such as France, Paris; {MAX_PAIRS} at most '
        f'<textarea name="pairs" rows="8" required spellcheck="false">\n{pairs}</textarea></label>'
        f'<label>Direction <select name="side">{sides}</select></label>{tau_slider(tau)}'
        "<button>Score every head</button></form></details>"
    )


def field_value(typed_text: str) -> str:
    """What was typed, for a field of a form."""
    return escape(typed_text.encode("utf-8", "replace").decode().replace("\0", ""))


def examples_html() -> str:
    """Questions to begin with."""
    links = [
        anchor("try?" + urlencode({"source": s, "target": t} if t else {"source": s}), f"{s} → {t}" if t else f"“{s}”")
        for s, t in EXAMPLES
    ]
    links.append(anchor("try?" + urlencode({"pairs": CAPITAL_PAIRS}), "seven capitals"))
    return f"<p>For example {', '.join(links)}.</p>"
