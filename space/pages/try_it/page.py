"""Try it: every head of the bundled model answers about a token, a pair or own pairs, live from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from markupsafe import Markup, escape

from maps.analysis.classification import SCORE
from maps.atlas.reader import Atlas
from maps.atlas.readings import reading_phrase
from maps.errors import MapsError, SplitWordError
from maps.mapping.probe_results import OwnPairsResult, Probe
from maps.text import escape_invisible, pluralize, visible_token
from maps.types import TAU
from maps.weights.bundled import BUNDLED_MODEL
from space.components.links import link_to_try
from space.components.markup import Html, anchor, notice, select_field, tau_slider
from space.pages.try_it.question import MAX_PAIRS, MAX_WORD_LENGTH, TryQuestion
from space.pages.try_it.view import HeadLinks, pair_answer, relation_answer, token_answer
from space.services import Services
from space.web.addresses import SIDE_LABELS, threshold_in_query
from space.web.page import PageContent, missing_page
from space.web.sessions import Annotator, HasRequest
from space.web.visitors import ask_within_limit

MAX_INVALID_LINES_SHOWN = 10
EXAMPLES = (("France", "Paris"), ("he", "him"), ("Spain", ""), ("water", ""))
CAPITAL_PAIRS = "France, Paris\nSpain, Madrid\nGermany, Berlin\nItaly, Rome\nRussia, Moscow\nJapan, Tokyo\nEgypt, Cairo"
INTRODUCTION = (
    "Type a token or a pair of tokens to see which heads promote it, computed from the weights while you wait."
)


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The forms, and a message that the question in the address is being answered; `finish` gives the answer."""
    try:
        question = TryQuestion.parse(query)
    except MapsError as error:
        return page_content(services, query, notice(str(error), "problem"), "")
    if services.live_model.model_name is None:
        command = command_of(services, question) if question.has_question else Html("")
        return page_content(services, query, command, question.question_text)
    atlas = live_atlas(services)
    threshold_in_query(query, atlas)  # raises for an invalid threshold before anything is computed
    if not question.has_question:
        return page_content(services, query, invalid_lines_notice(question), "")
    waiting = notice(
        f"Asking {len(atlas.head_ids):,} heads of {atlas.model} about {question.question_text}. "
        "The first question after a pause loads the weights, which takes some seconds."
        + (
            " In this reading a token without a target may take a minute."
            if services.live_model.reading.is_slow
            else ""
        )
    )
    without_script = Html("<noscript>{}</noscript>").format(
        notice("The answer needs JavaScript. The command below computes it without.")
    )
    answer = invalid_lines_notice(question) + waiting + without_script + command_of(services, question)
    return page_content(services, query, answer, question.question_text, is_unfinished=True)


def finish(services: Services, query: Mapping[str, str], request: HasRequest | None = None) -> PageContent:
    """The page with the answer, or with the reason why there is none."""
    try:
        question = TryQuestion.parse(query)
        if not question.has_question:
            return build_content(services, query)
        atlas = live_atlas(services)
        tau = threshold_in_query(query, atlas)
    except MapsError as error:
        return missing_page(str(error))
    try:
        live_answer = ask_within_limit(services, question.live_question, request)
        answer = answer_html(live_answer, HeadLinks(services, atlas), question.side, tau)
    except SplitWordError as error:
        answer = split_word_answer(error, question)
    except MapsError as error:
        answer = notice(str(error), "problem")
    answer = invalid_lines_notice(question) + answer + command_of(services, question)
    return page_content(services, query, answer, question.question_text)


def split_word_answer(error: SplitWordError, question: TryQuestion) -> Html:
    """Why a word cannot be asked about, with a link that asks about each other spelling of it."""
    if not error.suggestions:
        return notice(str(error), "problem")
    links = []
    for spelling in error.suggestions:
        words = [spelling if word == error.word else word for word in (question.source, question.target)]
        links.append(anchor(link_to_try(*words), visible_token(spelling)))
    return Html('<p class="notice problem" role="alert">{} Did you mean {}?</p>').format(
        error.split, Html(" or ").join(links)
    )


def answer_html(live_answer: Probe | OwnPairsResult, links: HeadLinks, side: str, tau: float) -> Html:
    if isinstance(live_answer, OwnPairsResult):
        return relation_answer(live_answer, links, side, tau)
    return token_answer(live_answer, links) if live_answer.target is None else pair_answer(live_answer, links)


def live_atlas(services: Services) -> Atlas:
    """The atlas of the model that answers live, in its reading if that is shown.

    Raises MapsError if no atlas of the model is shown here.
    """
    shown = [atlas for atlas in services.atlases.values() if atlas.info.get("asked_for") == BUNDLED_MODEL]
    if not shown:
        raise MapsError(services.live_model.off_reason)
    return next((atlas for atlas in shown if atlas.reading == services.live_model.reading.name), shown[0])


def command_of(services: Services, question: TryQuestion) -> Html:
    """The command that answers a question in the same reading."""
    return question.equivalent_command(services.live_model.reading.name)


def reading_notice(services: Services) -> Html:
    """In which reading questions are answered."""
    reading = services.live_model.reading
    if reading.remark:
        return notice(reading.remark)
    return Html('<p class="hint">Answers are in {}.</p>').format(reading_phrase(reading.name))


def invalid_lines_notice(question: TryQuestion) -> Html:
    lines = question.invalid_lines
    if not lines:
        return Html("")
    named = "; ".join(f"“{line[:60]}”" for line in lines[:MAX_INVALID_LINES_SHOWN])
    if len(lines) > MAX_INVALID_LINES_SHOWN:
        named += f"; and {len(lines) - MAX_INVALID_LINES_SHOWN} more"
    return notice(f"{pluralize(len(lines), 'line')} without a source and a target left out: {named}.")


def page_content(
    services: Services, query: Mapping[str, str], answer: Html, question_text: str, is_unfinished: bool = False
) -> PageContent:
    live_model = services.live_model
    is_off = live_model.model_name is None
    html = Html(
        '<h1>Try it</h1><p class="lead">{introduction}</p>{reading}{forms}{off}{answer}{examples}{origin}'
    ).format(
        introduction=INTRODUCTION,
        reading=Html("") if is_off else reading_notice(services),
        forms=question_forms(query, slider_threshold(services, query)),
        off=notice(live_model.off_reason, "problem") if is_off else "",
        answer=Html('<section class="answer" aria-live="polite">{}</section>').format(answer) if answer else "",
        examples=examples_html(),
        origin=notice(live_model.weights_origin) if live_model.weights_origin and not is_off else "",
    )
    title = f"Try it: {escape_invisible(question_text[:60])}" if question_text else "Try it"
    return PageContent(title, INTRODUCTION, html, is_unfinished=is_unfinished)


def slider_threshold(services: Services, query: Mapping[str, str]) -> float:
    """The threshold that the slider shows. An invalid one in the address is reported next to it, and not shown."""
    try:
        return threshold_in_query(query, live_atlas(services))
    except MapsError:
        return TAU


def question_forms(query: Mapping[str, str], tau: float) -> Html:
    pairs = field_value(query.get("pairs", ""))
    sides = [(label, key) for key, label in SIDE_LABELS.items()]
    return Html(
        '<form class="controls" action="try"><label>Token, or source <input name="source" value="{source}" required '
        '{limit}></label><label>Target, if it is a pair <input name="target" value="{target}" {limit}></label>'
        "<button>Ask the heads</button></form>"
        '<details{open}><summary>A relation of your own</summary><form class="controls" action="try">'
        '<label class="tall">One pair per line, for example: France, Paris (at most {max_pairs}) '
        '<textarea name="pairs" rows="8" required spellcheck="false">\n{pairs}</textarea></label>'
        "{direction}{slider}<button>Score every head</button></form>"
        "</details>"
    ).format(
        source=field_value(query.get("source", "")),
        target=field_value(query.get("target", "")),
        limit=Html('maxlength="{}" autocomplete="off" spellcheck="false"').format(MAX_WORD_LENGTH),
        open=Html(" open") if pairs else "",
        max_pairs=MAX_PAIRS,
        pairs=pairs,
        direction=select_field("Direction", "side", sides, query.get("side") or SCORE),
        slider=tau_slider(tau),
    )


def field_value(typed_text: str) -> Markup:
    """What was typed, as the value of a form field."""
    return escape(typed_text.encode("utf-8", "replace").decode().replace("\0", ""))


def examples_html() -> Html:
    links = []
    for source, target in EXAMPLES:
        label = f"{source} → {target}" if target else f"“{source}”"
        links.append(anchor(link_to_try(source, target), label))
    links.append(anchor("try?" + urlencode({"pairs": CAPITAL_PAIRS}), "seven capitals"))
    return Html("<p>For example {}.</p>").format(Html(", ").join(links))
