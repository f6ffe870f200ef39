"""The commands, as people run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.__main__ import main
from annotation.form import Answers, build_judgment
from annotation.journal.journal import Journal
from annotation.study.store import load_studies
from annotation.types import Judgment
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import SCHEMAS, make_table
from tests.annotation.ledger_app import LEDGER_NAME, LedgerApp, MakeJudgment, published_ids
from tests.hub.loopback import TOKEN, LoopbackHub

Judge = Callable[..., Judgment]
ROOT = Path(__file__).parents[3]
ATLAS = ROOT / "space" / "seed" / "smollm2"
UNMARKED = "Stale judgments are not marked; to mark them, give the judged atlas with --atlas.\n"


def run(*arguments: object, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MAPS_DATA"}
    if data is not None:
        environment["MAPS_DATA"] = str(data)
    command = [sys.executable, "-m", "annotation", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def called(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in this process, which saves the imports."""
    with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
        try:
            status = main([*map(str, arguments)])
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess([*map(str, arguments)], status, output.getvalue(), errors.getvalue())


@pytest.fixture
def data(tmp_path: Path, judge: Judge) -> Path:
    with Journal(tmp_path / "data" / "journal.sqlite") as journal:
        for person in ("a-1", "a-2"):
            journal.record_consent(person, "1")
            for layer in range(5):
                journal.record_judgment(judge(f"{person}-{layer}", annotator=person, layer=layer))
    return tmp_path / "data"


@pytest.mark.process
def test_an_export_feeds_the_agreement_command(tmp_path: Path, data: Path) -> None:
    done = run("export", "--out", tmp_path / "out", data=data)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*")) == [
        *("README.md", "data/judgments.parquet", "judgments.csv", "judgments.parquet")
    ]
    texts = (file.read_bytes() for file in (tmp_path / "out").rglob("*.*"))
    assert not any(b"Ada" in text for text in texts)
    from_csv, from_parquet = (
        run("agreement", tmp_path / "out" / f"judgments.{k}", "--json") for k in ("csv", "parquet")
    )
    assert from_csv.stdout == from_parquet.stdout
    found = json.loads(from_csv.stdout)
    assert (found["items"], found["annotators"], found["judgments"]) == (5, 2, 10)
    assert found["questions"]["presence"]["percent"] == {
        **{"value": 1.0, "low": 1.0, "high": 1.0, "n": 5, "draws": 1000, "reason": None}
    }
    sentences = run("agreement", tmp_path / "out" / "judgments.csv").stdout
    assert (
        "Annotators agreed on question one (presence) in 100 % (100 to 100 %) of pairs, averaged over 5 items."
        in sentences
    )


@pytest.mark.process
def test_agreement_takes_layers_and_evidence_from_an_atlas(tmp_path: Path, data: Path) -> None:
    run("export", "--format", "csv", "--out", tmp_path, data=data)
    file = tmp_path / "judgments.csv"
    plain, named, with_atlas = (
        json.loads(run("agreement", file, "--json", *more).stdout)
        for more in ((), ("--layers", "smollm2=8"), ("--layers", "smollm2=8", "--atlas", ATLAS))
    )
    assert plain["by_quarter"] == {
        "groups": [],
        "reason": "Not in the results by layer quarter: smollm2 (number of layers unknown).",
    }
    assert [(group["quarter"], group["items"]) for group in named["by_quarter"]["groups"]] == [(0, 2), (1, 2), (2, 1)]
    assert (plain["evidence"], named["evidence"]) == (None, None)
    assert [each["measure"] for each in with_atlas["evidence"]] == ["detection", "generation", "support"]
    assert plain["paper"]["rates"]["correct"] == {"value": 217 / 272, "count": 217, "n": 272}
    assert list(named["by_model"]["groups"][0]["questions"]["precision"]) == list(named["questions"]["precision"])


@pytest.mark.process
def test_labels_are_written_as_csv_and_parquet(tmp_path: Path, data: Path) -> None:
    run("export", "--format", "parquet", "--out", tmp_path, data=data)
    file = tmp_path / "judgments.parquet"
    done = run("labels", file, "--out", tmp_path / "labels.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Labels of 5 items on question one (presence): 0 absent_none, 0 absent_described, 0 present_missed, 5 "
        "present_described, 0 tied.",
        "Labels of 5 items on question two (precision): 5 accurate, 0 inaccurate, 0 partial, 0 poor, 0 tied.",
        "Labels of 5 items on question three (category): 5 semantic, 0 language, 0 general, 0 unnatural, 0 tied.",
        "Dawid and Skene's model gives another label than majority and organiser in 0 of 15 cases with both labels.",
        f"{tmp_path / 'labels.csv'}: 15 labels",
    ]
    assert run("labels", file, "--out", tmp_path / "labels.parquet", "--majority-only").returncode == 0
    table = pq.read_table(tmp_path / "labels.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        **dict.fromkeys(
            ("study", "model", "mapping_hash", "description_id", "question", "majority", "label"), "string"
        ),
        **dict.fromkeys(("layer", "head", "n"), "int32"),
        **dict.fromkeys(("tie", "adjudicated"), "bool"),
    }
    text = pd.read_csv(tmp_path / "labels.csv")
    assert text["dawid_skene"].tolist() == text["majority"].tolist() == table["majority"].to_pylist()
    assert text["dawid_skene_probability"].round(6).tolist() == [1.0] * 15


@pytest.mark.process
def test_one_format_and_one_study_can_be_asked_for(tmp_path: Path, data: Path) -> None:
    done = run("export", "--data", data, "--format", "csv", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, f"{UNMARKED}{tmp_path / 'out' / 'judgments.csv'}: 10 judgments\n")
    done = run("export", "--data", data, "--study", "pilot", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (
        2,
        "The study 'pilot' has no judgments. Studies with judgments: default.\n",
    )


@pytest.mark.process
def test_bad_input_gets_one_sentence_and_status_two(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("item,annotator,presence,precision,category\n1,a,maybe,,\n")
    (tmp_path / "good.csv").write_text("item,annotator,presence,precision,category\n1,a,absent_none,,\n")
    sentences = {
        ("agreement", tmp_path / "none.csv"): f"{tmp_path}/none.csv cannot be read: No such file or directory.\n",
        ("agreement", tmp_path / "bad.csv"): (
            "Row 2 has 'maybe' as presence; it must be one of absent_none, absent_described, present_missed, "
            "present_described.\n"
        ),
        ("labels", tmp_path / "bad.csv", "--out", "labels.txt"): "labels.txt is neither a .csv nor a .parquet file.\n",
        ("agreement", tmp_path / "good.csv", "--atlas", tmp_path): (
            f"{tmp_path} is not an atlas; `python -m maps map MODEL --out {tmp_path}` makes one.\n"
        ),
        ("agreement", tmp_path / "bad.csv", "--seed", "-1"): "The seed is -1; it must be 0 or more.\n",
        ("export", "--data", tmp_path, "--out", tmp_path): (
            f"There is no journal at {tmp_path}/journal.sqlite yet. The first answer creates it; if it is elsewhere, "
            "give its folder with --data.\n"
        ),
    }
    for arguments, sentence in sentences.items():
        done = run(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_every_pair_is_written_to_a_file_where_the_report_summarises(tmp_path: Path) -> None:
    codes = ("absent_none", "absent_described", "present_missed")
    rows = [
        {"item": item, "annotator": f"=a{n:02}", "presence": codes[item * n % 3], "precision": None, "category": None}
        for item in range(5)
        for n in range(21)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    done = called("agreement", tmp_path / "t.csv", "--pairs", tmp_path / "pairs.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) < 1000
    assert "--pairs" not in done.stdout
    assert "name a file to write with --pairs" in called("agreement", tmp_path / "t.csv").stdout
    table = pd.read_csv(tmp_path / "pairs.csv")
    assert table.columns.tolist() == ["question", "first", "second", "n", "value", "low", "high", "draws", "reason"]
    assert (len(table), table["first"][0], table["n"].unique().tolist()) == (210, "'=a00", [5])
    found = json.loads(called("agreement", tmp_path / "t.csv", "--json").stdout)["questions"]["presence"]["cohen_kappa"]
    assert (found["pairs"], found["median"]) == (210, pytest.approx(table["value"].median()))
    assert called("agreement", tmp_path / "t.csv", "--pairs", tmp_path / "pairs.parquet", "--json").returncode == 0
    assert pq.read_table(tmp_path / "pairs.parquet")["draws"].type == pa.int32()
    done = called("agreement", tmp_path / "t.csv", "--pairs", "pairs.txt")
    assert (done.returncode, done.stderr) == (2, "pairs.txt is neither a .csv nor a .parquet file.\n")


def test_agreement_and_labels_read_a_table_as_a_spreadsheet_saves_it(tmp_path: Path) -> None:
    plain = "item,annotator,presence,precision,category\n1,a,absent_none,,\n1,b,absent_none,,\n"
    saved = (
        "sep=;\nItem;Annotator;Presence;Precision;Category\n1.0;a;absent_none;NA;NA\n;;;;\n1;b;absent_none;;\n;;;;\n"
    )
    (tmp_path / "plain.csv").write_text(plain)
    (tmp_path / "saved.csv").write_text(saved)
    one, other = (called("agreement", tmp_path / f"{name}.csv", "--json") for name in ("plain", "saved"))
    assert (one.returncode, one.stdout) == (0, other.stdout)
    labels = ("labels", tmp_path / "saved.csv", "--majority-only", "--out", tmp_path / "labels.csv")
    assert called(*labels).returncode == 0
    assert pd.read_csv(tmp_path / "labels.csv")["item"].tolist() == [1]
    (tmp_path / "saved.csv").write_text(saved.replace("1;b;absent_none", "1;b;maybe"))
    for command in (("agreement", tmp_path / "saved.csv"), labels):
        assert called(*command).stderr.startswith("Row 4 has 'maybe' as presence; it must be one of absent_none, ")


def created(data: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return called("study", "create", "--atlas", ATLAS, "--data", data, *arguments)


@pytest.mark.process
def test_a_study_is_created_listed_and_shown(tmp_path: Path) -> None:
    few = ("--heads", 20, "--overlap", 4, "--per-item", 2, "--controls", 0.25, "--sample", "stratified")
    done = created(
        tmp_path, *few, "--name", "pilot", "--per-annotator", 12, "--deadline", "2999-01-31", "--no-practice"
    )
    line = (
        "20 heads of SmolLM2-135M-Instruct described by offline, 4 of them for every annotator, 3 swapped and 2 "
        "shuffled controls, 2 judgments for each item\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'studies' / 'pilot.json'}: {line}"
    assert created(tmp_path, *few).stdout == f"{tmp_path / 'studies' / 'study-1.json'}: {line}"
    listed = called("study", "list", "--data", tmp_path).stdout.splitlines()
    assert [text.partition(" (")[0] for text in listed] == ["study-1", "pilot"]
    pilot = load_studies(tmp_path / "studies")["pilot"]
    controlled, overlapping = (next(i for i in pilot.order if i.item_kind == kind) for kind in ("swapped", "overlap"))
    with Journal(tmp_path / "journal.sqlite") as journal:
        for person in ("a-1", "a-2", "a-3"):
            journal.record_consent(person, "1")
        for person, item in (("a-1", controlled), ("a-2", controlled), ("a-1", overlapping)):
            answer = Answers("absent_none", None, None, "")
            times = dict.fromkeys(("started_at", "submitted_at"), pilot.settings.created_at)
            more = {"judgment_id": f"{person}{item.layer}{item.head}", "supersedes": None, "app_version": "0"}
            journal.record_judgment(build_judgment(item, answer, annotator=person, **times, **more), pilot)  # type: ignore[arg-type]
        journal.reserve_next_item(pilot, "a-3")
    shown = called("study", "show", "pilot", "--data", tmp_path, "--atlas", ATLAS).stdout.splitlines()
    assert "deadline: 2999-01-31 23:59:59.999999+00:00" in shown
    assert "practice: False" in shown
    assert shown[-6:] == [
        "judgments wanted: 42, and 4 by each annotator (the overlap)",
        "judgments given: 2, and 1 in the overlap",
        "judgments reserved now: 1",
        "items with all judgments: 1 of 21",
        "annotators: 2",
        "stale items: 0",
    ]


@pytest.mark.process
def test_show_names_the_items_that_an_atlas_has_made_stale(tmp_path: Path) -> None:
    created(tmp_path, "--name", "pilot", "--heads", 270, "--overlap", 0, "--swapped", 0)
    atlas = shutil.copytree(ATLAS, tmp_path / "atlas")
    rows = pq.read_table(atlas / "descriptions.parquet").to_pylist()
    rows[5]["description_id"] = "another"
    pq.write_table(pa.Table.from_pylist(rows, SCHEMAS["descriptions"]), atlas / "descriptions.parquet")
    shown = called("study", "show", "pilot", "--data", tmp_path, "--atlas", atlas).stdout.splitlines()
    assert shown[-1] == f"stale items: 1 (L{rows[5]['layer']}H{rows[5]['head']})"
    assert "judgments given: 0, and 0 in the overlap" in shown
    assert "judgments wanted: 807, and 0 by each annotator (the overlap)" in shown  # 3 of each of the 269 others


@pytest.mark.slow
def test_an_export_marks_what_an_atlas_has_made_stale_and_leaves_it_out_of_the_figures(tmp_path: Path) -> None:
    created(tmp_path, "--name", "pilot", "--heads", 20, "--overlap", 0, "--swapped", 0)
    pilot = load_studies(tmp_path / "studies")["pilot"]
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.record_consent("a-1", "1")
        for number, item in enumerate(pilot.order[:3]):
            times = dict.fromkeys(("started_at", "submitted_at"), pilot.settings.created_at)
            more = {"judgment_id": f"j-{number}", "supersedes": None, "app_version": "0"}
            given = build_judgment(item, Answers("absent_none", None, None, ""), annotator="a-1", **times, **more)  # type: ignore[arg-type]
            journal.record_judgment(given, pilot)
    atlas = shutil.copytree(ATLAS, tmp_path / "atlas")
    rows = pq.read_table(atlas / "descriptions.parquet").to_pylist()
    changed = pilot.order[1].description_id
    rows = [row | {"description_id": "another"} if row["description_id"] == changed else row for row in rows]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMAS["descriptions"]), atlas / "descriptions.parquet")
    exported = ("export", "--data", tmp_path, "--study", "pilot", "--out", tmp_path / "out")
    done = called(*exported, "--atlas", atlas)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Stale since {atlas} changed: 1 judgment, marked and left out of the results.\n")
    assert pd.read_csv(tmp_path / "out" / "judgments.csv")["stale"].tolist() == [False, True, False]
    for kind in ("csv", "parquet"):
        found = json.loads(called("agreement", tmp_path / "out" / f"judgments.{kind}", "--json").stdout)
        assert (found["items"], found["judgments"], found["left_out"]["stale"]) == (2, 2, 1)
    assert "- Left out: 1 judgment of stale items" in (tmp_path / "out" / "README.md").read_text()
    assert called(*exported, "--atlas", ATLAS).stdout.startswith(f"Stale since {ATLAS} changed: 0 judgments")


def test_what_cannot_be_marked_is_said(tmp_path: Path, data: Path) -> None:
    created(tmp_path, "--name", "pilot", "--heads", 20)
    done = called("export", "--data", data, "--out", tmp_path / "out", "--atlas", ATLAS)
    assert done.stdout.startswith(f"Stale since {ATLAS} changed: 0 judgments")  # they are of another model
    (tmp_path / "studies" / "pilot.json").rename(tmp_path / "pilot.json")
    with Journal(data / "journal.sqlite") as journal:
        journal.record_judgment(replace(journal.all_judgments()[0], judgment_id="j", study="pilot"))
    done = called("export", "--data", data, "--study", "pilot", "--out", tmp_path / "out", "--atlas", ATLAS)
    assert (done.returncode, done.stderr.startswith("The file of the study pilot is missing")) == (2, True)
    (data / "studies").mkdir()
    (tmp_path / "pilot.json").rename(data / "studies" / "pilot.json")
    other = shutil.copytree(ATLAS, tmp_path / "other")
    info = json.loads((other / "atlas.json").read_text())
    (other / "atlas.json").write_text(json.dumps(info | {"model": "gpt2"}))
    done = called("export", "--data", data, "--study", "pilot", "--out", tmp_path / "out", "--atlas", other)
    sentence = (
        f"{other} is an atlas of gpt2, but the study pilot is of SmolLM2-135M-Instruct; name the atlas of that model.\n"
    )
    assert (done.returncode, done.stderr) == (2, sentence)


@pytest.mark.process
def test_a_withdrawal_leaves_the_export(tmp_path: Path, data: Path) -> None:
    done = run("withdraw", "a-1", data=data)
    assert (done.returncode, done.stdout) == (0, "a-1 has withdrawn. Left out from now on: 5 judgments.\n")
    done = run("export", "--data", data, "--format", "csv", "--out", tmp_path / "out")
    assert done.stdout == f"{UNMARKED}{tmp_path / 'out' / 'judgments.csv'}: 5 judgments\n"
    assert "a-1" not in (tmp_path / "out" / "judgments.csv").read_text().replace("a-1-", "")


def withdraw_with_ledger(hub: LoopbackHub, data: Path, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": token, "MAPS_JUDGMENTS": LEDGER_NAME}
    command = [sys.executable, "-m", "annotation", "withdraw", "a-1", "--data", str(data)]
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_a_withdrawal_reaches_the_ledger_or_the_command_says_what_to_do(
    hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment
) -> None:
    app = LedgerApp(hub, tmp_path / "data", judge)
    app.record_answer("j-1")
    app.record_answer("j-2", annotator="a-2")
    app.ledger.publish()
    recorded = "a-1 has withdrawn. Left out from now on: 1 judgment.\n"
    failed = withdraw_with_ledger(hub, app.data, "hf_wrong")
    assert (failed.returncode, failed.stdout) == (1, recorded)
    assert failed.stderr == (
        f"The withdrawal is not in the ledger {LEDGER_NAME} yet: The Hub does not accept the token for {LEDGER_NAME}: "
        f"set HF_TOKEN to one that may write it. Keep {app.data} and run this command again, or start the app, which "
        "sends withdrawals first; do not publish a release before that.\n"
    )
    hub.fail_next("POST .*/super-squash/", 403)
    published = f"{recorded}The withdrawal is in the ledger {LEDGER_NAME}.\n"
    halfway = withdraw_with_ledger(hub, app.data)
    assert (halfway.returncode, halfway.stdout) == (1, published)
    assert halfway.stderr.startswith(f"The ledger {LEDGER_NAME} still holds answers that were withdrawn: The Hub does")
    done = withdraw_with_ledger(hub, app.data)
    forgotten = f"The ledger {LEDGER_NAME} and its history no longer hold these answers.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, published + forgotten, "")
    assert published_ids(hub) == ["j-2"]
    commits = hub.repositories["dataset", LEDGER_NAME].commits
    assert not any(b"j-1" in content for commit in commits for content in commit.files.values())
    app.record_answer("j-3", annotator="a-2")
    app.ledger.publish()  # the app has been running all the time
    assert published_ids(hub) == ["j-2", "j-3"]
    app.journal.close()


@pytest.mark.process
def test_a_study_hides_descriptions_unless_they_are_to_be_shown(tmp_path: Path) -> None:
    for name, options, hides in (("hiding", (), True), ("showing", ("--show-descriptions",), False)):
        done = created(tmp_path, "--name", name, "--heads", 5, "--overlap", 0, *options)
        assert (done.returncode, done.stderr) == (0, "")
        shown = called("study", "show", name, "--data", tmp_path)
        assert f"hides descriptions: {hides}\n" in shown.stdout


@pytest.mark.slow  # four plans
def test_a_plan_says_what_a_study_needs_costs_and_shows_and_keeps_nothing(tmp_path: Path) -> None:
    many = ("--heads", 270, "--per-item", 5, "--overlap", 0, "--annotators", 5)
    done = called("study", "plan", "--atlas", ATLAS, *many, "--hourly-rate", 15, "--fee", 0.33)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        "because one person can judge at most 270 of 297 items: 27 of the controls are of heads that the study asks "
        "about, too, and nobody judges two items of one head.\n"
        "To do with 5: take 27 fewer heads, take no controls or ask for 4 judgments of each item.\n"
    ) in done.stdout
    assert "Pay: 370.32 in all at 15.00 an hour, with fees of 33 %." in done.stdout
    assert "The chance that the report tells them from controls: 100 % if 5 % of controls are accepted;" in done.stdout
    assert "Where precision was judged, the description is poor: 2 % (" in done.stdout
    fewer = called("study", "plan", "--atlas", ATLAS, *many[2:], "--heads", 243, "--seed", 1, "--json")
    plan = json.loads(fewer.stdout)
    assert plan["size"]["minimum_annotators"] == 5  # as was said
    assert plan["hours"] == (243 + 24) * 5 * 45 / 3600
    again = json.loads(
        called("study", "plan", "--atlas", ATLAS, *many[2:], "--heads", 243, "--seed", 1, "--json").stdout
    )
    assert again == plan
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_plan_can_take_its_answers_from_a_pilot(data: Path) -> None:
    exported = called("export", "--study", "default", "--data", data, "--out", data / "out")
    assert exported.returncode == 0, exported.stderr
    done = called("study", "plan", "--atlas", ATLAS, "--heads", 20, "--pilot", data / "out" / "judgments.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Assumed: answers as in the pilot {data / 'out' / 'judgments.csv'}, Krippendorff's alpha " in done.stdout
    failed = called("study", "plan", "--atlas", ATLAS, "--heads", 20, "--pilot", data / "none.csv")
    assert (failed.returncode, failed.stdout, "Traceback" in failed.stderr) == (2, "", False)


@pytest.mark.process
def test_a_study_that_cannot_be_gets_one_sentence(tmp_path: Path) -> None:
    created(tmp_path, "--name", "pilot", "--heads", 5, "--overlap", 0)
    sentences = {
        ("create", "--atlas", ATLAS, "--name", "pilot", "--heads", 5, "--overlap", 0): (
            "There is already a study 'pilot'; choose another name.\n"
        ),
        ("create", "--atlas", ATLAS, "--name", "Pilot"): (
            "'Pilot' is not a valid study name; use at most 40 lower-case letters, digits and hyphens.\n"
        ),
        ("create", "--atlas", ATLAS, "--describer", "gpt"): (
            f"'gpt' described no head of {ATLAS}; choose one of its describers: offline.\n"
        ),
        ("create", "--atlas", ATLAS, "--controls", 0.1, "--swapped", 3): (
            "Give either --controls, or --swapped and --shuffled, but not both.\n"
        ),
        ("show", "other"): f"There is no study 'other' in {tmp_path / 'studies'}. The studies are: pilot.\n",
    }
    for arguments, sentence in sentences.items():
        done = called("study", *arguments, "--data", tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)
    for arguments in (("--deadline", "soon"), ("--deadline", "2027-01-31T12:00"), ("--heads", "0"), ("--seed", "-1")):
        done = created(tmp_path, *arguments)
        assert (done.returncode, "Traceback" in done.stderr, done.stdout) == (2, False, "")


@pytest.mark.process
def test_an_escape_sequence_in_an_atlas_does_not_reach_the_terminal(tmp_path: Path) -> None:
    atlas = Atlas.open(shutil.copytree(ATLAS, tmp_path / "atlas"))
    rows = [{**row, "describer": "\x1b[31mred\x9b"} for row in atlas.table("descriptions").to_pylist()]
    write_table(atlas.folder, "descriptions", make_table("descriptions", rows))
    create = ("study", "create", "--atlas", atlas.folder, "--name", "pilot")
    failed = run(*create, "--describer", "gpt-4o", data=tmp_path)
    assert failed.returncode == 2
    assert r"\u001B[31mred\u009B" in failed.stderr
    created = run(*create, data=tmp_path)
    shown = [run("study", *action, data=tmp_path) for action in (("list",), ("show", "pilot"))]
    for done in (failed, created, *shown):
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x9b" not in done.stdout + done.stderr
    assert all(r"\u001B[31mred" in done.stdout for done in (created, *shown))


def test_help_shows_an_example_and_no_command_yet_to_come() -> None:
    actions = [("study", action) for action in ("create", "plan", "preregister", "datasheet", "list", "show")]
    for arguments in ((), ("study",), *actions, ("export",), ("agreement",), ("labels",), ("withdraw",), ("publish",)):
        done = called(*arguments, "--help")
        assert done.returncode == 0
        assert "example: python -m annotation" in done.stdout
