"""Values into HTML. Every string from a model, a person or an address passes through here and comes out harmless."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape

from maps.text import is_invisible, relation_words, unicode_escape, visible_token
from maps.types import HeadId, RelationScore
from maps.types import Mapping as HeadMapping
from space.components.links import link_to_relation, link_to_search
from space.search.query import MAX_QUERY_LENGTH

MAX_TOKEN_LENGTH = 40  # characters of a token that a chip shows
UNFOLDED_MAPPINGS = 10  # mappings shown before the rest is asked for
WHITESPACE_NAMES = {"·": "space", "⏎": "newline", "⇥": "tab"}
MAX_PREVIEW_LENGTH = 400  # characters of a description that are shown without being asked for
BACKTICKED = re.compile(r"`([^`]+)`")


def escape_html(value: object) -> str:
    """Plain text for a page: escaped, with marks that would turn or hide the text written out."""
    return escape("".join(c if c in " \n\t·⏎⇥" or not is_invisible(c) else unicode_escape(c) for c in str(value)))


@lru_cache(maxsize=1 << 13)
def token_chip(token: str, linked: bool = True) -> str:
    """A token in a monospace chip: white space as symbols, a very long one cut, with its length.

    It leads to the search for the token, unless it stands in a link itself or beside a form that must not be left.
    """
    shown = escape(visible_token(token[:MAX_TOKEN_LENGTH]))
    for mark, name in WHITESPACE_NAMES.items():
        shown = shown.replace(mark, f'<i title="{name}">{mark}</i>')
    rest = f"… <small>{len(token):,} characters</small>" if len(token) > MAX_TOKEN_LENGTH else ""
    bare = f'<code class="chip"><bdi>{shown}{rest}</bdi></code>'
    return f'<a class="token" href="{escape(link_to_search(token[:MAX_QUERY_LENGTH]))}">{bare}</a>' if linked else bare


def select_options(choices: Iterable[tuple[str, str]], selected_value: str) -> str:
    """The options of a select: (words, value) each, one of them chosen."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == selected_value else ""}>{escape_html(words)}</option>'
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
    return f'<a href="{escape(href)}"{more}>{escape_html(words)}</a>'


def notice(message: str, kind: str = "note") -> str:
    """A paragraph that tells a person something: `note`, `problem` or `receipt`."""
    role = "alert" if kind == "problem" else "status"
    return f'<p class="notice {kind}" role="{role}">{render_backticks(message)}</p>'


def description_preview(description: str) -> str:
    """The beginning of what a describer says, for a table; a very long one is cut, with its length."""
    if len(description) <= MAX_PREVIEW_LENGTH:
        return escape_html(description)
    return f"{escape_html(description[:MAX_PREVIEW_LENGTH])}… <small>{len(description):,} characters</small>"


def foldable_description(description: str) -> str:
    """All that a describer says; of a very long text the beginning, and the whole of it when asked for."""
    if len(description) <= MAX_PREVIEW_LENGTH:
        return escape_html(description)
    return (
        f"<details><summary>{description_preview(description)}</summary><div>{escape_html(description)}</div></details>"
    )


def render_backticks(sentence: str) -> str:
    """A sentence whose parts between backticks are commands, shown in a monospace face."""
    return BACKTICKED.sub(r"<code>\1</code>", escape_html(sentence))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table whose cells are HTML already."""
    titles = "".join(f'<th scope="col">{escape_html(name)}</th>' for name in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape_html(caption)}">'
        f"<table><caption>{escape_html(caption)}</caption>"
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def mapping_list(rows: Sequence[HeadMapping], shown_count: int | None = UNFOLDED_MAPPINGS, linked: bool = True) -> str:
    """Mappings as a list: source with its saliency bar, targets with their scores; the rest folded after `shown_count`.

    `linked`: whether the tokens lead to the search for them.
    """
    if not rows:
        return notice("This head has no stored mappings.")
    most = max(row.saliency for row in rows) or 1.0
    items = [mapping_item(row, row.saliency / most, linked) for row in rows]
    cut = len(items) if shown_count is None else shown_count
    folded = "".join(items[cut:])
    rest = f"<details><summary>Show all {len(items)}</summary><ol>{folded}</ol></details>" if folded else ""
    return f'<div class="mappings"><ol>{"".join(items[:cut])}</ol>{rest}</div>'


def sticky_panel(content: str, label: str) -> str:
    """What questions are about; on a phone it keeps the upper part of the screen, and is moved in itself."""
    return f'<div class="beside" tabindex="0" role="region" aria-label="{escape_html(label)}">{content}</div>'


def mapping_item(row: HeadMapping, bar_length: float, linked: bool) -> str:
    """One mapping; `bar_length` is the length of its saliency bar, from 0 to 1."""
    targets = "".join(
        f'<span title="score {score:.2f}">{token_chip(target, linked)}</span>'
        for target, score in zip(row.targets, row.scores, strict=True)
    )
    bar = f'<span class="bar" style="--share:{bar_length:.3f}" title="saliency {row.saliency:.3f}"></span>'
    return (
        f'<li value="{row.rank}"><span class="source">{token_chip(row.source, linked)}{bar}</span>'
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
        f'<li class="category-{escape_html(score.category or "own")}"><b>{name}</b> '
        f"<small>{escape_html(score.category or 'own relation')}, {score.pairs} pairs, top {score.k}{few}</small>{bars}</li>"
    )
