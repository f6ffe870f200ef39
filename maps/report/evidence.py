"""The evidence part of an atlas report: tables, figures and sections."""

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
    """Further tables, figures (as Vega-Lite) and sections of a report."""

    tables: dict[str, pa.Table]
    figures: dict[str, dict[str, Any]]
    sections: list[ReportSection]


def compute_evidence(atlas: Atlas) -> ReportEvidence:
    """The evidence of an atlas; empty if `python -m maps score` was not run."""
    evidence = ReportEvidence({}, {}, [])
    descriptions = atlas.descriptions()
    if not descriptions or not atlas.has_table("concentration"):
        return evidence
    stale, current = atlas.stale_description_ids(), {row["description_id"] for row in descriptions}
    scores = [row for row in atlas.table("scores").to_pylist() if row["description_id"] in current]
    if scores:
        add_detection(evidence, scores, stale, atlas.model)
    checks, old_checks = current_rows(atlas, "checks")
    concentrations, old = current_rows(atlas, "concentration")
    measured = concentration_by_head(atlas, concentrations)
    fresh = [row for row in descriptions if row["description_id"] not in stale]
    groups = comparison.group_heads(fresh, measured, compared_random_heads(atlas))
    rows = comparison.concentration_rows(groups)
    add_table(evidence, "concentration", rows)
    evidence.figures["concentration"] = figures.vega_spec(figures.concentration_ticks(groups, atlas.model))
    sentences = (
        "Measured without any describer: the lower the entropy of a head's targets and the higher their kurtosis, the "
        "fewer strings the head promotes.",
        *comparison.concentration_sentences(rows),
        *left_out_sentences(len(descriptions) - len(fresh), "description", "describe these heads again"),
        *left_out_sentences(old, "head", "score the atlas again"),
    )
    heading = "Evidence: concentration of targets"
    evidence.sections.append(ReportSection(heading, sentences, "concentration", "concentration"))
    add_table(evidence, "evidence", evidence_table.evidence_rows(descriptions, stale, checks, measured, scores))
    sentences = (
        "Each description with its scores and with the named check that most mappings of its head support. A "
        "description is marked as stale if the mappings changed after it.",
        *left_out_sentences(old_checks, "named check", "score the atlas again"),
    )
    evidence.sections.append(ReportSection("Evidence: description by description", sentences, "evidence"))
    return evidence


def add_table(evidence: ReportEvidence, name: str, rows: list[Row]) -> None:
    evidence.tables[name] = pa.Table.from_pylist(rows, schema=EVIDENCE_TABLES[name])


def add_detection(evidence: ReportEvidence, scores: list[Row], stale: set[str], model: str) -> None:
    """Adds detection scores and their control; scores of stale descriptions are left out and counted."""
    fresh = [row for row in scores if row["description_id"] not in stale]
    add_table(evidence, "detection", summary.detection_rows(fresh))
    evidence.figures["detection"] = figures.vega_spec(figures.detection_bars(fresh, model))
    left = left_out_sentences(len(scores) - len(fresh), "score", "describe these heads again, then score them")
    sentences = (*summary.detection_sentences(fresh), *left)
    evidence.sections.append(ReportSection("Evidence: detection scores", sentences, "detection", "detection"))


def left_out_sentences(count: int, thing: str, remedy: str) -> list[str]:
    """The sentence on what is left out because it is out of date; no sentence if nothing is."""
    return [f"Left out because the mappings changed: {pluralize(count, thing)}; {remedy}."] if count else []


def current_rows(atlas: Atlas, name: str) -> tuple[list[Row], int]:
    """The rows of a table that were measured on the heads' present mappings, and the number of other rows."""
    hashes = atlas.mapping_hashes()
    rows = atlas.table(name).to_pylist()
    kept = [row for row in rows if row.get("mapping_hash") == hashes.get(HeadId(row["layer"], row["head"]))]
    return kept, len(rows) - len(kept)


def concentration_by_head(atlas: Atlas, concentrations: list[Row]) -> dict[HeadId, Row]:
    """The concentration of every head, with the kurtosis from the table `heads`."""
    kurtosis = {HeadId(row["layer"], row["head"]): row["target_kurtosis"] for row in atlas.table("heads").to_pylist()}
    heads = [HeadId(row["layer"], row["head"]) for row in concentrations]
    return {head: {**row, "target_kurtosis": kurtosis[head]} for head, row in zip(heads, concentrations, strict=True)}


def compared_random_heads(atlas: Atlas) -> list[Row]:
    rows = atlas.table("concentration", ["random_heads", "seed"]).to_pylist()
    compared = next((row for row in rows if row["random_heads"]), None)
    return stored_random_heads(atlas, RandomHeadDraw(compared["random_heads"], compared["seed"])) if compared else []
