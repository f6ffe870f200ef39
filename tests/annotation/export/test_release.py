"""A release: what was judged, the answers and the labels, each a config that loads alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from annotation.export.release import ITEMS_SCHEMA, make_release
from annotation.statistics import dawid_skene
from annotation.study.study import Study
from annotation.types import ITEM_COLUMNS, Judgment, StudyItem, adjudication_item
from tests.annotation import invented_study

Judge = Callable[..., Judgment]
ROOT = Path(__file__).parents[3]
LOAD_SCRIPT = """
import json, sys, datasets
datasets.disable_progress_bars()
found = {name: datasets.load_dataset(sys.argv[1], name, split="train").to_pandas()
         for name in ("items", "judgments", "labels")}
columns = ["study", "model", "layer", "head", "item_kind", "mapping_hash", "description_id"]
judged = found["judgments"].merge(found["items"], on=columns)
print(json.dumps({"rows": {name: len(rows) for name, rows in found.items()}, "judged": len(judged),
                  "words": sorted(set(judged["observed_pattern"])), "mappings": len(found["items"]["mappings"][0])}))
"""


@pytest.fixture(scope="module")
def study() -> Study:
    return invented_study.freeze_invented_study()


def of_item(judge: Judge, judgment_id: str, item: StudyItem, **changes: object) -> Judgment:
    return judge(judgment_id, **(asdict(item) | changes))


@pytest.fixture
def rows(study: Study, judge: Judge) -> list[Judgment]:
    """Two answers to a head, one of them changed; one to a control, one to a practice item, and a decision."""
    head = next(item for item in study.order if item.item_kind == "head")
    control = next(item for item in study.order if item.item_kind == "swapped")
    return [
        of_item(judge, "j-1", head),
        of_item(judge, "j-2", head, annotator="a-2", presence="absent_none", precision=None, category=None),
        of_item(judge, "j-3", head, supersedes="j-1"),
        of_item(judge, "j-4", control),
        of_item(judge, "j-5", control, item_kind="practice", model="practice"),
        of_item(judge, "j-6", adjudication_item(head), annotator="o-1"),
    ]


def table(files: dict[str, bytes], name: str) -> list[dict[str, object]]:
    return list(pq.read_table(BytesIO(files[f"data/{name}.parquet"])).to_pylist())


def test_items_say_what_was_judged_and_where_a_controls_content_is_from(study: Study, rows: list[Judgment]) -> None:
    items = table(make_release(rows, study, "user/name").files, "items")
    assert [row["position"] for row in items] == list(range(len(study.order)))
    for row, item in zip(items, study.order, strict=True):
        assert {name: row[name] for name in ITEM_COLUMNS} == asdict(item)
        content, origin = study.contents[item.key], study.origins[item.key]
        assert (row["input_strings"], row["observed_pattern"]) == (content.input_strings, content.observed_pattern)
        assert (row["described_layer"], row["described_head"]) == origin.described_head
        assert len(row["mappings"]) == len(content.mappings)  # type: ignore[arg-type]
        is_swapped = (row["described_layer"], row["described_head"]) != (item.layer, item.head)
        assert is_swapped == (item.item_kind == "swapped")
        assert (row["own_mapping_hash"] != item.mapping_hash) == (item.item_kind == "shuffled")


def test_judgments_have_no_worked_examples_and_what_does_not_count_is_said(study: Study, rows: list[Judgment]) -> None:
    release = make_release(rows, study, "user/name", stale=())
    assert [row["judgment_id"] for row in table(release.files, "judgments")] == ["j-1", "j-2", "j-3", "j-4", "j-6"]
    assert release.left_out == [
        "Left out: 1 judgment of practice items.",
        "In the release, but not counted: 1 judgment changed later by the same person.",
        "In the release, but not counted: 1 judgment of control items.",
        "In the release, but not counted: 1 judgment by organisers, who decide on disagreements.",
    ]


def test_labels_have_the_majority_and_the_decision(study: Study, rows: list[Judgment]) -> None:
    labels = table(make_release(rows, study, "user/name").files, "labels")
    [presence] = [row for row in labels if row["question"] == "presence"]
    assert (presence["n"], presence["majority"], presence["tie"], presence["adjudicated"]) == (2, None, True, True)
    assert presence["label"] == rows[-1].presence


def test_a_model_without_labels_is_said(study: Study, rows: list[Judgment], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dawid_skene, "MAX_ITERATIONS", 2)
    monkeypatch.setattr(dawid_skene, "TOLERANCE", -1.0)
    release = make_release(rows, study, "user/name")
    assert release.left_out[-1] == (
        "Left out: the labels of Dawid and Skene's model. Dawid and Skene's model did not converge within 2 iterations."
    )
    assert "dawid_skene" not in table(release.files, "labels")[0]


def test_without_the_study_items_have_their_ids_only(rows: list[Judgment]) -> None:
    items = table(make_release(rows, None, "user/name").files, "items")
    assert [{name: row[name] for name in ITEM_COLUMNS} for row in items] == [asdict(rows[0].item), asdict(rows[3].item)]
    assert {row["mappings"] for row in items} == {None}
    assert list(items[0]) == ITEMS_SCHEMA.names


def judge_row(item: StudyItem, **changes: object) -> dict[str, object]:
    answers = {"presence": "present_missed", "precision": None, "category": "semantic", "comment": ""}
    source = {"reply_model": "other-2", "prompt_hash": "p", "created_at": "2026-12-01T00:00:00+00:00", "seed": 0}
    return {"judge": "a/b_c", **asdict(item), **answers, **source, **changes}


def test_answers_of_language_models_are_a_config_of_their_own(study: Study, rows: list[Judgment]) -> None:
    first, second = study.order[:2]
    answers = [
        judge_row(first, presence="absent_none", category=None),
        judge_row(first),
        {"judge": "a/b_c", **asdict(second), "failure": "no JSON"},
    ]
    release = make_release(rows, study, "user/name", judge_rows=answers)
    [row] = table(release.files, "judges")
    assert (row["judge"], row["presence"], row["comment"], row["layer"]) == (
        "a/b_c",
        "present_missed",
        None,
        first.layer,
    )
    assert "- config_name: judges\n" in release.card
    assert "language models to the same items: a/b\\_c." in release.card
    without = make_release(rows, study, "user/name")
    assert "data/judges.parquet" not in without.files
    assert "config_name: judges" not in without.card
    for name in ("judgments", "labels", "items"):
        assert release.files[f"data/{name}.parquet"] == without.files[f"data/{name}.parquet"]


@pytest.mark.process
def test_the_three_configs_load_and_the_cards_example_runs(tmp_path: Path, study: Study, rows: list[Judgment]) -> None:
    release = make_release(rows, study, str(tmp_path / "release"))
    for name, content in release.files.items():
        path = tmp_path / "release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path / "datasets")}
    command = [sys.executable, "-c", LOAD_SCRIPT, str(tmp_path / "release")]
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == {"items": len(study.order), "judgments": 5, "labels": 3}
    assert (found["judged"], found["mappings"]) == (4, 5)
    example = release.card.partition("```python\n")[2].partition("```")[0]
    command = [sys.executable, "-c", f"{example}\nprint(len(judged))"]
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
    command = [sys.executable, "-m", "annotation", "agreement", str(tmp_path / "release/data/judgments.parquet")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "2 annotators, 1 item, 2 judgments" in done.stdout
