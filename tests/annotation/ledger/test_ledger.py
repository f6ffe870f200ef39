"""The ledger on a Hub: everything is there once, whatever fails, and comes back to an empty disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotation.errors import JournalError, LedgerError
from annotation.journal.journal import Journal
from annotation.journal.study_changes import deadline_of, is_paused, load_changes
from annotation.ledger import HubLedger
from maps.errors import HubError
from maps.hub.repository import HubDataset
from tests.annotation.invented_study import freeze_invented_study
from tests.annotation.ledger_app import (
    LEDGER_NAME,
    START_TIME,
    LedgerApp,
    MakeJudgment,
    ManualClock,
    ledger_rows,
    published_ids,
)
from tests.hub.loopback import TOKEN, LoopbackHub

STUDY = b'{"a": "study"}\n'


def test_rows_are_published_as_files_by_day(app: LedgerApp, hub: LoopbackHub) -> None:
    app.record_answer("j-1", comment="é\u2028")
    app.record_answer("j-2", supersedes=None)
    commit = app.ledger.publish()
    files = sorted(hub.files(LEDGER_NAME))
    assert [path.split("-")[0] for path in files] == [
        "README.md",
        "consents/2026/11/24/20261124T120000Z",
        "judgments/2026/11/24/20261124T120000Z",
    ]
    assert hub.repositories["dataset", LEDGER_NAME].private
    assert app.journal.publication_commits(["j-1", "j-2"]) == {"j-1": commit, "j-2": commit}
    first = ledger_rows(hub)[0]
    assert list(first) == sorted(first)
    assert (first["judgment_id"], first["stored_at"], first["comment"]) == (
        "j-1",
        "2026-11-24T12:00:00.000000Z",
        "é\u2028",
    )
    assert ledger_rows(hub, "consents") == [
        {"annotator": "a-1", "consented_at": "2026-11-24T12:00:00.000000Z", "guidelines_version": "1"}
    ]
    assert b"Name of" not in b"".join(hub.files(LEDGER_NAME).values())


def test_only_what_is_new_is_added_and_nothing_without_news(app: LedgerApp, hub: LoopbackHub) -> None:
    app.record_answer("j-1")
    app.ledger.publish()
    before = hub.files(LEDGER_NAME)
    assert app.ledger.publish() is None
    app.clock.advance(minutes=5)
    app.record_answer("j-2")
    app.ledger.publish()
    after = hub.files(LEDGER_NAME)
    assert {path: after[path] for path in before} == before
    assert [path.split("/")[0] for path in after.keys() - before.keys()] == ["judgments"]
    assert [commit.title for commit in hub.commits(LEDGER_NAME)] == ["Add 2 rows", "Add 1 row"]


def test_a_wiped_disk_gets_all_published_rows_back(app: LedgerApp, hub: LoopbackHub) -> None:
    app.record_answer("j-1")
    app.record_answer("j-2", supersedes="j-1", layer=app.journal.all_judgments()[0].layer, precision="poor")
    (app.data / "studies").mkdir()
    (app.data / "studies" / "first.json").write_bytes(STUDY)
    app.ledger.publish()
    app.record_answer("j-3")
    before = app.journal.all_judgments()
    app.restart(wipe_disk=True)
    assert app.ledger.closed_reason() is not None
    assert app.ledger.restore() == 3
    assert app.ledger.closed_reason() is None
    assert app.journal.all_judgments() == before[:2]
    assert len(app.journal.annotators()) == 1
    assert (app.data / "studies" / "first.json").read_bytes() == STUDY
    assert app.ledger.restore() == 0
    assert app.ledger.publish() is None
    assert published_ids(hub) == ["j-1", "j-2"]


def test_a_study_that_is_over_is_over_after_a_wiped_disk(app: LedgerApp, hub: LoopbackHub) -> None:
    app.journal.close_study(freeze_invented_study(), "a-organiser")
    app.journal.record_consent("a-organiser", "1")
    app.journal.withdraw("a-organiser")  # as an annotator; what an organiser decided about a study stays
    ending = app.journal.endings()["pilot"]
    app.ledger.publish()
    app.ledger.forget_withdrawn()
    [line] = ledger_rows(hub, "endings")
    assert (line["study"], line["reason"], line["ended_by"]) == ("pilot", "closed", "a-organiser")
    app.restart(wipe_disk=True)
    app.ledger.restore()
    assert app.journal.endings() == {"pilot": ending}
    assert app.ledger.publish() is None


def test_a_pause_and_a_later_deadline_are_kept_after_a_wiped_disk(app: LedgerApp, hub: LoopbackHub) -> None:
    deadline = datetime.now(UTC) + timedelta(days=1)
    study = freeze_invented_study(deadline=deadline)
    app.journal.change_study(study, "extended", "a-organiser", deadline + timedelta(days=7))
    app.journal.change_study(study, "paused", "a-organiser")
    changes = load_changes(app.journal, study.name)
    app.ledger.publish()
    assert [line["action"] for line in ledger_rows(hub, "changes")] == ["extended", "paused"]
    app.restart(wipe_disk=True)
    app.ledger.restore()
    assert load_changes(app.journal, study.name) == changes
    assert deadline_of(app.journal, study) == deadline + timedelta(days=7)
    assert is_paused(app.journal, study.name)
    assert app.ledger.publish() is None


def test_answers_that_an_organiser_opened_are_open_after_a_wiped_disk(app: LedgerApp, hub: LoopbackHub) -> None:
    app.journal.open_answers("pilot", "a-organiser")
    opened = app.journal.answers_opened_at("pilot")
    assert app.ledger.status().unpublished_count == 1
    app.ledger.publish()
    assert [line["study"] for line in ledger_rows(hub, "openings")] == ["pilot"]
    app.restart(wipe_disk=True)
    assert app.ledger.restore() == 1
    assert app.journal.answers_opened_at("pilot") == opened
    assert app.ledger.unpublished_sentences() == ()


def test_a_clock_that_jumped_back_loses_no_chain(app: LedgerApp) -> None:
    app.record_answer("j-1")
    app.clock.advance(days=-400)
    app.record_answer("j-2", supersedes="j-1", layer=app.journal.all_judgments()[0].layer, precision="poor")
    app.ledger.publish()
    app.restart(wipe_disk=True)
    app.ledger.restore()
    assert sorted(app.judgment_ids()) == ["j-1", "j-2"]
    assert [row.judgment_id for row in app.journal.current_judgments("default")] == ["j-2"]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_hub_that_refuses_loses_nothing(app: LedgerApp, hub: LoopbackHub, status: int) -> None:
    app.ledger.restore()
    app.record_answer("j-1")
    hub.fail_next("POST .*/commit/", status, times=2)
    with pytest.raises(HubError):
        app.ledger.publish()
    told = app.ledger.status()
    assert (told.unpublished_count, told.oldest_unpublished_at, told.failed_at, told.commit) == (
        2,
        START_TIME,
        START_TIME,
        None,
    )
    assert told.error is not None
    hub.ordered_failures.clear()
    app.record_answer("j-2")
    app.ledger.publish()
    app.ledger.publish()
    assert published_ids(hub) == ["j-1", "j-2"]
    assert (app.ledger.status().unpublished_count, app.ledger.status().error) == (0, None)


def test_a_commit_whose_answer_was_lost_is_not_doubled_by_later_rows(app: LedgerApp, hub: LoopbackHub) -> None:
    app.retry_waits = ()
    app.restart()
    app.ledger.restore()
    app.record_answer("j-1")
    hub.lose_next_reply("POST .*/commit/")
    with pytest.raises(HubError):
        app.ledger.publish()
    assert published_ids(hub) == ["j-1"]
    assert app.journal.publication_commits(["j-1"]) == {}
    app.record_answer("j-2")
    app.ledger.publish()
    app.ledger.publish()
    assert published_ids(hub) == ["j-1", "j-2"]
    assert sorted(app.journal.publication_commits(["j-1", "j-2"])) == ["j-1", "j-2"]


def test_what_was_fixed_before_a_crash_is_sent_as_it_was(app: LedgerApp, hub: LoopbackHub) -> None:
    app.ledger.restore()
    app.record_answer("j-1")
    hub.fail_next("POST .*/commit/", 503, times=2)
    with pytest.raises(HubError):
        app.ledger.publish()
    app.restart()
    app.record_answer("j-2")
    app.ledger.publish()
    assert published_ids(hub) == ["j-1"]
    app.ledger.publish()
    assert published_ids(hub) == ["j-1", "j-2"]
    assert [path.name for path in app.data.glob("*pending*")] == []


def test_a_crash_behind_a_commit_adds_nothing_twice(app: LedgerApp, hub: LoopbackHub) -> None:
    app.retry_waits = ()
    app.restart()
    app.ledger.restore()
    app.record_answer("j-1")
    hub.lose_next_reply("POST .*/commit/")
    with pytest.raises(HubError):
        app.ledger.publish()
    app.restart()
    app.record_answer("j-2")
    app.ledger.publish()
    assert published_ids(hub) == ["j-1", "j-2"]


def test_without_a_hub_work_goes_on_with_a_journal_and_not_without(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        dataset = HubDataset(LEDGER_NAME, TOKEN, "http://127.0.0.1:9", (0.0,))
        ledger = HubLedger(dataset, journal, tmp_path, ManualClock())
        with pytest.raises(HubError):
            ledger.restore()
        why = "The Hub cannot be reached for tester/ledger; check the network."
        closed = f"Judging is closed until the stored answers have been read from {LEDGER_NAME}. {why}"
        assert ledger.closed_reason() == closed
        assert ledger.status().problems() == [closed, f"The last try failed (2026-11-24 12:00:00 UTC): {why}"]
        assert ledger.status().state_sentences() == [
            "The ledger tester/ledger has not been read since the app started."
        ]
        journal.record_consent("a-1", "1")
        assert ledger.closed_reason() is None


def test_a_token_that_was_revoked_is_told_and_never_shown(app: LedgerApp, hub: LoopbackHub) -> None:
    app.record_answer("j-1")
    app.ledger.restore()
    hub.token = "hf_new"
    with pytest.raises(HubError):
        app.ledger.publish()
    told = app.ledger.status()
    assert told.error == "The Hub does not accept the token for tester/ledger: set HF_TOKEN to one that may write it."
    shown = [
        repr(told),
        *told.problems(),
        *told.state_sentences(),
        *(path.read_text("latin-1") for path in app.data.iterdir() if path.is_file()),
    ]
    assert [text for text in shown if TOKEN in text or "hf_new" in text] == []


def test_a_full_disk_is_told_and_publishing_goes_on(app: LedgerApp, hub: LoopbackHub) -> None:
    app.ledger.restore()
    app.record_answer("j-1")
    (app.data / "ledger.pending.json").mkdir()  # whoever runs the tests may write everywhere: a folder is in the way
    app.record_answer("j-2")
    with pytest.raises(LedgerError, match=r"ledger\.pending\.json cannot be written or read: Is a directory\.$"):
        app.ledger.publish()
    [note] = app.ledger.status().notes
    assert note.endswith("ledger.pending.json cannot be written (Is a directory); publishing goes on without it.")
    assert published_ids(hub) == ["j-1", "j-2"]
    (app.data / "ledger.pending.json").rmdir()
    app.record_answer("j-3")
    app.ledger.publish()
    app.ledger.publish()
    assert published_ids(hub) == ["j-1", "j-2", "j-3"]
    assert app.ledger.status().notes == ()


def test_a_journal_that_cannot_note_what_is_published_publishes_it_once(app: LedgerApp, hub: LoopbackHub) -> None:
    app.ledger.restore()
    names = [f"j-{'x' * 60}-{number:02}" for number in range(40)]
    for name in names:
        app.record_answer(name)
    app.journal.select("PRAGMA max_page_count = 1")  # as a full disk: the file cannot grow
    with pytest.raises(JournalError, match="the disk is full"):
        app.ledger.publish()
    assert published_ids(hub) == names
    assert app.ledger.status().unpublished_count == 41
    app.journal.select("PRAGMA max_page_count = 100000")
    app.ledger.publish()
    assert published_ids(hub) == names
    assert sorted(app.journal.publication_commits(names)) == names
    assert len(hub.commits(LEDGER_NAME)) == 1


def test_a_public_dataset_is_refused(hub: LoopbackHub, app: LedgerApp) -> None:
    hub.add_dataset(LEDGER_NAME, {})
    app.record_answer("j-1")
    with pytest.raises(LedgerError, match=r"^The dataset tester/ledger is public; make it private on its page"):
        app.ledger.publish()
    assert hub.files(LEDGER_NAME) == {}


@pytest.mark.parametrize(
    "damage", [b"{", b'{"judgment_id": "j-1"}', b"[]", b"\xff", b'{"annotator": "a", "withdrawn_at": 3}']
)
def test_a_damaged_line_is_named(hub: LoopbackHub, app: LedgerApp, damage: bytes) -> None:
    hub.add_dataset(LEDGER_NAME, {"withdrawals/2026/11/24/x.jsonl": b"\n" + damage}, private=True)
    with pytest.raises(LedgerError, match=r"^Line 2 of withdrawals/2026/11/24/x\.jsonl in the ledger is damaged"):
        app.ledger.restore()
    assert app.ledger.closed_reason() is not None


def test_names_that_lead_elsewhere_are_not_followed(hub: LoopbackHub, app: LedgerApp) -> None:
    files = {"studies/../../evil.json": STUDY, "studies/.hidden.json": STUDY, "studies/a/b.json": STUDY}
    hub.add_dataset(LEDGER_NAME, files, private=True)
    app.ledger.restore()
    assert not (app.data / "studies").exists()


def test_a_study_that_differs_is_told_and_both_stay(hub: LoopbackHub, app: LedgerApp) -> None:
    hub.add_dataset(LEDGER_NAME, {"studies/first.json": b"{}"}, private=True)
    (app.data / "studies").mkdir()
    (app.data / "studies" / "first.json").write_bytes(STUDY)
    app.ledger.publish()
    told = (
        "The study first here differs from the one in the ledger and cannot be published; create it under another name."
    )
    assert app.ledger.status().notes == (told,)
    assert hub.files(LEDGER_NAME)["studies/first.json"] == b"{}"
    assert (app.data / "studies" / "first.json").read_bytes() == STUDY


def test_a_ledger_that_was_emptied_is_filled_again(hub: LoopbackHub, app: LedgerApp) -> None:
    app.record_answer("j-1")
    app.record_answer("j-2", annotator="a-2")
    app.record_answer("j-3", annotator="a-gone")
    app.journal.withdraw("a-gone")
    app.ledger.publish()
    del hub.repositories["dataset", LEDGER_NAME]
    app.restart()
    app.ledger.publish()
    assert published_ids(hub) == ["j-1", "j-2"]
    assert [line["annotator"] for line in ledger_rows(hub, "consents")] == ["a-1", "a-2"]
    assert [line["annotator"] for line in ledger_rows(hub, "withdrawals")] == ["a-gone"]


def test_two_apps_publish_at_once(hub: LoopbackHub, app: LedgerApp, tmp_path: Path, judge: MakeJudgment) -> None:
    other = LedgerApp(hub, tmp_path / "other", judge)
    for each, name in ((app, "j-1"), (other, "k-1")):
        each.ledger.restore()
        each.record_answer(name, annotator=f"a-{name}")
    hub.fail_next("POST .*/commit/", 412)  # as the Hub answers who comes second
    app.ledger.publish()
    other.ledger.publish()
    assert published_ids(hub) == ["j-1", "k-1"]
    assert len(ledger_rows(hub, "consents")) == 2
    other.restart(wipe_disk=True)
    other.ledger.restore()
    assert sorted(other.judgment_ids()) == ["j-1", "k-1"]
    other.journal.close()


def test_answers_of_one_person_in_two_apps_do_not_close_the_third(
    hub: LoopbackHub, app: LedgerApp, tmp_path: Path, judge: MakeJudgment
) -> None:
    other = LedgerApp(hub, tmp_path / "other", judge)
    other.ledger.restore()
    app.record_answer("j-1", layer=3)
    app.ledger.publish()
    other.clock.advance(minutes=1)
    other.record_answer("k-1", layer=3, precision="poor")
    other.ledger.publish()
    other.journal.close()
    app.restart(wipe_disk=True)
    app.ledger.restore()
    assert app.judgment_ids() == ["j-1"]
    assert app.ledger.status().notes == ("Left out, because they contradict earlier ones: 1 judgment in the ledger.",)
    assert published_ids(hub) == ["j-1", "k-1"]


LOAD = """
import json, sys
from datasets import load_dataset
loaded = {name: load_dataset(sys.argv[1], name, split="train") for name in sys.argv[2:]}
print(json.dumps({name: [found.num_rows, str(found.features["withdrawn_at" if name == "withdrawals" else "annotator"]),
    found.to_list()[0]] for name, found in loaded.items()}, default=str))
"""


@pytest.mark.slow
def test_datasets_loads_every_table(app: LedgerApp, hub: LoopbackHub, tmp_path: Path) -> None:
    app.record_answer("j-1", precision=None, category=None, presence="absent_none")
    app.ledger.publish()
    app.clock.advance(days=1)
    app.record_answer("j-2", annotator="a-2")
    app.record_answer("j-3", annotator="a-3")
    app.journal.withdraw("a-3")
    app.ledger.publish()
    for path, content in hub.files(LEDGER_NAME).items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", LOAD, str(tmp_path / "copy"), "judgments", "consents", "withdrawals"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert [found[name][0] for name in ("judgments", "withdrawals")] == [2, 1]
    assert "timestamp[us, tz=UTC]" in found["withdrawals"][1]
    first = found["judgments"][2]
    assert (first["judgment_id"], first["precision"], first["stored_at"]) == ("j-1", None, "2026-11-24 12:00:00+00:00")
