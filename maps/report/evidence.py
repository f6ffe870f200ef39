"""The evidence in a report: tables, figures and sections, of what an atlas holds of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from maps import figures
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.report.atlas_report import Section
from maps.scoring import comparison, evidence_table, summary
from maps.scoring.measures import Draw, drawn
from maps.text import many
from maps.types import HeadId

TABLES = {
    "detection": summary.DETECTION,
    "concentration": comparison.CONCENTRATION,
    "evidence": evidence_table.EVIDENCE,
}
FIGURES = ("detection", "concentration")


class Evidence(NamedTuple):
    """What a report gains where an atlas has scores."""

    tables: dict[str, pa.Table]
    figures: dict[str, dict[str, Any]]  # Vega-Lite
    sections: list[Section]


def evidence(atlas: Atlas) -> Evidence:
    """The evidence of an atlas; empty where `python -m maps score` was not run."""
    found = Evidence({}, {}, [])
    descriptions = atlas.descriptions()
    if not descriptions or not atlas.has("concentration"):
        return found
    stale, current = atlas.stale(), {row["description_id"] for row in descriptions}
    scores = [row for row in atlas.table("scores").to_pylist() if row["description_id"] in current]
    if scores:
        add_detection(found, scores, stale, atlas.model)
    checks, old_checks = present(atlas, "checks")
    concentrations, old = present(atlas, "concentration")
    measured = measures(atlas, concentrations)
    fresh = [row for row in descriptions if row["description_id"] not in stale]
    groups = comparison.groups(fresh, measured, random_heads(atlas))
    rows = comparison.concentration(groups)
    add(found, "concentration", rows)
    found.figures["concentration"] = figures.spec(figures.concentration(groups, atlas.model))
    said = (
        "How concentrated targets are, without any describer: the lower the entropy and the higher the kurtosis, "
        "the fewer strings a head promotes.",
        *comparison.concentration_sentences(rows),
        *told(len(descriptions) - len(fresh), "description", "describe these heads again"),
        *told(old, "head", "score the atlas again"),
    )
    found.sections.append(Section("Evidence: concentration of targets", said, "concentration", "concentration"))
    add(found, "evidence", evidence_table.evidence(descriptions, stale, checks, measured, scores))
    each = (
        "Each description beside the named check that most mappings of its head bear out, and its scores; those of "
        "mappings that changed since are marked as stale.",
        *told(old_checks, "named check", "score the atlas again"),
    )
    found.sections.append(Section("Evidence: description by description", each, "evidence"))
    return found


def add(found: Evidence, name: str, rows: list[Row]) -> None:
    """Adds a table."""
    found.tables[name] = pa.Table.from_pylist(rows, schema=TABLES[name])


def add_detection(found: Evidence, scores: list[Row], stale: set[str], model: str) -> None:
    """Detection scores beside their control, without those of stale descriptions, which are counted."""
    fresh = [row for row in scores if row["description_id"] not in stale]
    add(found, "detection", summary.detection(fresh))
    found.figures["detection"] = figures.spec(figures.detection(fresh, model))
    left = told(len(scores) - len(fresh), "score", "describe these heads again, then score them")
    said = (*summary.detection_sentences(fresh), *left)
    found.sections.append(Section("Evidence: detection scores", said, "detection", "detection"))


def told(count: int, thing: str, remedy: str) -> list[str]:
    """The sentence on what is left out, where there is any."""
    return [f"Left out, since the mappings changed after it: {many(count, thing)}; {remedy}."] if count else []


def present(atlas: Atlas, name: str) -> tuple[list[Row], int]:
    """The rows of a table that are of the heads' present mappings, and how many are not."""
    hashes = atlas.mapping_hashes()
    rows = atlas.table(name).to_pylist()
    kept = [row for row in rows if row.get("mapping_hash") == hashes.get(HeadId(row["layer"], row["head"]))]
    return kept, len(rows) - len(kept)


def measures(atlas: Atlas, concentrations: list[Row]) -> dict[HeadId, Row]:
    """The concentration of every head, with its kurtosis."""
    kurtosis = {HeadId(row["layer"], row["head"]): row["target_kurtosis"] for row in atlas.table("heads").to_pylist()}
    rows = {HeadId(row["layer"], row["head"]): row for row in concentrations}
    return {head: {**row, "target_kurtosis": kurtosis[head]} for head, row in rows.items()}


def random_heads(atlas: Atlas) -> list[Row]:
    """The random heads that the concentration was compared with."""
    rows = atlas.table("concentration", ["random_heads", "seed"]).to_pylist()
    compared = next((row for row in rows if row["random_heads"]), None)
    return drawn(atlas, Draw(compared["random_heads"], compared["seed"])) if compared else []
