"""What a search found as HTML: a section of each kind, the words found marked, tokens as chips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from maps.text import pluralize, relation_label
from space.components.links import link_to_head, link_to_relation, link_to_search
from space.components.markup import anchor, escape_html, notice, table, token_chip
from space.search.query import WORD_PATTERN, normalise_word
from space.search.results import (
    DescriptionHit,
    HeadHit,
    MappingHit,
    RelationHit,
    ResultSection,
    SearchResults,
    TokenHit,
)

MAX_DESCRIPTION_LENGTH = 600  # characters of a description that are shown
SOURCES_CAPTION = "Heads with the token among their sources, highest rank first"
TARGETS_CAPTION = "Heads with the token among their targets, highest place first"


@dataclass(frozen=True)
class SearchView:
    """What was found, and the model that it was looked for in (empty: all)."""

    results: SearchResults
    model: str

    def section_html(self, kind: str, title: str, section: ResultSection[Any], body: str, empty: str = "") -> str:
        """A section with its count, and the ways to the rest; nothing where another kind is looked at alone."""
        if self.results.kind not in ("", kind) or (not section.total and not empty):
            return ""
        head = f"<h2>{escape_html(title)} <small>{section.count_text}</small></h2>"
        return f'<section class="found" id="{kind}">{head}{body or notice(empty)}{self.page_links(kind, section)}</section>'

    def page_links(self, kind: str, section: ResultSection[Any]) -> str:
        """Links to the pages beside, or to all of a section."""
        query, page = self.results.query.text, section.page_slice.page
        more = section.page_slice.start + len(section.items) < section.total
        if not self.results.kind:
            link = anchor(link_to_search(query, self.model, kind), f"Show all {section.total:,}")
            return f'<p class="ways">{link}</p>' if more else ""
        ways = [
            anchor(link_to_search(query, self.model, kind, page + step), words)
            for step, words, there in ((-1, "← Before", page > 1), (1, "After →", more))
            if there
        ]
        back = anchor(link_to_search(query, self.model), "All kinds")
        return f'<nav class="ways" aria-label="Pages of this search">{" ".join([*ways, back])}</nav>'


def results_html(view: SearchView) -> str:
    """Everything found, section by section."""
    found = view.results
    rows: Sequence[tuple[str, str, ResultSection[Any], str]] = (
        ("relations", "Relations", found.relations, result_list(found.relations, relation_item, "found-relations")),
        (
            "descriptions",
            descriptions_title(found),
            found.descriptions,
            result_list(found.descriptions, description_formatter(found), "sentences"),
        ),
        ("sources", "Heads that act on it", found.sources, heads_table(found.sources, SOURCES_CAPTION)),
        ("targets", "Heads that promote it", found.targets, heads_table(found.targets, TARGETS_CAPTION)),
        ("tokens", "Similar tokens", found.alike, result_list(found.alike, token_item, "tokens")),
    )
    parts = {
        kind: view.section_html(kind, title, section, body, empty_message(kind) if found.kind else "")
        for kind, title, section, body in rows
    }
    return parts["relations"] + parts["descriptions"] + matching_tokens_html(found) + "".join(list(parts.values())[2:])


def empty_message(kind: str) -> str:
    """That nothing of a kind was found."""
    return {
        "relations": "No relation has a name like this.",
        "descriptions": "No description has one of these words, or a word like it.",
        "sources": "No head has this token, or one like it, among its salient sources.",
        "targets": "No head has this token, or one like it, among its targets.",
        "tokens": "No other token is a typing error or two away.",
    }[kind]


def result_list(section: ResultSection[Any], format_item: Callable[..., str], css_class: str) -> str:
    """The entries of a section as a list; empty where there is none."""
    return f'<ul class="{css_class}">{"".join(map(format_item, section.items))}</ul>' if section.items else ""


def descriptions_title(results: SearchResults) -> str:
    """The title of the descriptions: whether they have every word."""
    if results.has_every_word or len(results.query.words) < 2:
        return "Heads by their description"
    return "Heads whose description has some of the words (none has all)"


def relation_item(relation_hit: RelationHit) -> str:
    """A relation with the way to its page."""
    link = anchor(link_to_relation(relation_hit.name), relation_label(relation_hit.name))
    return f"<li>{link} <small>scored on {escape_html(', '.join(relation_hit.models))}</small></li>"


def description_formatter(results: SearchResults) -> Callable[[DescriptionHit], str]:
    """How a description is shown: the head, the sentence with the words marked, who says it, and where they stand."""

    def one(each: DescriptionHit) -> str:
        name = f"{each.head} of {each.model}"
        inputs = (
            f"<p>Inputs: {highlight_words(each.input_strings, results.highlighted_words)}</p>"
            if "input strings" in each.where
            else ""
        )
        return (
            f"<li>{anchor(link_to_head(each.model, each.head), name)}"
            f"<p>{highlight_words(each.observed_pattern, results.highlighted_words)}</p>{inputs}"
            f"<small>By {escape_html(each.describer)}; found in the {escape_html(' and the '.join(each.where))}.</small></li>"
        )

    return one


def highlight_words(sentence: str, words: frozenset[str]) -> str:
    """A sentence, escaped, a very long one cut, with some words marked."""
    shown, parts, last = sentence[:MAX_DESCRIPTION_LENGTH], [], 0
    for match in WORD_PATTERN.finditer(shown):
        if normalise_word(match[0]) in words:
            parts += [escape_html(shown[last : match.start()]), f"<mark>{escape_html(match[0])}</mark>"]
            last = match.end()
    rest = f"… <small>{len(sentence):,} characters</small>" if len(sentence) > MAX_DESCRIPTION_LENGTH else ""
    return "".join([*parts, escape_html(shown[last:]), rest])


def matching_tokens_html(results: SearchResults) -> str:
    """The tokens that the sections of heads are about."""
    if results.kind not in ("", "sources", "targets") or not results.matching_tokens:
        return ""
    start = "As a token" if results.has_exact_tokens else "No token of the mappings is written so; the nearest"
    return f'<h2>{escape_html(start)}</h2><ul class="tokens">{"".join(map(token_item, results.matching_tokens))}</ul>'


def token_item(token: TokenHit) -> str:
    """A token with its ids and in how many heads it is."""
    ids = ", ".join(f"id {id_} in {model}" for model, id_ in token.ids.items())
    counts = f"{pluralize(token.sources, 'head')} act on it, {token.targets:,} promote it"
    if token.sources == 1:
        counts = counts.replace("act on", "acts on", 1)
    return f'<li title="{escape_html(ids)}">{token_chip(token.string)} <small>{escape_html(counts)}</small></li>'


def heads_table(section: ResultSection[HeadHit], caption: str) -> str:
    """Heads with their mappings of a token."""
    if not section.items:
        return ""
    rows = [
        (
            anchor(link_to_head(each.model, each.head), f"{each.head} of {each.model}"),
            "".join(f'<span class="hit">{mapping_html(one)}</span>' for one in each.hits) + further_mappings(each),
        )
        for each in section.items
    ]
    return table(("Head", "Mappings"), rows, caption)


def mapping_html(mapping_hit: MappingHit) -> str:
    """A mapping with the token, in words."""
    if not mapping_hit.place:
        return f"{token_chip(mapping_hit.source)} <small>source, rank {mapping_hit.rank}</small>"
    arrow = '<span class="arrow" aria-label="to">→</span>'
    place = f"target {mapping_hit.place} of the source of rank {mapping_hit.rank}"
    return f"{token_chip(mapping_hit.source)} {arrow} {token_chip(mapping_hit.target)} <small>{place}</small>"


def further_mappings(head_hit: HeadHit) -> str:
    """How many mappings of a head are not shown."""
    left = head_hit.mappings - len({hit.rank for hit in head_hit.hits})
    return f"<small>and {pluralize(left, 'more mapping')}</small>" if left > 0 else ""
