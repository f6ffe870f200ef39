"""A head's descriptions as HTML: one sentence first, then every describer's side by side, with the evidence."""

from __future__ import annotations

from maps.atlas.schema import Row
from maps.describers.names import RESERVED_NAMES, trust_order
from maps.report.head_text import MAX_CHECKS, check_text, concentration_text, detection_text
from maps.report.headline import NO_PATTERN, Headline
from space.atlases.head_rows import HeadRows
from space.atlases.hidden import HIDDEN_DESCRIPTION
from space.components.markup import Html, author_words, bullet_list, foldable_description, join_html, notice, with_chips

NO_DESCRIPTION_MESSAGE = "Nobody has described this head yet."
RELATIONS_SOURCE = "Relations are scored from the weights; the pairs are below."
HIDDEN_CHECKS_MESSAGE = "Checks that would give the description away are hidden too."


def headline_block(headline: Headline, rows: HeadRows, is_hidden: bool) -> Html:
    """What is known about the head, and where it comes from. `is_hidden`: a running study hides its descriptions."""
    relations = Html("<p><b>{}.</b></p>").format(headline.relations) if headline.relations else Html("")
    row = next((row for row in rows.descriptions if row["description_id"] == headline.description_id), None)
    sentences = [RELATIONS_SOURCE] if headline.relations else []
    if row is None:
        words = notice(HIDDEN_DESCRIPTION if is_hidden else NO_DESCRIPTION_MESSAGE)
    else:
        words = foldable_description(headline.pattern or NO_PATTERN)
        sentences += evidence_sentences(row, rows)
    if headline.operations:
        sentences.append(f"It has {headline.operations_phrase}, described below.")
    if not sentences:
        return words
    footer = Html("<footer>{}</footer>").format(" ".join(sentences))
    return Html('<blockquote class="description">{}<div class="pattern">{}</div>{}</blockquote>').format(
        relations, words, footer
    )


def evidence_sentences(row: Row, rows: HeadRows) -> list[str]:
    """Who wrote a description, and what speaks for it."""
    sentences = [author_sentence(row)]
    if row["support"] is not None:
        sentences.append(support_sentence(row, rows))
    sentences += [detection_sentence(answer)] if (answer := rows.newest_detection(row)) else []
    sentences += [prediction_sentence(score)] if (score := rows.generation_score(row)) else []
    return sentences


def detection_sentence(answer: Row) -> str:
    """What a scorer's answer says to a person, from a row of `detections`."""
    wrong = answer["other"] - answer["other_left"]
    return (
        f"Given only this sentence, {answer['scorer']} picked {answer['own_named']} of {answer['own']} of the head's "
        f"mappings, and {wrong} of {answer['other']} of other heads."
    )


def prediction_sentence(score: Row) -> str:
    """How well the description predicts, from a row of `scores`."""
    others = ""
    if score["generation_swapped"] is not None:
        others = f"; {percent_below(score['generation_swapped'])} for pairs predicted from other heads' descriptions"
    return (
        f"Of {score['generation_n']} mappings predicted from it alone, the targets rank above "
        f"{percent_below(score['generation'])} of all tokens on average (50 % by chance{others})."
    )


def percent_below(share: float) -> str:
    """A share in percent, never rounded up to the whole: `99.9 %`."""
    return f"{min(100 * share, 99.9):.0f} %" if share < 0.99 else f"{min(100 * share, 99.9):.1f} %"


def author_sentence(row: Row) -> str:
    model = "" if row["describer"] in RESERVED_NAMES else f" ({row['model']})"
    return f"Written by {author_words(row['describer'])}{model}."


def support_sentence(row: Row, rows: HeadRows) -> str:
    """How many of the head's mappings support a description."""
    return f"Supported by {row['support']} of {len(rows.mappings)} examples."


def descriptions_side_by_side(rows: HeadRows, is_hidden: bool, first: str = "") -> Html:
    """What each describer says, with inputs, scores and reasoning; `first` before the others, then by trust."""
    if not rows.descriptions:
        return notice(HIDDEN_DESCRIPTION if is_hidden else NO_DESCRIPTION_MESSAGE)
    ordered = sorted(rows.descriptions, key=lambda row: trust_order(row["describer"], first))
    sections = join_html(description_section(row, rows) for row in ordered)
    return Html('<div class="side-by-side">{}</div>').format(sections)


def description_section(row: Row, rows: HeadRows) -> Html:
    lines = [detection_text(score).strip() for score in rows.detection_scores(row)]
    if row["support"] is not None:
        lines.append(support_sentence(row, rows))
    if row["description_id"] in rows.stale_description_ids:
        lines.append("Out of date: it was written for other mappings than those above.")
    reasoning = Html("")
    if row["reasoning"]:
        reasoning = Html("<details><summary>Reasoning</summary>{}</details>").format(with_chips(row["reasoning"]))
    return Html('<section><h3>{}</h3><div>{}</div>{}<p class="hint">{}</p>{}{}</section>').format(
        row["describer"],
        foldable_description(row["observed_pattern"]),
        inputs_line(row),
        author_sentence(row),
        bullet_list(lines),
        reasoning,
    )


def inputs_line(row: Row) -> Html:
    """What the inputs have in common, from a row of `descriptions` or `patterns`; nothing if it sees no pattern."""
    if not row["pattern"]:
        return Html("")
    return Html("<div>Inputs: {}</div>").format(foldable_description(row["input_strings"]))


def evidence_list(rows: HeadRows, is_hidden: bool) -> Html:
    """What was measured without a language model: checks with names, and how concentrated the head's targets are."""
    checks = sorted(rows.checks, key=lambda row: -row["support"])[:MAX_CHECKS]
    lines = [check_text(row, len(rows.mappings)) for row in checks]
    lines += map(concentration_text, rows.concentration)
    if rows.has_outdated_evidence:
        lines.append("Evidence measured on earlier mappings of this head is left out.")
    nothing = HIDDEN_CHECKS_MESSAGE if is_hidden else "No evidence has been measured for this head."
    return bullet_list(lines) + notice(nothing) if is_hidden or not lines else bullet_list(lines)
