"""A head on a sentence as HTML: the agreement in words, its attention as a table with colours, each position."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from markupsafe import Markup, escape

from maps.experiments.sentence_results import (
    COMPARED_TARGETS,
    MAX_SENTENCE_TOKENS,
    MAX_TEXT_LENGTH,
    SHOWN_TARGETS,
    HeadAtPosition,
    HeadOnSentence,
)
from maps.mapping.probe_results import VocabularyToken
from maps.text import pluralize
from maps.types import HeadId
from space.components.markup import Html, anchor, hidden_field, join_html, named_row, token_chip

EXAMPLES = (
    "The capital of France is Paris, and the people of Spain speak Spanish.",
    "When Mary and John went to the store, John gave a drink to Mary.",
)
FAINT = 0.005  # attention below this is drawn as none
COLUMNS = ("At", "Takes most from", "Writes", "Its weights predict", "Agree", "Size of the write")
MIDDLE, STRONG = 0.53, 0.62  # attention from which dark and light pages need the other colour of text
RESTING = (
    "A head with nothing to read rests on the first token and takes almost nothing from it. So the prediction is the "
    "one for the token from which the head takes most: attention times the length of what it makes of the token."
)


def sentence_form(model: str, head: HeadId, text: str = "") -> Html:
    """The form that runs a head on a sentence."""
    fields = {"model": model, "layer": str(head.layer), "head": str(head.head)}
    return Html(
        '<form class="controls sentence" action="sentence">{fields}<label>Your sentence (at most {limit} characters, '
        '{tokens} tokens) <input name="text" value="{text}" required maxlength="{limit}" autocomplete="off"></label>'
        "<button>Run {head} on it</button></form>"
    ).format(
        fields=join_html(hidden_field(name, value) for name, value in fields.items()),
        limit=MAX_TEXT_LENGTH,
        tokens=MAX_SENTENCE_TOKENS,
        text=field_value(text),
        head=head,
    )


def field_value(typed_text: str) -> Markup:
    """What was typed, as the value of a form field."""
    return escape(typed_text.encode("utf-8", "replace").decode().replace("\0", ""))


def examples_html(model: str, head: HeadId) -> Html:
    links = [anchor(link_to_sentence(model, head, text), f"“{text}”") for text in EXAMPLES]
    return Html("<p>For example {}</p>").format(Html(" or ").join(links))


def link_to_sentence(model: str, head: HeadId, text: str) -> str:
    return "sentence?" + urlencode({"model": model, "layer": head.layer, "head": head.head, "text": text})


def answer_html(found: HeadOnSentence) -> Html:
    chips = join_html(Html("<li>{}</li>").format(token_chip(each.token.string)) for each in found.positions)
    return Html(
        '{agreement}<h2>The sentence in tokens</h2><ol class="sentence-tokens">{chips}</ol>'
        "<h2>What {head} looks at</h2><p>{summary}</p>{attention}"
        '<h2>What it writes, and what its weights predict</h2><p class="hint">{resting} {marked}</p>{positions}'
    ).format(
        agreement=agreement_html(found),
        chips=chips,
        head=found.head,
        summary=attention_summary(found),
        attention=attention_table(found),
        resting=RESTING,
        marked="A tick marks tokens that are in both lists of ten. Sizes are shares of the largest in this sentence.",
        positions=positions_table(found),
    )


def agreement_html(found: HeadOnSentence) -> Html:
    """How well prediction and run agree on the whole sentence, next to what chance gives."""
    others = found.mean_common_of_others
    control = "" if others is None else f"Predictions for the layer's other heads agree on {others:.1f}. "
    return Html(
        "<p><b>On this sentence, {common:.1f} of the {n} tokens that {head} promotes most are among the {n} that its "
        "weights predict</b>, averaged over {positions}. {control}By pure chance it would be {chance:.3f}. "
        "With predictions for the token of highest attention, {read:.1f} agree.</p>"
    ).format(
        common=found.mean_common,
        n=COMPARED_TARGETS,
        head=found.head,
        positions=pluralize(len(found.positions), "position"),
        control=control,
        chance=COMPARED_TARGETS**2 / found.vocabulary,
        read=found.mean_common_for_read,
    )


def attention_summary(found: HeadOnSentence) -> Html:
    """The picture in words: how often it rests on the first token, and its highest attention to another one."""
    later = found.positions[1:]
    if not later:
        return Html("The sentence has one token, which can only attend to itself.")
    resting = sum(each.read == 0 for each in later)
    weight, reader = max((max(each.weights[1:]), i) for i, each in enumerate(later, start=1))
    read = found.positions[reader].weights.index(weight, 1)
    return Html(
        "At {} of the {} after the first, it looks most at the first token. Its highest attention to another token is "
        "{:.2f}: {} (position {}) looks at {}."
    ).format(
        resting,
        pluralize(len(later), "position"),
        weight,
        token_chip(found.positions[reader].token.string),
        reader + 1,
        "itself" if read == reader else position_html(found, read),
    )


def position_html(found: HeadOnSentence, place: int) -> Html:
    return Html("{} (position {})").format(token_chip(found.positions[place].token.string), place + 1)


def attention_table(found: HeadOnSentence) -> Html:
    """The attention of each position (row) to itself and those before it (columns), in percent and as colour."""
    labels = [token_chip(each.token.string, linked=False) for each in found.positions]
    columns = join_html(Html('<th scope="col"><span>{}</span></th>').format(label) for label in labels)
    rows = join_html(
        Html('<tr><th scope="row">{}</th>{}</tr>').format(label, attention_cells(each.weights))
        for label, each in zip(labels, found.positions, strict=True)
    )
    return Html(
        '<div class="scroll" tabindex="0" role="region" aria-label="Attention"><table class="attention"><caption>'
        "Attention in percent: each row is a token that looks, each column a token that it looks at</caption>"
        "<thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(columns, rows)


def attention_cells(weights: Iterable[float]) -> Html:
    return join_html(map(attention_cell, weights))


def attention_cell(weight: float) -> Html:
    if weight < FAINT:
        return Html("<td></td>")
    strength = " strong" if weight >= STRONG else " middle" if weight >= MIDDLE else ""
    return Html('<td class="look-at{}" style="--w:{:.2f}">{:.0f}</td>').format(strength, weight, 100 * weight)


def positions_table(found: HeadOnSentence) -> Html:
    """For each position: what the head reads there, what it writes, what the weights predict, how many agree."""
    longest = max(each.length for each in found.positions) or 1.0
    titles = join_html(Html('<th scope="col">{}</th>').format(name) for name in COLUMNS)
    rows = join_html(position_row(found, each, each.length / longest) for each in found.positions)
    return Html(
        '<div class="scroll" tabindex="0" role="region" aria-label="Each position"><table class="positions">'
        "<caption>The first {} of the {} tokens of each list</caption>"
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(SHOWN_TARGETS, COMPARED_TARGETS, titles, rows)


def position_row(found: HeadOnSentence, at: HeadAtPosition, share: float) -> Html:
    common = {token.id for token in at.written} & {token.id for token in at.predicted}
    cells = (
        token_chip(at.token.string),
        reading_cell(found, at),
        tokens_html(at.written, common),
        tokens_html(at.predicted, common),
        f"{at.common} of {COMPARED_TARGETS}",
        f"{100 * share:.0f} %",
    )
    return named_row(COLUMNS, cells)


def reading_cell(found: HeadOnSentence, at: HeadAtPosition) -> Html:
    """The token that it takes most from, and the one of highest attention if that is another."""
    taken = Html("{} {:.2f}").format(token_chip(found.positions[at.taken].token.string), at.weights[at.taken])
    if at.read == at.taken:
        return taken
    where = "first token" if at.read == 0 else f"position {at.read + 1}"
    return taken + Html("<br><small>looks most at {} ({}) {:.2f}</small>").format(
        token_chip(found.positions[at.read].token.string, linked=False), where, at.weights[at.read]
    )


def tokens_html(tokens: Iterable[VocabularyToken], common: set[int]) -> Html:
    """The first tokens of a list as chips; those in both lists are ticked."""
    tick = Html(' <span class="in-both" title="in both lists">✓</span>')
    shown = [
        Html('<span class="ticked">{}{}</span>').format(token_chip(token.string), tick if token.id in common else "")
        for token in list(tokens)[:SHOWN_TARGETS]
    ]
    return Html(" ").join(shown)
