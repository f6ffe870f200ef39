"""The evidence part of an atlas report: tables, figures and sections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from maps import figures
from maps.atlas.reader import Atlas
from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns, head_of, table_by_head
from maps.report.atlas_report import ReportSection
from maps.report.describers import DESCRIBERS_SCHEMA, describer_rows, describer_sentences
from maps.scoring import accuracy, comparison
from maps.scoring.measures import RandomHeadDraw, stored_random_heads
from maps.scoring.prediction_summary import PREDICTION_SUMMARY_SCHEMA, prediction_rows, prediction_sentences
from maps.scoring.score_table import is_detection, is_generation
from maps.text import pluralize
from maps.types import HeadId

SHOWN_COLUMNS = ("detection", "detection_low", "detection_high", "detection_swapped", "lookalike")
EVIDENCE_SCHEMA = table_by_head(
    *columns(TEXT, "describer", "observed_pattern"),
    ("pattern", pa.bool_()),
    ("check", TEXT),
    ("support", INTEGER),
    *columns(NUMBER, "by_chance", "target_entropy", "entropy_below", "target_kurtosis", "kurtosis_below"),
    ("scorer", TEXT),
    ("seed", INTEGER),
    *columns(NUMBER, *SHOWN_COLUMNS),
    ("stale", pa.bool_()),
)
EVIDENCE_TABLES = {
    "detection": accuracy.DETECTION_SUMMARY_SCHEMA,
    "concentration": comparison.CONCENTRATION_SUMMARY_SCHEMA,
    "predictions": PREDICTION_SUMMARY_SCHEMA,
    "describers": DESCRIBERS_SCHEMA,
    "evidence": EVIDENCE_SCHEMA,
}
EVIDENCE_FIGURES = ("detection", "concentration")


class ReportEvidence(NamedTuple):
    """Further tables, figures (as Vega-Lite) and sections of a report."""

    tables: dict[str, pa.Table]
    figures: dict[str, dict[str, Any]]
    sections: list[ReportSection]


def compute_evidence(atlas: Atlas, nulls: Sequence[Atlas] = ()) -> ReportEvidence:
    """The evidence of an atlas; empty if `python -m maps score` was not run. `nulls`: null atlases of its model."""
    evidence = ReportEvidence({}, {}, [])
    descriptions = atlas.descriptions()
    if not descriptions or not atlas.has_table("concentration"):
        return evidence
    stale, current = atlas.stale_description_ids(), {row["description_id"] for row in descriptions}
    tests = [row for row in atlas.table("scores").to_pylist() if row["description_id"] in current]
    scores = list(filter(is_detection, tests))
    if scores:
        add_detection(evidence, scores, stale, atlas.model)
    add_predictions(evidence, [row for row in tests if is_generation(row) and row["description_id"] not in stale])
    add_describers(evidence, describer_rows(atlas, nulls))
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
    add_table(evidence, "evidence", evidence_rows(descriptions, stale, checks, measured, scores))
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
    add_table(evidence, "detection", accuracy.detection_rows(fresh))
    evidence.figures["detection"] = figures.vega_spec(figures.detection_bars(fresh, model))
    left = left_out_sentences(len(scores) - len(fresh), "score", "describe these heads again, then score them")
    sentences = (*accuracy.detection_sentences(fresh), *left)
    evidence.sections.append(ReportSection("Evidence: detection scores", sentences, "detection", "detection"))


def add_predictions(evidence: ReportEvidence, scores: list[Row]) -> None:
    """Adds the generation test, where it was made."""
    if scores:
        add_table(evidence, "predictions", prediction_rows(scores))
        sentences = (
            "From a description alone, new sources and their targets were predicted, and ranked exactly in M.",
            *prediction_sentences(scores),
        )
        evidence.sections.append(ReportSection("Evidence: predictions", sentences, "predictions"))


def add_describers(evidence: ReportEvidence, rows: list[Row]) -> None:
    add_table(evidence, "describers", rows)
    sentences = tuple(describer_sentences(rows))
    evidence.sections.append(ReportSection("Evidence: describers compared", sentences, "describers"))


def left_out_sentences(count: int, thing: str, remedy: str) -> list[str]:
    """The sentence on what is left out because it is out of date; no sentence if nothing is."""
    return [f"Left out because the mappings changed: {pluralize(count, thing)}; {remedy}."] if count else []


def current_rows(atlas: Atlas, name: str) -> tuple[list[Row], int]:
    """The rows of a table that were measured on the heads' present mappings, and the number of other rows."""
    hashes = atlas.mapping_hashes()
    rows = atlas.table(name).to_pylist()
    kept = [row for row in rows if row.get("mapping_hash") == hashes.get(head_of(row))]
    return kept, len(rows) - len(kept)


def concentration_by_head(atlas: Atlas, concentrations: list[Row]) -> dict[HeadId, Row]:
    """The concentration of every head, with the kurtosis from the table `heads`."""
    kurtosis = {head_of(row): row["target_kurtosis"] for row in atlas.table("heads").to_pylist()}
    heads = [head_of(row) for row in concentrations]
    return {head: {**row, "target_kurtosis": kurtosis[head]} for head, row in zip(heads, concentrations, strict=True)}


def compared_random_heads(atlas: Atlas) -> list[Row]:
    rows = atlas.table("concentration", ["random_heads", "seed"]).to_pylist()
    compared = next((row for row in rows if row["random_heads"]), None)
    return stored_random_heads(atlas, RandomHeadDraw(compared["random_heads"], compared["seed"])) if compared else []


def evidence_rows(
    descriptions: Iterable[Row],
    stale: Collection[str],
    checks: Iterable[Row],
    measures: dict[HeadId, Row],
    scores: Iterable[Row],
) -> list[Row]:
    """Rows of `EVIDENCE_SCHEMA`: each description with its evidence, one row per scorer and seed.

    `check` is the check with the highest support by the head's mappings, whatever the description says. `stale`: the
    ids of descriptions whose mappings have changed since.
    """
    best_checks: dict[HeadId, Row] = {}
    for row in checks:
        head = head_of(row)
        if head not in best_checks or row["support"] > best_checks[head]["support"]:
            best_checks[head] = row
    scores_of: dict[str, list[Row | None]] = defaultdict(list)
    for row in scores:
        scores_of[row["description_id"]].append(row)
    rows = []
    for row in descriptions:
        head = head_of(row)
        known = {
            **_select_columns(row, ("layer", "head", "describer", "observed_pattern", "pattern")),
            **_select_columns(best_checks.get(head), ("check", "support", "by_chance")),
            **_select_columns(measures.get(head), (*comparison.BELOW_COLUMNS, *comparison.BELOW_COLUMNS.values())),
            "stale": row["description_id"] in stale,
        }
        for score in scores_of[row["description_id"]] or [None]:
            rows.append({**known, **_select_columns(score, ("scorer", "seed", *SHOWN_COLUMNS))})
    return rows


def _select_columns(row: Row | None, names: Sequence[str]) -> Row:
    """Some columns of a row; all null without a row."""
    return {name: row[name] if row else None for name in names}
