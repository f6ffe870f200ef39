"""Values into HTML. Every string from a model, a person or an address passes through here and comes out harmless."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape

from maps.text import escaped, hidden, relation_words, visible
from maps.types import HeadId, RelationScore
from maps.types import Mapping as HeadMapping
from space.components.links import link_to_relation, link_to_search
from space.search.query import LONGEST

LONGEST_TOKEN = 40  # characters of a token that a chip shows
FIRST_ROWS = 10  # mappings shown before the rest is asked for
MARKS = {"·": "space", "⏎": "newline", "⇥": "tab"}
LONGEST_SENTENCE = 400  # characters of a description that are shown without being asked for
CODE = re.compile(r"`([^`]+)`")


def text(words: object) -> str:
    """Plain text for a page: escaped, with marks that would turn or hide the text written out."""
    return escape("".join(c if c in " \n\t·⏎⇥" or not hidden(c) else escaped(c) for c in str(words)))


@lru_cache(maxsize=1 << 13)
def chip(token: str, linked: bool = True) -> str:
    """A token in a monospace chip: white space as symbols, a very long one cut, with its length.

    It leads to the search for the token, unless it stands in a link itself or beside a form that must not be left.
    """
    shown = escape(visible(token[:LONGEST_TOKEN]))
    for mark, name in MARKS.items():
        shown = shown.replace(mark, f'<i title="{name}">{mark}</i>')
    rest = f"… <small>{len(token):,} characters</small>" if len(token) > LONGEST_TOKEN else ""
    bare = f'<code class="chip"><bdi>{shown}{rest}</bdi></code>'
    return f'<a class="token" href="{escape(link_to_search(token[:LONGEST]))}">{bare}</a>' if linked else bare


def options(choices: Iterable[tuple[str, str]], chosen: str) -> str:
    """The options of a select: (words, value) each, one of them chosen."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{text(words)}</option>'
        for words, value in choices
    )


def tau_slider(tau: float) -> str:
    """The field of a form that moves the threshold τ."""
    return (
        f'<label>Threshold τ <input type="range" name="tau" min="0.05" max="0.95" step="0.05" value="{tau:g}">'
        f"<output>{tau:.2f}</output></label>"
    )


def anchor(href: str, words: str, **attributes: str) -> str:
    """A link; the words are escaped."""
    more = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f'<a href="{escape(href)}"{more}>{text(words)}</a>'


def notice(words: str, kind: str = "note") -> str:
    """A paragraph that tells a person something: `note`, `problem` or `receipt`."""
    role = "alert" if kind == "problem" else "status"
    return f'<p class="notice {kind}" role="{role}">{with_code(words)}</p>'


def brief(words: str) -> str:
    """The beginning of what a describer says, for a table; a very long one is cut, with its length."""
    if len(words) <= LONGEST_SENTENCE:
        return text(words)
    return f"{text(words[:LONGEST_SENTENCE])}… <small>{len(words):,} characters</small>"


def folded(words: str) -> str:
    """All that a describer says; of a very long text the beginning, and the whole of it when asked for."""
    if len(words) <= LONGEST_SENTENCE:
        return text(words)
    return f"<details><summary>{brief(words)}</summary><div>{text(words)}</div></details>"


def with_code(words: str) -> str:
    """A sentence whose parts between backticks are commands, shown in a monospace face."""
    return CODE.sub(r"<code>\1</code>", text(words))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table whose cells are HTML already."""
    titles = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption>"
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def mappings(rows: Sequence[HeadMapping], first: int | None = FIRST_ROWS, linked: bool = True) -> str:
    """Mappings as a list: source with its saliency bar, targets with their scores; the rest folded after `first`.

    `linked`: whether the tokens lead to the search for them.
    """
    if not rows:
        return notice("This head has no stored mappings.")
    most = max(row.saliency for row in rows) or 1.0
    items = [mapping(row, row.saliency / most, linked) for row in rows]
    cut = len(items) if first is None else first
    folded = "".join(items[cut:])
    rest = f"<details><summary>Show all {len(items)}</summary><ol>{folded}</ol></details>" if folded else ""
    return f'<div class="mappings"><ol>{"".join(items[:cut])}</ol>{rest}</div>'


def beside(shown: str, name: str) -> str:
    """What questions are about; on a phone it keeps the upper part of the screen, and is moved in itself."""
    return f'<div class="beside" tabindex="0" role="region" aria-label="{text(name)}">{shown}</div>'


def mapping(row: HeadMapping, share: float, linked: bool) -> str:
    """One mapping; `share` is the length of its saliency bar, from 0 to 1."""
    targets = "".join(
        f'<span title="score {score:.2f}">{chip(target, linked)}</span>'
        for target, score in zip(row.targets, row.scores, strict=True)
    )
    bar = f'<span class="bar" style="--share:{share:.3f}" title="saliency {row.saliency:.3f}"></span>'
    return (
        f'<li value="{row.rank}"><span class="source">{chip(row.source, linked)}{bar}</span>'
        f'<span class="arrow" aria-label="to">→</span><span class="targets">{targets}</span></li>'
    )


def relation_bars(scores: Sequence[RelationScore], tau: float, min_pairs: int, model: str, head: HeadId) -> str:
    """The relations that a head implements or suppresses, as bars with the threshold; the others folded."""

    def top(score: RelationScore) -> float:
        return max(score.score or 0.0, score.suppression or 0.0)

    ranked = sorted(scores, key=top, reverse=True)
    above = [
        relation_bar(s, tau, min_pairs, link_to_relation(s.relation, model, head)) for s in ranked if top(s) >= tau
    ]
    below = [relation_bar(s, tau, min_pairs, link_to_relation(s.relation, model, head)) for s in ranked if top(s) < tau]
    start = (
        f'<ul class="relations">{"".join(above)}</ul>'
        if above
        else notice(f"No relation reaches the threshold of {tau:g} on this head.")
    )
    folded = f'<ul class="relations">{"".join(below)}</ul>'
    rest = f"<details><summary>The other {len(below)} relations</summary>{folded}</details>"
    return start + (rest if below else "")


def relation_bar(score: RelationScore, tau: float, min_pairs: int, link: str) -> str:
    """One relation: two bars, score and suppression, with the threshold drawn; its name leads to its page."""
    few = f" · fewer than {min_pairs} pairs: no head is classified by it" if score.pairs < min_pairs else ""
    bars = "".join(
        f'<span class="relation-bar {kind}" style="--share:{value or 0:.3f};--tau:{tau:g}">'
        f"<span>{word} {'undefined' if value is None else f'{value:.2f}'}</span></span>"
        for kind, word, value in (("score-up", "score", score.score), ("score-down", "suppression", score.suppression))
    )
    name = anchor(link, relation_words(score.relation))
    return (
        f'<li class="category-{text(score.category or "own")}"><b>{name}</b> '
        f"<small>{text(score.category or 'own relation')}, {score.pairs} pairs, top {score.k}{few}</small>{bars}</li>"
    )
