"""HTML as a type. A string from a model, a person or an address becomes part of a page only through `Html`.

`Html("<b>{}</b>").format(name)` escapes `name`; so do `+`, `join` and `replace`. What is Html already stays as it is.
Only constants are written as `Html("…")`: never `Html(f"…")`, which would trust whatever the f-string holds.
Beware of `"<p>" + html`: the plain text on the left is escaped too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Self

from markupsafe import Markup, escape

from maps.atlas.reader import Atlas
from maps.describers.names import OFFLINE, REFERENCE
from maps.report.copying_control import classified_value, control_phrase, stronger_value
from maps.report.headline import Headline
from maps.text import (
    QUOTED_TOKEN,
    VARIATION_SELECTOR,
    is_invisible,
    relation_label,
    unicode_escape,
    unquote_from_prompt,
    visible_token,
)
from maps.types import HeadId, RelationScore
from maps.types import Mapping as HeadMapping
from space.atlases.hidden import hidden_descriptions_sentence
from space.components.links import link_to_head, link_to_relation, link_to_search
from space.search.query import MAX_QUERY_LENGTH

MAX_TOKEN_LENGTH = 40  # characters of a token that a chip shows
UNFOLDED_MAPPINGS = 10  # mappings shown; the others are folded
MAX_PREVIEW_LENGTH = 400  # characters of a description that are shown; the rest is folded
BACKTICKED = re.compile(r"`([^`]+)`")


class Html(Markup):
    """Markup that also writes out characters that would hide text or turn its direction: `\\u202E`.

    A value that the browser must send back unchanged, as in a form field, is passed through markupsafe's own `escape`.
    """

    @classmethod
    def escape(cls, s: Any, /) -> Self:
        """Escapes plain text; keeps what is HTML already."""
        if hasattr(s, "__html__"):
            return cls(s)
        text = str(s)
        if text.isprintable() and not VARIATION_SELECTOR.search(text):  # as most are; the rest takes longer
            return super().escape(text)
        visible = (c if c in " \n\t·⏎⇥" or not is_invisible(c) else unicode_escape(c) for c in text)
        return super().escape("".join(visible))


def escape_html(value: object) -> Html:
    return Html.escape(value)


def join_html(pieces: Iterable[str]) -> Html:
    """Pieces one after the other; those that are plain text are escaped."""
    return Html("").join(pieces)


def fill(template: Html, *values: Html | float) -> Html:
    """Fills a `%` template with numbers and with HTML; many times faster than `format`, which escapes."""
    return Html(str.__mod__(template, values))  # noqa: S704 - the types let nothing else in


def concatenate(pieces: Iterable[Html]) -> Html:
    """Pieces that are HTML already, one after the other; faster than `join_html`."""
    return Html(str.join("", pieces))  # noqa: S704 - the types let nothing else in


NAMED_MARKS = {
    mark: Html('<i title="{}">{}</i>').format(name, mark)
    for mark, name in {"·": "space", "⏎": "newline", "⇥": "tab"}.items()
}
CHIP = Html('<code class="chip"><bdi>%s%s</bdi></code>')


@lru_cache(maxsize=1 << 15)
def token_chip(token: str, linked: bool = True) -> Html:
    """A token in a monospace chip: white space as symbols; a very long token is cut and its length given.

    The chip links to the search for the token. `linked=False` is for chips inside a link or next to a form.
    """
    shown = escape_html(visible_token(token[:MAX_TOKEN_LENGTH]))
    for mark, named in NAMED_MARKS.items():
        shown = shown.replace(mark, named)
    is_cut = len(token) > MAX_TOKEN_LENGTH
    rest = Html("… <small>{:,} characters</small>").format(len(token)) if is_cut else Html("")
    chip = fill(CHIP, shown, rest)
    if not linked:
        return chip
    return Html('<a class="token" href="{}">{}</a>').format(link_to_search(token[:MAX_QUERY_LENGTH]), chip)


def select_field(label: str, name: str, choices: Iterable[tuple[str, str]], selected_value: str) -> Html:
    """A labelled select element; choices are (label, value)."""
    options = join_html(
        Html('<option value="{}"{}>{}</option>').format(
            escape(value), Html(" selected") if value == selected_value else "", option_label
        )
        for option_label, value in choices
    )
    return Html('<label>{} <select name="{}">{}</select></label>').format(label, name, options)


def hidden_field(name: str, value: str) -> Html:
    return Html('<input type="hidden" name="{}" value="{}">').format(name, escape(value))


def tau_slider(tau: float) -> Html:
    return Html(
        '<label>Minimum score (τ) <input type="range" name="tau" min="0.05" max="0.95" step="0.05" value="{:g}">'
        "<output>{:.2f}</output></label>"
    ).format(tau, tau)


def controls_form(action: str, fields: Iterable[Html]) -> Html:
    """A form that opens an address as soon as a field changes; without JavaScript it has a button."""
    return Html(
        '<form class="controls" action="{}" data-auto>{}<noscript><button>Show</button></noscript></form>'
    ).format(action, join_html(fields))


def anchor(href: str, label: str, **attributes: str) -> Html:
    extra = join_html(Html(' {}="{}"').format(name, value) for name, value in attributes.items())
    return Html('<a href="{}"{}>{}</a>').format(href, extra, label)


def copy_button(label: str, text: str, text_box: str = "") -> Html:
    """A button that copies a text; with the id of a text box, what stands there, with the text in place of LINK."""
    return Html('<button type="button" class="copy" data-copy="{}" data-text-box="{}">{}</button>').format(
        text, text_box, label
    )


def head_link(model: str, head: HeadId) -> Html:
    return anchor(link_to_head(model, head), str(head))


def bullet_list(lines: Iterable[str]) -> Html:
    """Lines as a list; empty without lines."""
    items = join_html(Html("<li>{}</li>").format(line) for line in lines)
    return Html("<ul>{}</ul>").format(items) if items else items


def notice(message: str, kind: str = "note") -> Html:
    """A paragraph with a message in plain text: `note`, `problem` or `receipt`. Parts between backticks become code."""
    role = "alert" if kind == "problem" else "status"
    return Html('<p class="notice {}" role="{}">{}</p>').format(kind, role, render_backticks(message))


def hidden_descriptions_notice(atlas: Atlas) -> Html:
    """How many heads' descriptions a running study hides; empty if none."""
    sentence = hidden_descriptions_sentence(atlas)
    return notice(sentence) if sentence else Html("")


AUTHOR_WORDS = {
    OFFLINE: "a rule-based baseline (no language model)",
    REFERENCE: "language models for the project's maintainers, from the 30 mappings (reference)",
}


def author_words(describer: str) -> str:
    return AUTHOR_WORDS.get(describer, describer)


def description_preview(description: str) -> Html:
    """The beginning of a description, for a table; a very long one is cut and its length given."""
    if not description:
        return Html("Not described yet.")
    if len(description) <= MAX_PREVIEW_LENGTH:
        return with_chips(description)
    start = description[:MAX_PREVIEW_LENGTH]
    return Html("{}… <small>{:,} characters</small>").format(with_chips(start), len(description))


def foldable_description(description: str) -> Html:
    """A whole description; a very long one is folded behind its beginning."""
    preview = description_preview(description)
    if len(description) <= MAX_PREVIEW_LENGTH:
        return preview
    return Html("<details><summary>{}</summary><div>{}</div></details>").format(preview, with_chips(description))


def headline_html(headline: Headline) -> Html:
    """What is known about a head, for a table: its relations in bold, then its best description."""
    relations = Html("<b>{}.</b> ").format(headline.relations) if headline.relations else Html("")
    words = description_preview(headline.words) if headline.words else Html("")
    several = Html(" <small>{}</small>").format(headline.operations_phrase) if headline.operations else Html("")
    return relations + words + several


def with_chips(sentence: str) -> Html:
    """A description in which each quoted token is a chip."""
    parts = QUOTED_TOKEN.split(sentence)  # text, token, text, token, …, text
    return join_html(token_chip(unquote_from_prompt(part)) if i % 2 else part for i, part in enumerate(parts))


def render_backticks(sentence: str) -> Html:
    """A sentence in plain text; parts between backticks become code."""
    parts = BACKTICKED.split(sentence)  # text, code, text, code, …, text
    return join_html(Html("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str, is_stacked: bool = False) -> Html:
    """A table; cells that are plain text are escaped. `is_stacked`: on a phone, each cell has a line of its own."""
    titles = join_html(Html('<th scope="col">{}</th>').format(name) for name in header)
    if is_stacked:
        body = join_html(named_row(header, row) for row in rows)
    else:
        lines = (join_html(Html("<td>{}</td>").format(cell) for cell in row) for row in rows)
        body = join_html(Html("<tr>{}</tr>").format(line) for line in lines)
    return Html(
        '<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table class="{kind}">'
        "<caption>{caption}</caption><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    ).format(caption=caption, titles=titles, body=body, kind="stacked" if is_stacked else "wide")


def named_row(header: Sequence[str], cells: Sequence[str]) -> Html:
    """A row of a table whose cells name their columns, for a phone, where no header is in view."""
    named = zip(header, cells, strict=True)
    return Html("<tr>{}</tr>").format(
        join_html(Html('<td data-column="{}">{}</td>').format(name, cell) for name, cell in named)
    )


def mapping_list(rows: Sequence[HeadMapping], shown_count: int | None = UNFOLDED_MAPPINGS, linked: bool = True) -> Html:
    """Mappings as a list: source with its saliency bar, targets with their scores; folded after `shown_count`.

    `linked`: whether tokens link to the search for them.
    """
    if not rows:
        return notice("This head has no stored mappings.")
    highest = max(row.saliency for row in rows) or 1.0
    items = [mapping_item(row, row.saliency / highest, linked) for row in rows]
    cut = len(items) if shown_count is None else shown_count
    rest = Html("")
    if items[cut:]:
        folded = join_html(items[cut:])
        rest = Html("<details><summary>Show all {}</summary><ol>{}</ol></details>").format(len(items), folded)
    return Html('<div class="mappings"><ol>{}</ol>{}</div>').format(join_html(items[:cut]), rest)


def sticky_panel(content: Markup, label: str) -> Html:
    """The evidence that questions are about; on a phone it keeps the upper part of the screen and scrolls in itself."""
    return Html('<div class="beside" tabindex="0" role="region" aria-label="{}">{}</div>').format(label, content)


TARGET = Html('<span title="score %.2f">%s</span>')
MAPPING = Html(
    '<li value="%d"><span class="source">%s<span class="bar" style="--share:%.3f" title="saliency %.3f"></span></span>'
    '<span class="arrow" aria-label="to">→</span><span class="targets">%s</span></li>'
)


def mapping_item(row: HeadMapping, bar_length: float, linked: bool) -> Html:
    """One mapping; `bar_length` is the length of its saliency bar, from 0 to 1."""
    targets = concatenate(
        fill(TARGET, score, token_chip(target, linked)) for target, score in zip(row.targets, row.scores, strict=True)
    )
    return fill(MAPPING, row.rank, token_chip(row.source, linked), bar_length, row.saliency, targets)


def relation_bars(scores: Sequence[RelationScore], tau: float, min_pairs: int, model: str, head: HeadId) -> Html:
    """The relations that a head implements or suppresses, as bars with the threshold; the others folded.

    The value beyond copying is compared with the threshold, as heads are classified.
    """
    ranked = sorted(
        scores, key=lambda each: (classified_value(each), stronger_value(each.score, each.suppression)), reverse=True
    )
    bars = [relation_bar(score, tau, min_pairs, link_to_relation(score.relation, model, head)) for score in ranked]
    count = sum(classified_value(score) >= tau for score in ranked)
    listed = Html('<ul class="relations">{}</ul>')
    above = listed.format(join_html(bars[:count]))
    if not count:
        above = notice(f"No relation reaches the threshold of {tau:g} on this head, beyond what copying alone gives.")
    if count == len(bars):
        return above
    folded = Html("<details><summary>The other {} relations</summary>{}</details>")
    return above + folded.format(len(bars) - count, listed.format(join_html(bars[count:])))


def relation_bar(score: RelationScore, tau: float, min_pairs: int, link: str) -> Html:
    """One relation: two bars, score and suppression, with the threshold drawn, and what copying alone gives.

    Its name links to its page.
    """
    few = f" · fewer than {min_pairs} pairs, so no head is classified by it" if score.pairs < min_pairs else ""
    bars = bar_html("score-up", "score", score.score, tau)
    bars += bar_html("score-down", "suppression", score.suppression, tau)
    name, category = anchor(link, relation_label(score.relation)), score.category or "own relation"
    phrase = control_phrase(score)
    control = Html("<small>{}</small>").format(phrase) if phrase else Html("")
    return Html('<li class="category-{}"><b>{}</b> <small>{}, {} pairs, top {}{}</small>{}{}</li>').format(
        score.category or "own", name, category, score.pairs, score.k, few, bars, control
    )


def bar_html(kind: str, label: str, value: float | None, tau: float) -> Html:
    """A bar with its value in words; undefined values have an empty bar."""
    shown = "undefined" if value is None else f"{value:.2f}"
    return Html('<span class="relation-bar {}" style="--share:{:.3f};--tau:{:g}"><span>{} {}</span></span>').format(
        kind, value or 0, tau, label, shown
    )
