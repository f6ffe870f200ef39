"""A head's descriptions as HTML: one sentence first, then each describer's side by side, with the evidence for them."""

from __future__ import annotations

from maps.atlas.schema import Row
from maps.describers.describer import OFFLINE
from maps.report.head_text import MAX_CHECKS, check_text, concentration_text, detection_text
from space.atlases.head_rows import HeadRows
from space.components.markup import escape_html, foldable_description, notice

OFFLINE_AUTHOR = "the offline describer, a fixed set of rules: a floor, not a person and not a language model"
NO_DESCRIPTION_MESSAGE = "Nobody has described this head yet; `python -m maps describe ATLAS --describer offline` does."


def leading_description(rows: HeadRows) -> str:
    """The description to read first, a language model's before the rules', with who wrote it and what bears it out."""
    first = min(rows.descriptions, key=lambda row: row["describer"] == OFFLINE, default=None)
    if first is None:
        return notice(NO_DESCRIPTION_MESSAGE)
    found = [score["detection"] for score in rows.detection_scores(first) if score["detection"] is not None]
    support = "" if first["support"] is None else f" {first['support']} of {len(rows.mappings)} mappings bear it out."
    detected = f" Detection score {found[-1]:.2f}; chance is 0.5." if found else ""
    return (
        f'<blockquote class="description"><div class="pattern">{foldable_description(first["observed_pattern"])}</div>'
        f"<footer>By {escape_html(author(first))}.{support}{detected}</footer></blockquote>"
    )


def author(row: Row) -> str:
    """Who wrote a description."""
    return OFFLINE_AUTHOR if row["describer"] == OFFLINE else f"{row['describer']} ({row['model']})"


def descriptions_side_by_side(rows: HeadRows) -> str:
    """What each describer says, with its inputs, its support and its detection scores."""
    said = "".join(description_section(row, rows) for row in rows.descriptions)
    return f'<div class="side-by-side">{said}</div>' if said else notice(NO_DESCRIPTION_MESSAGE)


def description_section(row: Row, rows: HeadRows) -> str:
    """One description."""
    lines = [detection_text(score).strip() for score in rows.detection_scores(row)]
    lines += [f"borne out by {row['support']} of {len(rows.mappings)} mappings"] * (row["support"] is not None)
    lines += ["written for other mappings than those above"] * (row["description_id"] in rows.stale_description_ids)
    inputs = f"<div>Inputs: {foldable_description(row['input_strings'])}</div>" if row["pattern"] else ""
    return (
        f"<section><h3>{escape_html(row['describer'])}</h3><div>{foldable_description(row['observed_pattern'])}</div>{inputs}"
        f'<p class="hint">By {escape_html(author(row))}.</p>{bullet_list(lines)}</section>'
    )


def evidence_list(rows: HeadRows) -> str:
    """What was measured of the head without a language model: named checks and how concentrated its targets are."""
    checks = sorted(rows.checks, key=lambda row: -row["support"])[:MAX_CHECKS]
    lines = [check_text(row, len(rows.mappings)) for row in checks]
    lines += map(concentration_text, rows.concentration)
    lines += ["What was measured of other mappings is left out; score the atlas again."] * rows.has_outdated_evidence
    return bullet_list(lines) or notice("No evidence was measured; `python -m maps score ATLAS` does.")


def bullet_list(lines: list[str]) -> str:
    """Lines as a list; nothing without lines."""
    listed = "".join(f"<li>{escape_html(line)}</li>" for line in lines)
    return f"<ul>{listed}</ul>" if listed else ""
