"""Search results as HTML: a section of each kind, the words that match marked, tokens as chips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maps.report.headline import Headline
from maps.text import pluralize, relation_title, visible_token
from maps.types import HeadId
from space.components.links import link_to_head, link_to_relation, link_to_search, link_to_try
from space.components.markup import (
    Html,
    anchor,
    author_words,
    escape_html,
    headline_html,
    join_html,
    notice,
    table,
    token_chip,
)
from space.search.query import WORD_PATTERN, normalise_word
from space.search.results import (
    BestHead,
    DescriptionHit,
    HeadHit,
    MappingHit,
    PairHit,
    RelationHit,
    ResultSection,
    SearchResults,
    TokenHit,
)

MAX_DESCRIPTION_LENGTH = 600  # characters of a description that are shown
MAX_MODELS_SHOWN = 3  # models whose best head is named next to a relation
MAX_TRIED_LENGTH = 40  # characters of a token in the text of a link to Try it
MAX_SUGGESTIONS = 3  # other spellings that are suggested
SOURCES_CAPTION = "Heads that act on the token, highest rank first"
TARGETS_CAPTION = "Heads that promote the token, highest place first"
NOTHING_FOUND = {
    "relations": "No relation has these words in its name or its pairs.",
    "descriptions": "No description contains one of these words or a similar word.",
    "sources": "No head acts strongly on this token or a similar one.",
    "targets": "No head promotes this token or a similar one.",
    "tokens": "No other token is spelt almost like this.",
}


@dataclass(frozen=True)
class SearchView:
    """The results, the model that was searched (empty: all), and what is known about each head, by model.

    `can_try`: whether Try it answers here, so that tokens and pairs link to it.
    """

    results: SearchResults
    model: str
    headlines: Mapping[str, Mapping[HeadId, Headline]]
    can_try: bool = False

    def section_html(self, kind: str, title: str, section: ResultSection[Any], body: Html) -> Html:
        """A section with its count and links to the rest; empty if only another kind is shown or nothing was found."""
        is_alone = self.results.kind == kind
        if not is_alone and (self.results.kind or not section.total):
            return Html("")
        return Html('<section class="found" id="{}"><h2>{} <small>{}</small></h2>{}{}</section>').format(
            kind, title, section.count_text, body or notice(NOTHING_FOUND[kind]), self.page_links(kind, section)
        )

    def page_links(self, kind: str, section: ResultSection[Any]) -> Html:
        """In the overview a link to the whole section; in a section of its own, links to the pages before and after."""
        query, page = self.results.query.text, section.page_slice.page
        has_more = section.page_slice.start + len(section.items) < section.total
        if not self.results.kind:
            if not has_more:
                return Html("")
            link = anchor(link_to_search(query, self.model, kind), f"Show all {section.total:,}")
            return Html('<p class="ways">{}</p>').format(link)
        links = []
        if page > 1:
            links.append(anchor(link_to_search(query, self.model, kind, page - 1), "← Previous"))
        if has_more:
            links.append(anchor(link_to_search(query, self.model, kind, page + 1), "Next →"))
        links.append(anchor(link_to_search(query, self.model), "All kinds of results"))
        return Html('<nav class="ways" aria-label="Pages of this search">{}</nav>').format(Html(" ").join(links))

    def heads_table(self, section: ResultSection[HeadHit], caption: str) -> Html:
        """The heads with the token: the mappings that contain it, and what each head does."""
        if not section.items:
            return Html("")
        rows = []
        for head_hit in section.items:
            link = anchor(link_to_head(head_hit.model, head_hit.head), f"{head_hit.head} of {head_hit.model}")
            hits = join_html(Html('<span class="hit">{}</span>').format(mapping_html(hit)) for hit in head_hit.hits)
            headline = headline_html(self.headlines[head_hit.model][head_hit.head])
            rows.append((link, hits + further_mappings(head_hit), headline))
        return table(("Head", "Mappings", "What it does"), rows, caption)

    def named_heads(self) -> Html:
        """The heads that the search names, with their headlines; empty if one kind of result is shown alone."""
        section = self.results.named_heads
        if self.results.kind or not section.total:
            return Html("")
        items = [
            Html("<li>{}<p>{}</p></li>").format(
                anchor(link_to_head(hit.model, hit.head), f"{hit.head} of {hit.model}"),
                headline_html(self.headlines[hit.model][hit.head]),
            )
            for hit in section.items
        ]
        return Html('<section class="found" id="heads"><h2>Heads by name <small>{}</small></h2>{}</section>').format(
            section.count_text, result_list(items, "sentences")
        )

    def relation_item(self, hit: RelationHit) -> Html:
        """A relation: its best head in each model, and its pairs with the words of the search."""
        link = anchor(link_to_relation(hit.name), relation_title(hit.name))
        pairs = join_html(Html('<span class="hit">{}</span>').format(self.pair_html(pair)) for pair in hit.pairs)
        more = Html("")
        if hit.pair_count > len(hit.pairs):
            more = Html("<small>and {}</small>").format(pluralize(hit.pair_count - len(hit.pairs), "more such pair"))
        return Html("<li>{} <small>{}</small>{}{}</li>").format(link, best_heads_html(hit), pairs, more)

    def pair_html(self, pair: PairHit) -> Html:
        """A pair, with the link that asks all heads about it."""
        chips = Html('{} <span class="arrow" aria-label="to">→</span> {}').format(
            token_chip(pair.source), token_chip(pair.target)
        )
        link = self.try_link(pair.source, pair.target)
        return Html("{} {}").format(chips, link) if link else chips

    def try_link(self, source: str, target: str = "") -> Html:
        """`Try France → Paris`; empty where Try it does not answer, and for white space."""
        words = [visible_token(token.strip()[:MAX_TRIED_LENGTH]) for token in (source, target) if token.strip()]
        if not self.can_try or not source.strip():
            return Html("")
        return anchor(link_to_try(source, target), f"Try {' → '.join(words)}")


def results_html(view: SearchView) -> Html:
    results = view.results
    relations = result_list([view.relation_item(hit) for hit in results.relations.items], "found-relations")
    descriptions = result_list([description_item(hit, results) for hit in results.descriptions.items], "sentences")
    similar_tokens = result_list([token_item(hit) for hit in results.alike.items], "tokens")
    sources = view.heads_table(results.sources, SOURCES_CAPTION)
    targets = view.heads_table(results.targets, TARGETS_CAPTION)
    return join_html(
        (
            view.named_heads(),
            did_you_mean_html(results),
            view.section_html("relations", relations_title(results), results.relations, relations),
            view.section_html("descriptions", descriptions_title(results), results.descriptions, descriptions),
            matching_tokens_html(view),
            view.section_html("sources", "Heads that act on it", results.sources, sources),
            view.section_html("targets", "Heads that promote it", results.targets, targets),
            view.section_html("tokens", "Similar tokens", results.alike, similar_tokens),
        )
    )


def result_list(items: list[Html], css_class: str) -> Html:
    """Items as a list; empty without items."""
    return Html('<ul class="{}">{}</ul>').format(css_class, join_html(items)) if items else Html("")


def did_you_mean_html(results: SearchResults) -> Html:
    """Other spellings of the search that are tokens, if the search is none as it was typed; else empty."""
    tokens = [hit for hit in results.matching_tokens if hit.errors]
    if not results.has_exact_tokens or not tokens or len(tokens) < len(results.matching_tokens):
        return Html("")
    tokens.sort(key=lambda hit: -(hit.sources + hit.targets))
    chips = [token_chip(hit.string) for hit in tokens[:MAX_SUGGESTIONS]]
    return Html('<p class="did-you-mean">No token is written exactly like this. Did you mean {}?</p>').format(
        Html(" or ").join(chips)
    )


def relations_title(results: SearchResults) -> str:
    """The title of the relations, which says whether they contain every word."""
    if results.has_every_word_of_relation or not results.relations.total:
        return "Relations"
    return "Relations with some of the words (none has all)"


def descriptions_title(results: SearchResults) -> str:
    """The title of the descriptions, which says whether they contain every word."""
    if results.has_every_word or len(results.query.content_words) < 2:
        return "Heads by their description"
    return "Heads whose description contains some of the words (none contains all)"


def best_heads_html(hit: RelationHit) -> Html:
    """`best head: L23H4 of SmolLM2, 30 of 48 pairs`, for the first models."""
    if not hit.best_heads:
        return Html("no head has a hit in {}").format(models_phrase(hit.models))
    shown = Html("; ").join(map(best_head_html, hit.best_heads[:MAX_MODELS_SHOWN]))
    hidden = len(hit.best_heads) - MAX_MODELS_SHOWN
    return Html("best head: {}{}").format(shown, f"; {pluralize(hidden, 'more model')}" if hidden > 0 else "")


def best_head_html(best: BestHead) -> Html:
    link = anchor(link_to_head(best.model, best.head), f"{best.head} of {best.model}")
    return Html("{}, {:,} of {}").format(link, best.hits, pluralize(best.pairs, "pair"))


def models_phrase(models: Sequence[str]) -> str:
    """The models' names, or their number if there are many."""
    return ", ".join(models) if len(models) <= MAX_MODELS_SHOWN else pluralize(len(models), "model")


def description_item(hit: DescriptionHit, results: SearchResults) -> Html:
    words = results.highlighted_words
    inputs = Html("")
    if "input strings" in hit.where:
        inputs = Html("<p>Inputs: {}</p>").format(highlight_words(hit.input_strings, words))
    operation = f", operation {hit.operation}" if hit.operation else ""
    return Html("<li>{}{}<p>{}</p>{}<small>Written by {}; found in the {}.</small></li>").format(
        anchor(link_to_head(hit.model, hit.head), f"{hit.head} of {hit.model}"),
        operation,
        highlight_words(hit.observed_pattern, words),
        inputs,
        author_words(hit.describer),
        " and the ".join(hit.where),
    )


def highlight_words(sentence: str, words: frozenset[str]) -> Html:
    """A sentence with some words marked; a very long one is cut and its length given."""
    shown, parts, last = sentence[:MAX_DESCRIPTION_LENGTH], Html(""), 0
    for match in WORD_PATTERN.finditer(shown):
        if normalise_word(match[0]) in words:
            parts += escape_html(shown[last : match.start()]) + Html("<mark>{}</mark>").format(match[0])
            last = match.end()
    parts += shown[last:]
    if len(sentence) > MAX_DESCRIPTION_LENGTH:
        parts += Html("… <small>{:,} characters</small>").format(len(sentence))
    return parts


def matching_tokens_html(view: SearchView) -> Html:
    """The tokens that the sections of heads are about, and the link that asks all heads about the first one."""
    results = view.results
    if results.kind not in ("", "sources", "targets") or not results.matching_tokens:
        return Html("")
    title = "As a token" if results.has_exact_tokens else "No exact match. Closest tokens:"
    tokens = result_list([token_item(hit) for hit in results.matching_tokens], "tokens")
    link = view.try_link(results.matching_tokens[0].string)
    ways = Html('<p class="ways">{}</p>').format(link) if link else link
    return Html("<h2>{}</h2>{}{}").format(title, tokens, ways)


def token_item(hit: TokenHit) -> Html:
    ids = ", ".join(f"id {token_id} in {model}" for model, token_id in hit.ids.items())
    acts, promotes = ("s" if count == 1 else "" for count in (hit.sources, hit.targets))
    counts = f"{pluralize(hit.sources, 'head')} act{acts} on it, {hit.targets:,} promote{promotes} it"
    return Html('<li title="{}">{} <small>{}</small></li>').format(ids, token_chip(hit.string), counts)


def mapping_html(hit: MappingHit) -> Html:
    """A mapping that contains the token, and where it does."""
    if not hit.place:
        return Html("{} <small>source of its {} mapping</small>").format(token_chip(hit.source), ordinal(hit.rank))
    return Html('{} <span class="arrow" aria-label="to">→</span> {} <small>{} target of its {} mapping</small>').format(
        token_chip(hit.source), token_chip(hit.target), ordinal(hit.place), ordinal(hit.rank)
    )


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def further_mappings(head_hit: HeadHit) -> Html:
    """How many mappings of a head are not shown."""
    left = head_hit.mappings - len({hit.rank for hit in head_hit.hits})
    if left <= 0:
        return Html("")
    return Html("<small>and {}</small>").format(pluralize(left, "more mapping"))
