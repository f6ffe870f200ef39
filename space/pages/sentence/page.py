"""A head on a visitor's own sentence: what it does in a run of the model, next to what its weights predict."""

from __future__ import annotations

from collections.abc import Mapping

from maps.atlas.reader import Atlas
from maps.atlas.readings import reading_phrase
from maps.errors import MapsError
from maps.experiments.sentence_results import MAX_TEXT_LENGTH, SentenceQuestion
from maps.text import escape_invisible
from maps.types import HeadId
from maps.weights.bundled import BUNDLED_MODEL
from space.components.links import link_to_head
from space.components.markup import Html, anchor, notice
from space.pages.sentence.view import answer_html, examples_html, sentence_form
from space.services import Services
from space.web.addresses import requested_head
from space.web.page import PageContent, missing_page
from space.web.sessions import Annotator, HasRequest
from space.web.visitors import ask_within_limit

INTRODUCTION = "What a head reads and writes when the model runs, compared with what its weights alone predict."
WAITING = "Running {} on your sentence. The first sentence after a pause loads the model, which takes some seconds."
ALLOWED_CONTROLS = "\n\t"


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The form, and a message that the sentence in the address is being run; `finish` gives the answer."""
    atlas, head = requested_runnable_head(services, query)
    if services.live_model.model_name is None:
        return page_content(services, atlas, head, query, notice(services.live_model.off_reason, "problem"))
    if not query.get("text", "").strip():
        return page_content(services, atlas, head, query, Html(""))
    try:
        read_sentence(query)
    except MapsError as error:
        return page_content(services, atlas, head, query, notice(str(error), "problem"))
    without_script = Html("<noscript>{}</noscript>").format(notice("The answer needs JavaScript."))
    waiting = notice(WAITING.format(atlas.model)) + without_script
    return page_content(services, atlas, head, query, waiting, is_unfinished=True)


def finish(services: Services, query: Mapping[str, str], request: HasRequest | None = None) -> PageContent:
    """The page with the answer, or with the reason why there is none."""
    try:
        atlas, head = requested_runnable_head(services, query)
    except MapsError as error:
        return missing_page(str(error))
    if not query.get("text", "").strip():
        return build_content(services, query)
    try:
        found = ask_within_limit(services, SentenceQuestion(head, read_sentence(query)), request)
        answer = answer_html(found)
    except MapsError as error:
        answer = notice(str(error), "problem")
    return page_content(services, atlas, head, query, answer)


def is_runnable(atlas: Atlas) -> bool:
    """Whether an atlas is of the model that the child process runs, in whatever reading."""
    return atlas.info.get("asked_for") == BUNDLED_MODEL


def requested_runnable_head(services: Services, query: Mapping[str, str]) -> tuple[Atlas, HeadId]:
    """The head in the address; raises MapsError if there is none, or if its model is not run here."""
    atlas, head = requested_head(services, query)
    if not is_runnable(atlas):
        raise MapsError(f"{atlas.model} is not run on this site, so its heads cannot be tried on a sentence.")
    return atlas, head


def read_sentence(query: Mapping[str, str]) -> str:
    """The sentence in an address; raises MapsError for one that is too long or no plain text."""
    text = query.get("text", "").strip()
    if len(text) > MAX_TEXT_LENGTH:
        raise MapsError(f"The sentence has {len(text):,} characters; type at most {MAX_TEXT_LENGTH}.")
    if any((ord(c) < 32 and c not in ALLOWED_CONTROLS) or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in text):
        raise MapsError("The sentence has control characters. Type plain text.")
    return text


def reading_note(services: Services, atlas: Atlas) -> Html:
    """In which reading the weights predict; a warning if it is not that of the head's page."""
    reading = services.live_model.reading.name
    if reading == atlas.reading:
        return Html("")
    phrases = reading_phrase(reading), reading_phrase(atlas.reading)
    return notice(
        f"Predictions here are in {phrases[0]}. The head's page is in {phrases[1]}, which is not computed here."
    )


def page_content(
    services: Services, atlas: Atlas, head: HeadId, query: Mapping[str, str], answer: Html, is_unfinished: bool = False
) -> PageContent:
    text = query.get("text", "").strip()
    html = Html(
        '<nav class="neighbours" aria-label="Back">{back}</nav><h1>{head} on your own sentence '
        '<small>of {model}</small></h1><p class="lead">{introduction}</p>{form}{note}{answer}{examples}'
    ).format(
        back=anchor(link_to_head(atlas.model, head), f"← What {head} does"),
        head=head,
        model=atlas.model,
        introduction=INTRODUCTION,
        form=sentence_form(atlas.model, head, text),
        note=reading_note(services, atlas) if answer else "",
        answer=Html('<section class="answer" aria-live="polite">{}</section>').format(answer) if answer else "",
        examples=examples_html(atlas.model, head),
    )
    title = f"{head} on “{escape_invisible(text[:60])}”" if text else f"{head} on your own sentence"
    return PageContent(title, INTRODUCTION, html, is_unfinished=is_unfinished)
