"""Search: heads by what is said of them and by their tokens, relations by name. Its address can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from maps.errors import MapsError
from maps.text import pluralize
from space.components.links import link_to_search
from space.components.markup import anchor, escape_html, notice, select_options
from space.pages.search.view import SearchView, results_html
from space.search.query import MAX_QUERY_LENGTH
from space.search.results import RESULT_KINDS, SearchResults
from space.search.search import search
from space.services import Services
from space.web.page import PageContent
from space.web.sessions import Annotator

EXAMPLES = ("pronouns", " he", "country to capital", "first letter")
INTRODUCTION = (
    "By a word of a description, by a token (which heads act on it, which promote it), or by the name of a relation. "
    "A typing error or two does no harm; a space before a token counts first."
)


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """What the search in the address finds, or what can be searched where it holds none."""
    given, model, kind = query.get("q", ""), query.get("model", ""), query.get("kind", "")
    atlases = [services.atlas(model)] if model else list(services.atlases.values())
    form = search_form(services, given, model, kind)
    if not given:
        return PageContent("Search the heads", INTRODUCTION, form + introduction_html())
    found = search([services.search_indexes.get(atlas) for atlas in atlases], given, kind, page_in_query(query))
    undescribed = [atlas.model for atlas in atlases if not len(services.search_indexes.get(atlas).descriptions)]
    notes = [*found.query.notes, *map(no_descriptions_message, undescribed)]
    told = "".join(map(notice, notes))
    shown = results_html(SearchView(found, model)) if found.total or kind else no_results_html(found, model)
    return PageContent(f"Search: {given[:60]}", results_summary(found), f"{form}{told}{shown}")


def page_in_query(query: Mapping[str, str]) -> int:
    """The page in the address, from 1; raises MapsError where it is no number."""
    given = query.get("page") or "1"
    if not (given.isascii() and given.isdecimal()) or len(given) > 7:
        raise MapsError("The page of a search is a whole number from 1 on.")
    return int(given)


def search_form(services: Services, typed_text: str, model: str, kind: str) -> str:
    """The form; it works without a script."""
    models = [("all models", ""), *((name, name) for name in services.atlases)]
    kinds = [("everything", ""), *((words, each) for each, words in RESULT_KINDS.items())]
    several = f'<label>Model <select name="model">{select_options(models, model)}</select></label>'
    value = escape(typed_text[:MAX_QUERY_LENGTH].encode("utf-8", "replace").decode().replace("\0", ""))
    return (
        f"<h1>Search the heads</h1>"
        f'<form class="controls search" action="search" role="search"><label>Search for '
        f'<input type="search" name="q" value="{value}" maxlength="{MAX_QUERY_LENGTH}" autocomplete="off" spellcheck="false">'
        f"</label>{several if len(services.atlases) > 1 else ''}"
        f'<label>In <select name="kind">{select_options(kinds, kind)}</select></label><button>Search</button></form>'
    )


def introduction_html() -> str:
    """What can be searched, with examples."""
    examples = ", ".join(anchor(link_to_search(each), f"“{each}”") for each in EXAMPLES)
    return f'<p class="lead">{escape_html(INTRODUCTION)}</p><p>For example {examples}.</p>'


def no_results_html(results: SearchResults, model: str) -> str:
    """That nothing was found, and what may help."""
    where = f"of {model}" if model else "of any model here"
    wider = f"<li>{anchor(link_to_search(results.query.text), 'Search all models')}</li>" if model else ""
    shorter = "<li>Fewer words, or the beginning of one, find more.</li>"
    mapped = "<li>Only the salient tokens of a head and their best targets are searched, not the whole vocabulary.</li>"
    return (
        f"{notice(f'Nothing {where} is like this: no description, no token of a mapping, no relation.')}"
        f"<ul>{shorter}{mapped}{wider}</ul>{introduction_html()}"
    )


def no_descriptions_message(model: str) -> str:
    """That a model's heads cannot be found by words yet."""
    return f"No head of {model} is described yet; `python -m maps describe ATLAS --describer offline` describes them."


def results_summary(results: SearchResults) -> str:
    """What was found, in one sentence."""
    counts = (
        pluralize(results.relations.total, "relation"),
        pluralize(results.descriptions.total, "description"),
        f"{pluralize(results.sources.total, 'head')} acting on the token",
        f"{pluralize(results.targets.total, 'head')} promoting it",
    )
    return f"{', '.join(counts)}, {pluralize(results.alike.total, 'similar token')}."
