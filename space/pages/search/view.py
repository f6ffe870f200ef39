"""What a search found as HTML: a section of each kind, the words found marked, tokens as chips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from maps.text import many, relation_words
from space.components.links import link_to_head, link_to_relation, link_to_search
from space.components.markup import anchor, chip, notice, table, text
from space.search.query import WORD, word_of
from space.search.results import Found, Hit, Mapped, Named, Said, Section, Token

LONGEST_SENTENCE = 600  # characters of a description that are shown
SOURCES = "Heads with the token among their sources, highest rank first"
TARGETS = "Heads with the token among their targets, highest place first"


@dataclass(frozen=True)
class Shown:
    """What was found, and the model that it was looked for in (empty: all)."""

    found: Found
    model: str

    def section(self, kind: str, title: str, section: Section[Any], body: str, empty: str = "") -> str:
        """A section with its count, and the ways to the rest; nothing where another kind is looked at alone."""
        if self.found.kind not in ("", kind) or (not section.total and not empty):
            return ""
        head = f"<h2>{text(title)} <small>{section.words}</small></h2>"
        return f'<section class="found" id="{kind}">{head}{body or notice(empty)}{self.ways(kind, section)}</section>'

    def ways(self, kind: str, section: Section[Any]) -> str:
        """Links to the pages beside, or to all of a section."""
        query, page = self.found.query.text, section.cut.page
        more = section.cut.first + len(section.items) < section.total
        if not self.found.kind:
            link = anchor(link_to_search(query, self.model, kind), f"Show all {section.total:,}")
            return f'<p class="ways">{link}</p>' if more else ""
        ways = [
            anchor(link_to_search(query, self.model, kind, page + step), words)
            for step, words, there in ((-1, "← Before", page > 1), (1, "After →", more))
            if there
        ]
        back = anchor(link_to_search(query, self.model), "All kinds")
        return f'<nav class="ways" aria-label="Pages of this search">{" ".join([*ways, back])}</nav>'


def sections(shown: Shown) -> str:
    """Everything found, section by section."""
    found = shown.found
    rows: Sequence[tuple[str, str, Section[Any], str]] = (
        ("relations", "Relations", found.relations, items(found.relations, relation, "found-relations")),
        ("descriptions", described(found), found.descriptions, items(found.descriptions, said(found), "sentences")),
        ("sources", "Heads that act on it", found.sources, heads(found.sources, SOURCES)),
        ("targets", "Heads that promote it", found.targets, heads(found.targets, TARGETS)),
        ("tokens", "Similar tokens", found.alike, items(found.alike, alike, "tokens")),
    )
    parts = {
        kind: shown.section(kind, title, section, body, empty(kind) if found.kind else "")
        for kind, title, section, body in rows
    }
    return parts["relations"] + parts["descriptions"] + own(found) + "".join(list(parts.values())[2:])


def empty(kind: str) -> str:
    """That nothing of a kind was found."""
    return {
        "relations": "No relation has a name like this.",
        "descriptions": "No description has one of these words, or a word like it.",
        "sources": "No head has this token, or one like it, among its salient sources.",
        "targets": "No head has this token, or one like it, among its targets.",
        "tokens": "No other token is a typing error or two away.",
    }[kind]


def items(section: Section[Any], one: Callable[..., str], name: str) -> str:
    """The entries of a section as a list; empty where there is none."""
    return f'<ul class="{name}">{"".join(map(one, section.items))}</ul>' if section.items else ""


def described(found: Found) -> str:
    """The title of the descriptions: whether they have every word."""
    if found.every_word or len(found.query.words) < 2:
        return "Heads by their description"
    return "Heads whose description has some of the words (none has all)"


def relation(each: Named) -> str:
    """A relation with the way to its page."""
    link = anchor(link_to_relation(each.name), relation_words(each.name))
    return f"<li>{link} <small>scored on {text(', '.join(each.models))}</small></li>"


def said(found: Found) -> Callable[[Said], str]:
    """How a description is shown: the head, the sentence with the words marked, who says it, and where they stand."""

    def one(each: Said) -> str:
        name = f"{each.head} of {each.model}"
        inputs = f"<p>Inputs: {marked(each.input_strings, found.words)}</p>" if "input strings" in each.where else ""
        return (
            f"<li>{anchor(link_to_head(each.model, each.head), name)}"
            f"<p>{marked(each.observed_pattern, found.words)}</p>{inputs}"
            f"<small>By {text(each.describer)}; found in the {text(' and the '.join(each.where))}.</small></li>"
        )

    return one


def marked(sentence: str, words: frozenset[str]) -> str:
    """A sentence, escaped, a very long one cut, with some words marked."""
    shown, parts, last = sentence[:LONGEST_SENTENCE], [], 0
    for match in WORD.finditer(shown):
        if word_of(match[0]) in words:
            parts += [text(shown[last : match.start()]), f"<mark>{text(match[0])}</mark>"]
            last = match.end()
    rest = f"… <small>{len(sentence):,} characters</small>" if len(sentence) > LONGEST_SENTENCE else ""
    return "".join([*parts, text(shown[last:]), rest])


def own(found: Found) -> str:
    """The tokens that the sections of heads are about."""
    if found.kind not in ("", "sources", "targets") or not found.tokens:
        return ""
    start = "As a token" if found.typed else "No token of the mappings is written so; the nearest"
    return f'<h2>{text(start)}</h2><ul class="tokens">{"".join(map(alike, found.tokens))}</ul>'


def alike(token: Token) -> str:
    """A token with its ids and in how many heads it is."""
    ids = ", ".join(f"id {id_} in {model}" for model, id_ in token.ids.items())
    counts = f"{many(token.sources, 'head')} act on it, {token.targets:,} promote it"
    if token.sources == 1:
        counts = counts.replace("act on", "acts on", 1)
    return f'<li title="{text(ids)}">{chip(token.string)} <small>{text(counts)}</small></li>'


def heads(section: Section[Mapped], caption: str) -> str:
    """Heads with their mappings of a token."""
    if not section.items:
        return ""
    rows = [
        (
            anchor(link_to_head(each.model, each.head), f"{each.head} of {each.model}"),
            "".join(f'<span class="hit">{hit(one)}</span>' for one in each.hits) + further(each),
        )
        for each in section.items
    ]
    return table(("Head", "Mappings"), rows, caption)


def hit(each: Hit) -> str:
    """A mapping with the token, in words."""
    if not each.place:
        return f"{chip(each.source)} <small>source, rank {each.rank}</small>"
    arrow = '<span class="arrow" aria-label="to">→</span>'
    place = f"target {each.place} of the source of rank {each.rank}"
    return f"{chip(each.source)} {arrow} {chip(each.target)} <small>{place}</small>"


def further(each: Mapped) -> str:
    """How many mappings of a head are not shown."""
    left = each.mappings - len({hit.rank for hit in each.hits})
    return f"<small>and {many(left, 'more mapping')}</small>" if left > 0 else ""
