"""Search: heads by name, description and tokens, relations by name and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import escape

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.text import pluralize
from maps.types import HeadId
from space.atlases.hidden import hidden_descriptions_sentence, hidden_heads
from space.components.links import link_to_search
from space.components.markup import Html, anchor, join_html, notice, select_field, token_chip
from space.pages.search.view import SearchView, results_html
from space.search.query import MAX_QUERY_LENGTH
from space.search.results import RESULT_KINDS, SearchResults
from space.search.search import search
from space.services import Services
from space.studies.headlines import head_headlines
from space.web.addresses import missing_head_sentence
from space.web.page import PageContent
from space.web.sessions import Annotator

EXAMPLES = ("pronouns", " he", "capital of France", "L26H2")
INTRODUCTION = (
    "Search for a word of a description, for a token (which heads act on it, which heads promote it), for a relation "
    "or a word of its pairs, or for the name of a head. Typos are fine. A leading space is part of a token: “ he” and "
    "“he” differ."
)
# Filled by recent.js with the heads that this browser opened; they are not sent to the server.
RECENT_HEADS = Html(
    '<section id="recent-heads" hidden><h2>Recently looked at</h2><ul class="found-relations"></ul>'
    '<p><button type="button">Clear this list</button> <small>It is kept in this browser only.</small></p></section>'
)


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The results of the search in the address, or what can be searched if the address has none."""
    text, model, kind = query.get("q", ""), query.get("model", ""), query.get("kind", "")
    atlases = [services.atlas(model)] if model else list(services.atlases.values())
    form = search_form(services, text, model, kind)
    if not text:
        return PageContent("Search the heads", INTRODUCTION, form + introduction_html() + RECENT_HEADS)
    indexes = [services.search_indexes.get(atlas) for atlas in atlases]
    results = search(indexes, text, kind, page_in_query(query))
    undescribed = [
        atlas.model
        for atlas, index in zip(atlases, indexes, strict=True)
        if not len(index.descriptions) and not hidden_heads(atlas)
    ]
    notes = [*results.query.notes, *(missing_head_note(atlases, head) for head in results.missing_heads)]
    notes += filter(None, map(hidden_descriptions_sentence, atlases))
    notes += [
        f"The heads of {name} have no descriptions yet, so only tokens and relations are found." for name in undescribed
    ]
    headlines = {atlas.model: head_headlines(services, atlas) for atlas in atlases}
    view = SearchView(results, model, headlines, can_try=services.live_model.model_name is not None)
    body = results_html(view) if results.total or kind else no_results_html(results, model)
    return PageContent(f"Search: {text[:60]}", results_summary(results), form + join_html(map(notice, notes)) + body)


def missing_head_note(atlases: Sequence[Atlas], head: HeadId) -> str:
    """That none of the models has a head of this name, in one sentence."""
    if len(atlases) == 1:
        return missing_head_sentence(atlases[0], head)
    return f"None of the {len(atlases):,} models here has a head {head}."


def page_in_query(query: Mapping[str, str]) -> int:
    """The page number in the address, from 1."""
    number = query.get("page") or "1"
    if not (number.isascii() and number.isdecimal()) or len(number) > 7:
        raise MapsError("The page of a search must be a whole number from 1 on.")
    return int(number)


def search_form(services: Services, typed_text: str, model: str, kind: str) -> Html:
    """The form; it works without JavaScript."""
    kinds = [("everything", ""), *((label, key) for key, label in RESULT_KINDS.items())]
    model_field = Html("")
    if len(services.atlases) > 1:
        models = [("all models", ""), *((name, name) for name in services.atlases)]
        model_field = select_field("Model", "model", models, model)
    return Html(
        '<h1>Search the heads</h1><form class="controls search" action="search" role="search"><label>Search for '
        '<input type="search" name="q" value="{}" maxlength="{}" autocomplete="off" spellcheck="false"{}></label>'
        "{}{}<button>Search</button></form>"
    ).format(
        escape(typed_text[:MAX_QUERY_LENGTH].encode("utf-8", "replace").decode().replace("\0", "")),
        MAX_QUERY_LENGTH,
        Html("") if typed_text else Html(" autofocus"),
        model_field,
        select_field("In", "kind", kinds, kind),
    )


def introduction_html() -> Html:
    labels = [token_chip(text, linked=False) if text.startswith(" ") else text for text in EXAMPLES]
    links = [anchor(link_to_search(text), label) for text, label in zip(EXAMPLES, labels, strict=True)]
    examples = Html(", ").join(links)
    return Html('<p class="lead">{}</p><p>For example {}.</p>').format(INTRODUCTION, examples)


def no_results_html(results: SearchResults, model: str) -> Html:
    message = f"Nothing found{f' in {model}' if model else ''}: no head, description, token or relation is like this."
    wider = Html("")
    if model:
        wider = Html("<li>{}</li>").format(anchor(link_to_search(results.query.text), "Search all models"))
    return Html(
        "{}<ul><li>Try fewer words, or only the beginning of a word.</li>"
        "<li>Only tokens on which a head acts strongly, and those that it promotes most, can be found here; not the "
        "whole vocabulary.</li>{}</ul>{}"
    ).format(notice(message), wider, introduction_html())


def results_summary(results: SearchResults) -> str:
    named = results.named_heads.total
    counts = (
        *([f"{pluralize(named, 'head')} by name"] if named else []),
        pluralize(results.relations.total, "relation"),
        pluralize(results.descriptions.total, "description"),
        f"{pluralize(results.sources.total, 'head')} acting on the token",
        f"{pluralize(results.targets.total, 'head')} promoting it",
    )
    return f"{', '.join(counts)}, {pluralize(results.alike.total, 'similar token')}."
