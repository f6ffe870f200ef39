"""The ledger on a Hub: everything is there once, whatever fails, and comes back to an empty disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from annotation.journal.journal import Journal, JournalError
from annotation.ledger import Ledger
from annotation.ledger.rows import LedgerError
from maps.errors import HubError
from maps.hub.repository import HubDataset
from tests.annotation.ledger_app import NAME, START, App, Clock, Judge, lines, published
from tests.hub.loopback import TOKEN, LoopbackHub

STUDY = b'{"a": "study"}\n'


def test_rows_are_published_as_files_by_day(app: App, hub: LoopbackHub) -> None:
    app.answer("j-1", comment="é\u2028")
    app.answer("j-2", supersedes=None)
    commit = app.ledger.publish()
    files = sorted(hub.files(NAME))
    assert [path.split("-")[0] for path in files] == [
        "README.md",
        "consents/2026/11/24/20261124T120000Z",
        "judgments/2026/11/24/20261124T120000Z",
    ]
    assert hub.repositories["dataset", NAME].private
    assert app.journal.published(["j-1", "j-2"]) == {"j-1": commit, "j-2": commit}
    first = lines(hub)[0]
    assert list(first) == sorted(first)
    assert (first["judgment_id"], first["stored_at"], first["comment"]) == (
        "j-1",
        "2026-11-24T12:00:00.000000Z",
        "é\u2028",
    )
    assert lines(hub, "consents") == [
        {"annotator": "a-1", "consented_at": "2026-11-24T12:00:00.000000Z", "guidelines_version": "1"}
    ]
    assert b"Name of" not in b"".join(hub.files(NAME).values())


def test_only_what_is_new_is_added_and_nothing_without_news(app: App, hub: LoopbackHub) -> None:
    app.answer("j-1")
    app.ledger.publish()
    before = hub.files(NAME)
    assert app.ledger.publish() is None
    app.clock.forward(minutes=5)
    app.answer("j-2")
    app.ledger.publish()
    after = hub.files(NAME)
    assert {path: after[path] for path in before} == before
    assert [path.split("/")[0] for path in after.keys() - before.keys()] == ["judgments"]
    assert [commit.title for commit in hub.commits(NAME)] == ["Add 2 rows", "Add 1 row"]


def test_a_wiped_disk_gets_all_published_rows_back(app: App, hub: LoopbackHub) -> None:
    app.answer("j-1")
    app.answer("j-2", supersedes="j-1", layer=app.journal.rows()[0].layer, precision="poor")
    (app.data / "studies").mkdir()
    (app.data / "studies" / "first.json").write_bytes(STUDY)
    app.ledger.publish()
    app.answer("j-3")
    before = app.journal.rows()
    app.restart(wiped=True)
    assert app.ledger.closed() is not None
    assert app.ledger.restore() == 3
    assert app.ledger.closed() is None
    assert app.journal.rows() == before[:2]
    assert [row.name for row in app.journal.annotators()] == [None]
    assert (app.data / "studies" / "first.json").read_bytes() == STUDY
    assert app.ledger.restore() == 0
    assert app.ledger.publish() is None
    assert published(hub) == ["j-1", "j-2"]


def test_answers_that_an_organiser_opened_are_open_after_a_wiped_disk(app: App, hub: LoopbackHub) -> None:
    app.journal.open_answers("pilot", "a-organiser")
    opened = app.journal.opened("pilot")
    assert app.ledger.status().unpublished == 1
    app.ledger.publish()
    assert [line["study"] for line in lines(hub, "openings")] == ["pilot"]
    app.restart(wiped=True)
    assert app.ledger.restore() == 1
    assert app.journal.opened("pilot") == opened
    assert not app.ledger.is_waiting()


def test_a_clock_that_jumped_back_loses_no_chain(app: App) -> None:
    app.answer("j-1")
    app.clock.forward(days=-400)
    app.answer("j-2", supersedes="j-1", layer=app.journal.rows()[0].layer, precision="poor")
    app.ledger.publish()
    app.restart(wiped=True)
    app.ledger.restore()
    assert sorted(app.ids()) == ["j-1", "j-2"]
    assert [row.judgment_id for row in app.journal.current("default")] == ["j-2"]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_hub_that_refuses_loses_nothing(app: App, hub: LoopbackHub, status: int) -> None:
    app.ledger.restore()
    app.answer("j-1")
    hub.fail("POST .*/commit/", status, times=2)
    with pytest.raises(HubError):
        app.ledger.publish()
    told = app.ledger.status()
    assert (told.unpublished, told.since, told.failed_at, told.commit) == (2, START, START, None)
    assert told.error is not None
    hub.troubles.clear()
    app.answer("j-2")
    app.ledger.publish()
    app.ledger.publish()
    assert published(hub) == ["j-1", "j-2"]
    assert (app.ledger.status().unpublished, app.ledger.status().error) == (0, None)


def test_a_commit_whose_answer_was_lost_is_not_doubled_by_later_rows(app: App, hub: LoopbackHub) -> None:
    app.waits = ()
    app.restart()
    app.ledger.restore()
    app.answer("j-1")
    hub.lose("POST .*/commit/")
    with pytest.raises(HubError):
        app.ledger.publish()
    assert published(hub) == ["j-1"]
    assert app.journal.published(["j-1"]) == {}
    app.answer("j-2")
    app.ledger.publish()
    app.ledger.publish()
    assert published(hub) == ["j-1", "j-2"]
    assert sorted(app.journal.published(["j-1", "j-2"])) == ["j-1", "j-2"]


def test_what_was_fixed_before_a_crash_is_sent_as_it_was(app: App, hub: LoopbackHub) -> None:
    app.ledger.restore()
    app.answer("j-1")
    hub.fail("POST .*/commit/", 503, times=2)
    with pytest.raises(HubError):
        app.ledger.publish()
    app.restart()
    app.answer("j-2")
    app.ledger.publish()
    assert published(hub) == ["j-1"]
    app.ledger.publish()
    assert published(hub) == ["j-1", "j-2"]
    assert [path.name for path in app.data.glob("*pending*")] == []


def test_a_crash_behind_a_commit_adds_nothing_twice(app: App, hub: LoopbackHub) -> None:
    app.waits = ()
    app.restart()
    app.ledger.restore()
    app.answer("j-1")
    hub.lose("POST .*/commit/")
    with pytest.raises(HubError):
        app.ledger.publish()
    app.restart()
    app.answer("j-2")
    app.ledger.publish()
    assert published(hub) == ["j-1", "j-2"]


def test_without_a_hub_work_goes_on_with_a_journal_and_not_without(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        dataset = HubDataset(NAME, TOKEN, "http://127.0.0.1:9", (0.0,))
        ledger = Ledger(dataset, journal, tmp_path, Clock())
        with pytest.raises(HubError):
            ledger.restore()
        why = "The Hub cannot be reached for tester/ledger; check the network."
        closed = f"Judging is closed until the stored answers have been read from {NAME}. {why}"
        assert ledger.closed() == closed
        assert ledger.status().troubles() == [closed, f"The last try failed (2026-11-24 12:00:00 UTC): {why}"]
        assert ledger.status().sentences() == ["The ledger tester/ledger has not been read since the app started."]
        journal.consent("a-1", None, "1")
        assert ledger.closed() is None


def test_a_token_that_was_revoked_is_told_and_never_shown(app: App, hub: LoopbackHub) -> None:
    app.answer("j-1")
    app.ledger.restore()
    hub.token = "hf_new"
    with pytest.raises(HubError):
        app.ledger.publish()
    told = app.ledger.status()
    assert told.error == "The Hub does not accept the token for tester/ledger: set HF_TOKEN to one that may write it."
    shown = [
        repr(told),
        *told.troubles(),
        *told.sentences(),
        *(path.read_text("latin-1") for path in app.data.iterdir() if path.is_file()),
    ]
    assert [text for text in shown if TOKEN in text or "hf_new" in text] == []


def test_a_full_disk_is_told_and_publishing_goes_on(app: App, hub: LoopbackHub) -> None:
    app.ledger.restore()
    app.answer("j-1")
    (app.data / "ledger.pending.json").mkdir()  # whoever runs the tests may write everywhere: a folder is in the way
    app.answer("j-2")
    with pytest.raises(LedgerError, match=r"ledger\.pending\.json cannot be written or read: Is a directory\.$"):
        app.ledger.publish()
    [note] = app.ledger.status().notes
    assert note.endswith("ledger.pending.json cannot be written (Is a directory); publishing goes on without it.")
    assert published(hub) == ["j-1", "j-2"]
    (app.data / "ledger.pending.json").rmdir()
    app.answer("j-3")
    app.ledger.publish()
    app.ledger.publish()
    assert published(hub) == ["j-1", "j-2", "j-3"]
    assert app.ledger.status().notes == ()


def test_a_journal_that_cannot_note_what_is_published_publishes_it_once(app: App, hub: LoopbackHub) -> None:
    app.ledger.restore()
    names = [f"j-{'x' * 60}-{number:02}" for number in range(40)]
    for name in names:
        app.answer(name)
    app.journal.select("PRAGMA max_page_count = 1")  # as a full disk: the file cannot grow
    with pytest.raises(JournalError, match="the disk is full"):
        app.ledger.publish()
    assert published(hub) == names
    assert app.ledger.status().unpublished == 41
    app.journal.select("PRAGMA max_page_count = 100000")
    app.ledger.publish()
    assert published(hub) == names
    assert sorted(app.journal.published(names)) == names
    assert len(hub.commits(NAME)) == 1


def test_a_public_dataset_is_refused(hub: LoopbackHub, app: App) -> None:
    hub.add_dataset(NAME, {})
    app.answer("j-1")
    with pytest.raises(LedgerError, match=r"^The dataset tester/ledger is public; make it private on its page"):
        app.ledger.publish()
    assert hub.files(NAME) == {}


@pytest.mark.parametrize(
    "damage", [b"{", b'{"judgment_id": "j-1"}', b"[]", b"\xff", b'{"annotator": "a", "withdrawn_at": 3}']
)
def test_a_damaged_line_is_named(hub: LoopbackHub, app: App, damage: bytes) -> None:
    hub.add_dataset(NAME, {"withdrawals/2026/11/24/x.jsonl": b"\n" + damage}, private=True)
    with pytest.raises(LedgerError, match=r"^Line 2 of withdrawals/2026/11/24/x\.jsonl in the ledger is damaged"):
        app.ledger.restore()
    assert app.ledger.closed() is not None


def test_names_that_lead_elsewhere_are_not_followed(hub: LoopbackHub, app: App) -> None:
    files = {"studies/../../evil.json": STUDY, "studies/.hidden.json": STUDY, "studies/a/b.json": STUDY}
    hub.add_dataset(NAME, files, private=True)
    app.ledger.restore()
    assert not (app.data / "studies").exists()


def test_a_study_that_differs_is_told_and_both_stay(hub: LoopbackHub, app: App) -> None:
    hub.add_dataset(NAME, {"studies/first.json": b"{}"}, private=True)
    (app.data / "studies").mkdir()
    (app.data / "studies" / "first.json").write_bytes(STUDY)
    app.ledger.publish()
    told = (
        "The study first here differs from the one in the ledger and cannot be published; create it under another name."
    )
    assert app.ledger.status().notes == (told,)
    assert hub.files(NAME)["studies/first.json"] == b"{}"
    assert (app.data / "studies" / "first.json").read_bytes() == STUDY


def test_a_ledger_that_was_emptied_is_filled_again(hub: LoopbackHub, app: App) -> None:
    app.answer("j-1")
    app.answer("j-2", annotator="a-2")
    app.answer("j-3", annotator="a-gone")
    app.journal.withdraw("a-gone")
    app.ledger.publish()
    del hub.repositories["dataset", NAME]
    app.restart()
    app.ledger.publish()
    assert published(hub) == ["j-1", "j-2"]
    assert [line["annotator"] for line in lines(hub, "consents")] == ["a-1", "a-2"]
    assert [line["annotator"] for line in lines(hub, "withdrawals")] == ["a-gone"]


def test_two_apps_publish_at_once(hub: LoopbackHub, app: App, tmp_path: Path, judge: Judge) -> None:
    other = App(hub, tmp_path / "other", judge)
    for each, name in ((app, "j-1"), (other, "k-1")):
        each.ledger.restore()
        each.answer(name, annotator=f"a-{name}")
    hub.fail("POST .*/commit/", 412)  # as the Hub answers who comes second
    app.ledger.publish()
    other.ledger.publish()
    assert published(hub) == ["j-1", "k-1"]
    assert len(lines(hub, "consents")) == 2
    other.restart(wiped=True)
    other.ledger.restore()
    assert sorted(other.ids()) == ["j-1", "k-1"]
    other.journal.close()


def test_answers_of_one_person_in_two_apps_do_not_close_the_third(
    hub: LoopbackHub, app: App, tmp_path: Path, judge: Judge
) -> None:
    other = App(hub, tmp_path / "other", judge)
    other.ledger.restore()
    app.answer("j-1", layer=3)
    app.ledger.publish()
    other.clock.forward(minutes=1)
    other.answer("k-1", layer=3, precision="poor")
    other.ledger.publish()
    other.journal.close()
    app.restart(wiped=True)
    app.ledger.restore()
    assert app.ids() == ["j-1"]
    assert app.ledger.status().notes == ("Judgments in the ledger that contradict earlier ones, left out: 1.",)
    assert published(hub) == ["j-1", "k-1"]


LOAD = """
import json, sys
from datasets import load_dataset
loaded = {name: load_dataset(sys.argv[1], name, split="train") for name in sys.argv[2:]}
print(json.dumps({name: [found.num_rows, str(found.features["withdrawn_at" if name == "withdrawals" else "annotator"]),
    found.to_list()[0]] for name, found in loaded.items()}, default=str))
"""


def test_datasets_loads_every_table(app: App, hub: LoopbackHub, tmp_path: Path) -> None:
    app.answer("j-1", precision=None, category=None, presence="absent_none")
    app.ledger.publish()
    app.clock.forward(days=1)
    app.answer("j-2", annotator="a-2")
    app.answer("j-3", annotator="a-3")
    app.journal.withdraw("a-3")
    app.ledger.publish()
    for path, content in hub.files(NAME).items():
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
