"""The table of describers: what each sees, whether the reference sees it too, and what is expected by chance."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import Row, make_table
from maps.describers.describe_atlas import describe_atlas
from maps.distributions import wilson_interval
from maps.errors import MapsError
from maps.report.describers import describer_rows, describer_sentences
from maps.scoring.null_atlas import write_null_atlas
from maps.types import Answer, Description
from tests.scripted import ScriptedDescriber


def describe(folder: Path, name: str, patterns: str) -> None:
    """Descriptions of the eight heads: `+` sees a pattern, `-` sees none."""
    texts = [f"{name} {number}." if sign == "+" else "Unclear" for number, sign in enumerate(patterns)]
    answers = [Answer(Description("Words.", text, ""), "m", cost_usd=0.01) for text in texts]
    describe_atlas(folder, ScriptedDescriber(answers, name))


@pytest.fixture
def described(atlas_folder: Path) -> Path:
    describe(atlas_folder, "reference", "++++++--")
    describe(atlas_folder, "model", "+++---+-")
    return atlas_folder


def score_row(row: Row, scorer: str, value: float) -> Row:
    about = {name: row[name] for name in ("layer", "head", "describer", "description_id")}
    values = {"detection": value, "detection_swapped": 0.5, "lookalike": 0.6, "n": 20}
    return {**about, "scorer": scorer, "seed": 0, **values}


def test_precision_and_recall_are_those_of_the_reference_and_costs_are_means(described: Path) -> None:
    reference, model = describer_rows(Atlas.open(described))
    assert (reference["describer"], reference["patterns"], reference["precision"]) == ("reference", 6, None)
    assert (model["heads"], model["patterns"], model["compared"]) == (8, 4, 8)
    assert (model["precision"], model["recall"], model["cost_usd"]) == pytest.approx((3 / 4, 3 / 6, 0.01))
    sentences = describer_sentences([reference, model])
    assert sentences[0] == "reference sees a pattern in 6 of 8 heads."
    assert sentences[1] == (
        "model sees a pattern in 4 of 8 heads. The reference sees one in 75 % of these, and model in 50 % of those "
        "with a pattern in the reference."
    )


def test_scores_are_of_the_scorer_with_the_most_heads(described: Path) -> None:
    rows = [row for row in Atlas.open(described).descriptions() if row["describer"] == "model"]
    scores = [score_row(rows[0], "few", 1.0), *(score_row(row, "many", 0.8) for row in rows[:2])]
    write_table(described, "scores", make_table("scores", scores))
    model = describer_rows(Atlas.open(described))[1]
    assert (model["scorer"], model["scored"], model["detection"], model["lookalike"]) == ("many", 2, 0.8, 0.6)


def test_the_expected_share_of_false_patterns_is_the_bound_from_null_heads(described: Path, tmp_path: Path) -> None:
    nulls = [write_null_atlas(Atlas.open(described), tmp_path / kind, kind) for kind in ("random", "shuffled")]
    describe(tmp_path / "random", "model", "+-------")
    describe(tmp_path / "shuffled", "model", "--------")
    _, model = describer_rows(Atlas.open(described), nulls)
    assert (model["null_random"], model["null_random_patterns"]) == (8, 1)
    assert model["false_random"] == min(1.0, 8 * wilson_interval(1, 8)[1] / 4)
    assert model["false_shuffled"] == pytest.approx(8 * wilson_interval(0, 8)[1] / 4)
    assert "It sees one in 0 of 8 shuffled heads, so of the 4 at most 64.9 % are" in describer_sentences([model])[0]


@pytest.mark.slow
def test_the_report_has_the_table_and_refuses_what_is_no_null_atlas(
    described: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)  # as if it were not installed: drawing takes seconds
    assert main(["score", str(described), "--no-random"]) == 0
    null = write_null_atlas(Atlas.open(described), tmp_path / "null", "shuffled")
    describe(null.folder, "model", "--------")
    out = tmp_path / "report"
    assert main(["report", str(described), "--out", str(out), "--null", str(null.folder)]) == 0
    assert "null_shuffled_patterns" in (out / "describers.csv").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["report", str(described), "--out", str(out), "--null", str(described)]) == 2
    assert capsys.readouterr().err.endswith("is not a null atlas; make one with `python -m maps null`.\n")
    info = {**null.info, "null": {**null.info["null"], "of": "another"}}
    with pytest.raises(MapsError, match="is a null atlas of another in the reading mlp, not of "):
        describer_rows(Atlas.open(described), [Atlas(null.folder, info)])
