"""The evidence in a report: tables, figures and sections, of what an atlas holds of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from maps import figures
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.report.atlas_report import ReportSection
from maps.scoring import comparison, evidence_table, summary
from maps.scoring.measures import RandomHeadDraw, stored_random_heads
from maps.text import pluralize
from maps.types import HeadId

EVIDENCE_TABLES = {
    "detection": summary.DETECTION_SUMMARY_SCHEMA,
    "concentration": comparison.CONCENTRATION_SUMMARY_SCHEMA,
    "evidence": evidence_table.EVIDENCE_SCHEMA,
}
EVIDENCE_FIGURES = ("detection", "concentration")


class ReportEvidence(NamedTuple):
    """What a report gains where an atlas has scores."""

    tables: dict[str, pa.Table]
    figures: dict[str, dict[str, Any]]  # Vega-Lite
    sections: list[ReportSection]


def compute_evidence(atlas: Atlas) -> ReportEvidence:
    """The evidence of an atlas; empty where `python -m maps score` was not run."""
    found = ReportEvidence({}, {}, [])
    descriptions = atlas.descriptions()
    if not descriptions or not atlas.has_table("concentration"):
        return found
    stale, current = atlas.stale_description_ids(), {row["description_id"] for row in descriptions}
    scores = [row for row in atlas.table("scores").to_pylist() if row["description_id"] in current]
    if scores:
        add_detection(found, scores, stale, atlas.model)
    checks, old_checks = current_rows(atlas, "checks")
    concentrations, old = current_rows(atlas, "concentration")
    measured = concentration_by_head(atlas, concentrations)
    fresh = [row for row in descriptions if row["description_id"] not in stale]
    groups = comparison.group_heads(fresh, measured, compared_random_heads(atlas))
    rows = comparison.concentration_rows(groups)
    add_table(found, "concentration", rows)
    found.figures["concentration"] = figures.vega_spec(figures.concentration_ticks(groups, atlas.model))
    said = (
        "How concentrated targets are, without any describer: the lower the entropy and the higher the kurtosis, "
        "the fewer strings a head promotes.",
        *comparison.concentration_sentences(rows),
        *left_out_sentences(len(descriptions) - len(fresh), "description", "describe these heads again"),
        *left_out_sentences(old, "head", "score the atlas again"),
    )
    found.sections.append(ReportSection("Evidence: concentration of targets", said, "concentration", "concentration"))
    add_table(found, "evidence", evidence_table.evidence_rows(descriptions, stale, checks, measured, scores))
    each = (
        "Each description beside the named check that most mappings of its head bear out, and its scores; those of "
        "mappings that changed since are marked as stale.",
        *left_out_sentences(old_checks, "named check", "score the atlas again"),
    )
    found.sections.append(ReportSection("Evidence: description by description", each, "evidence"))
    return found


def add_table(evidence: ReportEvidence, name: str, rows: list[Row]) -> None:
    """Adds a table."""
    evidence.tables[name] = pa.Table.from_pylist(rows, schema=EVIDENCE_TABLES[name])


def add_detection(evidence: ReportEvidence, scores: list[Row], stale: set[str], model: str) -> None:
    """Detection scores beside their control, without those of stale descriptions, which are counted."""
    fresh = [row for row in scores if row["description_id"] not in stale]
    add_table(evidence, "detection", summary.detection_rows(fresh))
    evidence.figures["detection"] = figures.vega_spec(figures.detection_bars(fresh, model))
    left = left_out_sentences(len(scores) - len(fresh), "score", "describe these heads again, then score them")
    said = (*summary.detection_sentences(fresh), *left)
    evidence.sections.append(ReportSection("Evidence: detection scores", said, "detection", "detection"))


def left_out_sentences(count: int, thing: str, remedy: str) -> list[str]:
    """The sentence on what is left out, where there is any."""
    return [f"Left out, since the mappings changed after it: {pluralize(count, thing)}; {remedy}."] if count else []


def current_rows(atlas: Atlas, name: str) -> tuple[list[Row], int]:
    """The rows of a table that are of the heads' present mappings, and how many are not."""
    hashes = atlas.mapping_hashes()
    rows = atlas.table(name).to_pylist()
    kept = [row for row in rows if row.get("mapping_hash") == hashes.get(HeadId(row["layer"], row["head"]))]
    return kept, len(rows) - len(kept)


def concentration_by_head(atlas: Atlas, concentrations: list[Row]) -> dict[HeadId, Row]:
    """The concentration of every head, with its kurtosis."""
    kurtosis = {HeadId(row["layer"], row["head"]): row["target_kurtosis"] for row in atlas.table("heads").to_pylist()}
    rows = {HeadId(row["layer"], row["head"]): row for row in concentrations}
    return {head: {**row, "target_kurtosis": kurtosis[head]} for head, row in rows.items()}


def compared_random_heads(atlas: Atlas) -> list[Row]:
    """The random heads that the concentration was compared with."""
    rows = atlas.table("concentration", ["random_heads", "seed"]).to_pylist()
    compared = next((row for row in rows if row["random_heads"]), None)
    return stored_random_heads(atlas, RandomHeadDraw(compared["random_heads"], compared["seed"])) if compared else []
