"""Search: heads by their description and their tokens, relations by name."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import escape

from maps.errors import MapsError
from maps.text import pluralize
from space.atlases.hidden import hidden_descriptions_sentence, hidden_heads
from space.components.links import link_to_search
from space.components.markup import Html, anchor, join_html, notice, select_field, token_chip
from space.pages.search.view import SearchView, results_html
from space.search.query import MAX_QUERY_LENGTH
from space.search.results import RESULT_KINDS, SearchResults
from space.search.search import search
from space.services import Services
from space.studies.headlines import head_headlines
from space.web.page import PageContent
from space.web.sessions import Annotator

EXAMPLES = ("pronouns", " he", "country to capital", "first letter")
INTRODUCTION = (
    "Search for a word of a description, for a token (which heads act on it, which heads promote it), or for the name "
    "of a relation. Small typing errors are forgiven. For tokens, a space in front makes a difference."
)


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The results of the search in the address, or what can be searched if the address has none."""
    text, model, kind = query.get("q", ""), query.get("model", ""), query.get("kind", "")
    atlases = [services.atlas(model)] if model else list(services.atlases.values())
    form = search_form(services, text, model, kind)
    if not text:
        return PageContent("Search the heads", INTRODUCTION, form + introduction_html())
    indexes = [services.search_indexes.get(atlas) for atlas in atlases]
    results = search(indexes, text, kind, page_in_query(query))
    undescribed = [
        atlas.model
        for atlas, index in zip(atlases, indexes, strict=True)
        if not len(index.descriptions) and not hidden_heads(atlas)
    ]
    notes = [*results.query.notes, *filter(None, map(hidden_descriptions_sentence, atlases))]
    notes += [
        f"The heads of {name} have no descriptions yet, so only tokens and relations are found." for name in undescribed
    ]
    view = SearchView(results, model, {atlas.model: head_headlines(services, atlas) for atlas in atlases})
    body = results_html(view) if results.total or kind else no_results_html(results, model)
    return PageContent(f"Search: {text[:60]}", results_summary(results), form + join_html(map(notice, notes)) + body)


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
        '<input type="search" name="q" value="{}" maxlength="{}" autocomplete="off" spellcheck="false"></label>'
        "{}{}<button>Search</button></form>"
    ).format(
        escape(typed_text[:MAX_QUERY_LENGTH].encode("utf-8", "replace").decode().replace("\0", "")),
        MAX_QUERY_LENGTH,
        model_field,
        select_field("In", "kind", kinds, kind),
    )


def introduction_html() -> Html:
    examples = Html(", ").join(anchor(link_to_search(text), token_chip(text, linked=False)) for text in EXAMPLES)
    return Html('<p class="lead">{}</p><p>For example {}.</p>').format(INTRODUCTION, examples)


def no_results_html(results: SearchResults, model: str) -> Html:
    message = f"Nothing found{f' in {model}' if model else ''}: no description, no token and no relation is like this."
    wider = Html("")
    if model:
        wider = Html("<li>{}</li>").format(anchor(link_to_search(results.query.text), "Search all models"))
    return Html(
        "{}<ul><li>Try fewer words, or only the beginning of a word.</li>"
        "<li>Only tokens on which a head acts strongly, and those that it promotes most, can be found here; not the "
        "whole vocabulary.</li>{}</ul>{}"
    ).format(notice(message), wider, introduction_html())


def results_summary(results: SearchResults) -> str:
    counts = (
        pluralize(results.relations.total, "relation"),
        pluralize(results.descriptions.total, "description"),
        f"{pluralize(results.sources.total, 'head')} acting on the token",
        f"{pluralize(results.targets.total, 'head')} promoting it",
    )
    return f"{', '.join(counts)}, {pluralize(results.alike.total, 'similar token')}."
