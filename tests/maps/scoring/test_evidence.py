"""The evidence in a report: tables, text and figures, and a report without evidence."""

from __future__ import annotations

import csv
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import Row, make_table
from maps.describers.describe_atlas import describe_atlas
from maps.report.evidence import EVIDENCE_FIGURES, EVIDENCE_TABLES, compute_evidence
from maps.scoring.accuracy import detection_rows, detection_sentences
from maps.scoring.comparison import PATTERN_LABEL, RANDOM_LABEL, UNCLEAR_LABEL, concentration_rows, group_heads
from maps.types import Answer, Description, HeadId
from tests.scripted import ScriptedDescriber

HOSTILE = "</script><script>alert(1)</script>\u202e[x](y)"


def answer(pattern: str) -> Answer:
    return Answer(Description("Words.", pattern, ""), "scripted")


@pytest.fixture
def scored(atlas_folder: Path) -> Path:
    """An atlas with six patterns and two unclear heads, with scores by a scorer with a hostile name."""
    describe_atlas(
        atlas_folder, ScriptedDescriber([answer("=First letter.")] * 6 + [answer("Unclear")] * 2, "scripted")
    )
    assert main(["score", str(atlas_folder), "--random", "3"]) == 0
    rows = [
        {
            **{name: row[name] for name in ("layer", "head", "describer", "description_id")},
            **{"scorer": HOSTILE, "seed": 0, "n": 20, "detection": 0.5 + 0.1 * n, "detection_swapped": 0.5},
            **{"detection_low": 0.4, "detection_high": 1.0},
        }
        for n, row in enumerate(Atlas.open(atlas_folder).descriptions()[:5])
    ]
    rows.append({**rows[0], "head": 3, "description_id": "of an older description", "detection": 0.0})
    write_table(atlas_folder, "scores", make_table("scores", rows))
    return atlas_folder


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_report_has_tables_figures_and_text_about_the_evidence(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    assert main(["report", str(scored), "--out", str(out)]) == 0
    own, control = lines(out / "detection.csv")
    assert (own["shown"], own["heads"], f"{float(own['mean']):.3f}") == ("own description", "5", "0.700")
    assert (control["shown"], control["mean"], control["low"]) == ("another head's description", "0.5", "0.5")
    kinds = [(row["describer"], row["heads"], row["count"]) for row in lines(out / "concentration.csv")]
    assert kinds[::2] == [("scripted", PATTERN_LABEL, "6"), ("scripted", UNCLEAR_LABEL, "2"), ("", RANDOM_LABEL, "6")]
    each = lines(out / "evidence.csv")
    assert [row["detection"] != "" for row in each] == [True] * 5 + [False] * 3
    assert {row["observed_pattern"] for row in each} == {"'=First letter.", "Unclear"}
    assert all(row["target_entropy"] for row in each)
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "balanced accuracy 0.70 (mean of 5 heads, 95 % interval" in text
    assert "2 heads said to be unclear by scripted: median entropy of the targets" in text
    for name in EVIDENCE_FIGURES:
        assert ET.fromstring((out / f"{name}.svg").read_text(encoding="utf-8")).tag.endswith("svg")
    for path in (out / "report.html", *(out / f"{name}.html" for name in EVIDENCE_FIGURES)):
        assert "<script>alert" not in path.read_text(encoding="utf-8")
    assert "<script" not in text.replace("\\<", "")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert {f"{name}.csv" for name in EVIDENCE_TABLES.keys() - {"predictions"}} <= set(links)


def test_evidence_about_changed_mappings_is_left_out_counted_and_marked(scored: Path) -> None:
    mappings = Atlas.open(scored).table("mappings").to_pylist()
    changed = [{**row, "source_id": 0} if (row["layer"], row["head"]) == (0, 0) else row for row in mappings]
    write_table(scored, "mappings", make_table("mappings", changed))
    found = compute_evidence(Atlas.open(scored))
    assert [row["heads"] for row in found.tables["detection"].to_pylist()] == [4, 4]
    counts = {row["heads"]: row["count"] for row in found.tables["concentration"].to_pylist()}
    assert (counts[PATTERN_LABEL], counts[UNCLEAR_LABEL]) == (5, 2)
    first, *others = found.tables["evidence"].to_pylist()
    assert (first["stale"], first["check"], first["target_entropy"], first["detection"]) == (True, None, None, 0.5)
    assert {row["stale"] for row in others} == {False}
    assert all(row["target_entropy"] for row in others)
    words = " ".join(sentence for section in found.sections for sentence in section.sentences)
    left_out = "Left out because the mappings changed: "
    assert f"{left_out}1 score; describe these heads again, then score them." in words
    assert f"{left_out}1 description; describe these heads again." in words
    assert f"{left_out}1 head; score the atlas again." in words
    assert main(["score", str(scored), "--no-random"]) == 0
    again = compute_evidence(Atlas.open(scored)).tables["evidence"].to_pylist()
    assert all(row["target_entropy"] for row in again)
    assert [row["stale"] for row in again] == [True] + [False] * 7


@pytest.mark.slow
def test_a_report_without_scores_removes_older_evidence(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)  # as if it were not installed: drawing takes seconds
    out = tmp_path / "report"
    assert main(["report", str(scored), "--out", str(out)]) == 0
    (scored / "concentration.parquet").unlink()
    assert main(["report", str(scored), "--out", str(out)]) == 0
    names = {path.name.split(".")[0] for path in out.iterdir()}
    assert not names & {*EVIDENCE_FIGURES, *EVIDENCE_TABLES}
    assert "Evidence" not in (out / "report.md").read_text(encoding="utf-8")


def test_offline_measures_alone_are_reported_without_detection(scored: Path) -> None:
    (scored / "scores.parquet").unlink()
    found = compute_evidence(Atlas.open(scored))
    assert (list(found.tables), list(found.figures)) == (
        ["describers", "concentration", "evidence"],
        ["concentration"],
    )
    assert [section.heading for section in found.sections] == [
        "Evidence: describers compared",
        "Evidence: concentration of targets",
        "Evidence: description by description",
    ]


def test_means_are_by_describer_and_undefined_without_scores() -> None:
    def row(describer: str, own: float | None, swapped: float | None) -> Row:
        return {
            "describer": describer,
            "scorer": "s",
            "seed": 0,
            "detection": own,
            "detection_swapped": swapped,
            "lookalike": None,
        }

    rows = [row("b", 0.9, None), row("a", None, None), row("b", 0.7, 0.4)]
    found = detection_rows(rows)
    assert [(each["describer"], each["heads"], each["mean"]) for each in found] == [
        ("a", 0, None),
        ("a", 0, None),
        ("b", 2, pytest.approx(0.8)),
        ("b", 1, 0.4),
    ]
    assert detection_sentences(rows)[0] == (
        "s picks out a head's mappings from descriptions by a: undefined, since no head has a score; from another "
        "head's descriptions (control): undefined, since no head has a score. Chance is 0.5."
    )


def test_groups_match_values_computed_by_hand() -> None:
    names = ("target_entropy", "target_kurtosis", "entropy_below", "kurtosis_below")
    values = [(2.0, 30.0, 0.0, 1.0), (4.0, 3.0, 0.025, 0.5), (6.0, None, None, None)]
    measures = {HeadId(0, n): dict(zip(names, each, strict=True)) for n, each in enumerate(values)}
    descriptions = [{"layer": 0, "head": n, "describer": "d", "pattern": n != 2} for n in range(3)]
    rows = concentration_rows(group_heads(descriptions, measures, [{"target_entropy": 7.0, "target_kurtosis": 3.0}]))
    assert [tuple(row.values()) for row in rows] == [
        ("d", PATTERN_LABEL, "target_entropy", 2, pytest.approx(2.1), 3.0, pytest.approx(3.9), 1),
        ("d", PATTERN_LABEL, "target_kurtosis", 2, pytest.approx(4.35), 16.5, pytest.approx(28.65), 1),
        ("d", UNCLEAR_LABEL, "target_entropy", 1, 6.0, 6.0, 6.0, None),
        ("d", UNCLEAR_LABEL, "target_kurtosis", 0, None, None, None, None),
        (None, RANDOM_LABEL, "target_entropy", 1, 7.0, 7.0, 7.0, None),
        (None, RANDOM_LABEL, "target_kurtosis", 1, 3.0, 3.0, 3.0, None),
    ]
