"""A head's descriptions as HTML: one sentence first, then each describer's side by side, with the evidence for them."""

from __future__ import annotations

from maps.atlas.schema import Row
from maps.describers.describer import OFFLINE
from maps.report.head_text import CHECKS, check_text, concentration_text, detection_text
from space.atlases.head_rows import HeadRows
from space.components.markup import folded, notice, text

FLOOR = "the offline describer, a fixed set of rules: a floor, not a person and not a language model"
MISSING = "Nobody has described this head yet; `python -m maps describe ATLAS --describer offline` does."


def lead(rows: HeadRows) -> str:
    """The description to read first, a language model's before the rules', with who wrote it and what bears it out."""
    first = min(rows.descriptions, key=lambda row: row["describer"] == OFFLINE, default=None)
    if first is None:
        return notice(MISSING)
    found = [score["detection"] for score in rows.detections(first) if score["detection"] is not None]
    support = "" if first["support"] is None else f" {first['support']} of {len(rows.mappings)} mappings bear it out."
    detected = f" Detection score {found[-1]:.2f}; chance is 0.5." if found else ""
    return (
        f'<blockquote class="description"><div class="pattern">{folded(first["observed_pattern"])}</div>'
        f"<footer>By {text(author(first))}.{support}{detected}</footer></blockquote>"
    )


def author(row: Row) -> str:
    """Who wrote a description."""
    return FLOOR if row["describer"] == OFFLINE else f"{row['describer']} ({row['model']})"


def side_by_side(rows: HeadRows) -> str:
    """What each describer says, with its inputs, its support and its detection scores."""
    said = "".join(one(row, rows) for row in rows.descriptions)
    return f'<div class="side-by-side">{said}</div>' if said else notice(MISSING)


def one(row: Row, rows: HeadRows) -> str:
    """One description."""
    lines = [detection_text(score).strip() for score in rows.detections(row)]
    lines += [f"borne out by {row['support']} of {len(rows.mappings)} mappings"] * (row["support"] is not None)
    lines += ["written for other mappings than those above"] * (row["description_id"] in rows.stale)
    inputs = f"<div>Inputs: {folded(row['input_strings'])}</div>" if row["pattern"] else ""
    return (
        f"<section><h3>{text(row['describer'])}</h3><div>{folded(row['observed_pattern'])}</div>{inputs}"
        f'<p class="hint">By {text(author(row))}.</p>{items(lines)}</section>'
    )


def evidence(rows: HeadRows) -> str:
    """What was measured of the head without a language model: named checks and how concentrated its targets are."""
    checks = sorted(rows.checks, key=lambda row: -row["support"])[:CHECKS]
    lines = [check_text(row, len(rows.mappings)) for row in checks]
    lines += map(concentration_text, rows.concentration)
    lines += ["What was measured of other mappings is left out; score the atlas again."] * rows.outdated
    return items(lines) or notice("No evidence was measured; `python -m maps score ATLAS` does.")


def items(lines: list[str]) -> str:
    """Lines as a list; nothing without lines."""
    listed = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul>{listed}</ul>" if listed else ""
