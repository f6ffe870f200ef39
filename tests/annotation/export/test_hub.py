"""The public release: from a ledger or a journal, without who withdrew, the same however often it is repeated."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from annotation.commands.publish import load_source_from_journal
from annotation.errors import LedgerError, WithdrawnMeanwhileError
from annotation.export.hub import (
    ReleaseSource,
    check_release_name,
    judgments_of_study,
    load_source_from_ledger,
    publish_release,
)
from annotation.study.store import load_studies, save_study
from maps.errors import MapsError
from maps.hub.repository import HubDataset
from tests.annotation import invented_study
from tests.annotation.ledger_app import LEDGER_NAME, LedgerApp, MakeJudgment
from tests.hub.loopback import TOKEN, LoopbackHub

PUBLIC = "tester/judgments"
UNMARKED = "Stale judgments are not marked; to mark them, give the judged atlas with --atlas.\n"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def app(hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment) -> Iterator[LedgerApp]:
    """A ledger with three answers, one of them by somebody who withdrew and is not yet forgotten."""
    made = LedgerApp(hub, tmp_path / "data", judge)
    made.record_answer("j-1")
    made.record_answer("j-2", annotator="a-2")
    made.record_answer("j-3", annotator="a-gone")
    made.ledger.publish()
    made.journal.withdraw("a-gone")
    made.ledger.publish()
    yield made
    made.journal.close()


def target(hub: LoopbackHub) -> HubDataset:
    return HubDataset(PUBLIC, TOKEN, hub.url, (0.0,))


def ids(hub: LoopbackHub) -> list[str]:
    content = hub.files(PUBLIC)["data/judgments.parquet"]
    return [row["judgment_id"] for row in pq.read_table(BytesIO(content)).to_pylist()]


def test_a_release_leaves_out_who_withdrew_and_says_so(hub: LoopbackHub, app: LedgerApp) -> None:
    source = load_source_from_ledger(app.dataset, "default")
    assert ([row.judgment_id for row in source.judgments], source.withdrawn_count) == (["j-1", "j-2"], 1)
    commit = publish_release(
        judgments_of_study(source, "default"), source.withdrawn_count, target(hub), private=False, squash=False
    )
    assert hub.repositories["dataset", PUBLIC].head.oid == commit
    assert not hub.repositories["dataset", PUBLIC].private
    assert ids(hub) == ["j-1", "j-2"]
    card = hub.files(PUBLIC)["README.md"].decode()
    assert "\n## Withdrawals\n\nOne annotator withdrew. No answer of a withdrawn annotator is in this release" in card
    assert "Please use the newest revision" in card
    assert "a-gone" not in card


def test_the_same_release_again_makes_no_commit(hub: LoopbackHub, app: LedgerApp) -> None:
    rows = judgments_of_study(load_source_from_ledger(app.dataset, "default"), "default")
    commits = {publish_release(rows, 1, target(hub), private=False, squash=False) for _ in range(2)}
    assert len(commits) == len(hub.commits(PUBLIC)) == 1


def test_a_squashed_release_has_no_earlier_revision(hub: LoopbackHub, app: LedgerApp) -> None:
    rows = list(app.journal.all_judgments(include_withdrawn=True))
    publish_release(rows, 0, target(hub), private=True, squash=False)
    assert hub.repositories["dataset", PUBLIC].private
    commit = publish_release(rows[:2], 1, target(hub), private=True, squash=True)
    assert [made.oid for made in hub.repositories["dataset", PUBLIC].commits] == [commit]
    assert ids(hub) == ["j-1", "j-2"]
    assert "Earlier revisions of this dataset were deleted." in hub.files(PUBLIC)["README.md"].decode()


def test_what_cannot_be_released_is_said(hub: LoopbackHub, app: LedgerApp) -> None:
    with pytest.raises(MapsError, match=r"^The study 'x' has no judgments\. Studies with judgments: default\.$"):
        judgments_of_study(load_source_from_ledger(app.dataset, "default"), "x")
    with pytest.raises(MapsError, match=r"^The study 'x' has no judgments\. Studies with judgments: none\.$"):
        judgments_of_study(ReleaseSource((), 0), "x")
    with pytest.raises(LedgerError, match=r"^The Hub has no dataset tester/none that this token may see"):
        load_source_from_ledger(HubDataset("tester/none", TOKEN, hub.url, ()), "default")
    hub.add_dataset(PUBLIC, {})
    with pytest.raises(MapsError, match=r"^The dataset tester/judgments is public; make it private"):
        publish_release(app.journal.all_judgments(), 0, target(hub), private=True, squash=False)
    assert hub.files(PUBLIC) == {}


def command(hub: LoopbackHub, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it, with a token and the Hub on loopback."""
    environment = {**os.environ, "HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url, **changes}
    run = [sys.executable, "-m", "annotation", "publish", *arguments]
    return subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_release_from_the_ledger_takes_the_design_from_the_study_kept_there(hub: LoopbackHub, app: LedgerApp) -> None:
    save_study(invented_study.freeze_invented_study(model="smollm2"), app.data / "studies")
    app.record_answer("j-4", study="pilot", layer=3)
    app.ledger.publish()
    source = load_source_from_ledger(app.dataset, "pilot")
    assert source.study == load_studies(app.data / "studies")["pilot"]
    assert load_source_from_ledger(app.dataset, "default").study is None
    done = command(hub, "--to", PUBLIC, "--ledger", LEDGER_NAME, "--study", "pilot")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n- Frozen on " in hub.files(PUBLIC)["README.md"].decode()
    hub.add_dataset(LEDGER_NAME, {"studies/pilot.json": b"{}"})
    with pytest.raises(LedgerError, match=r"^studies/pilot\.json of .*: The study's file is damaged"):
        load_source_from_ledger(app.dataset, "pilot")


@pytest.mark.slow
def test_a_private_release_is_made_public_when_somebody_says_so(hub: LoopbackHub, app: LedgerApp) -> None:
    options = ("--to", PUBLIC, "--data", str(app.data), "--ledger", LEDGER_NAME)
    assert command(hub, *options, "--private").returncode == 0
    assert hub.repositories["dataset", PUBLIC].private
    done = command(hub, *options, "--make-public")
    assert (done.returncode, f"Everybody can read the dataset {PUBLIC} now." in done.stdout) == (0, True)
    assert not hub.repositories["dataset", PUBLIC].private
    refused = command(hub, *options, "--private", "--make-public")
    assert (refused.returncode, "contradict each other" in refused.stderr) == (2, True)


@pytest.mark.slow
def test_the_command_publishes_from_the_ledger(hub: LoopbackHub, app: LedgerApp) -> None:
    done = command(hub, "--to", PUBLIC, "--data", str(app.data), MAPS_JUDGMENTS=LEDGER_NAME)
    address = f"{hub.url}/datasets/{PUBLIC}/commit/{hub.repositories['dataset', PUBLIC].head.oid}"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{UNMARKED}Published 2 judgments of the study default: {address}\n"
    assert ids(hub) == ["j-1", "j-2"]
    tables = [f"data/{name}.parquet" for name in ("items", "judgments", "labels")]
    assert sorted(hub.files(PUBLIC)) == ["README.md", *tables]


@pytest.mark.process
def test_a_withdrawal_that_only_the_journal_here_knows_leaves_the_release(hub: LoopbackHub, app: LedgerApp) -> None:
    app.journal.withdraw("a-2")
    done = command(hub, "--to", PUBLIC, "--ledger", LEDGER_NAME, "--data", str(app.data))
    assert (done.returncode, done.stderr) == (0, "")
    assert ids(hub) == ["j-1"]
    assert "2 annotators withdrew. No answer" in hub.files(PUBLIC)["README.md"].decode()


@pytest.mark.process
def test_without_a_journal_here_the_command_says_what_it_cannot_know(
    hub: LoopbackHub, app: LedgerApp, tmp_path: Path
) -> None:
    done = command(hub, "--to", PUBLIC, "--ledger", app.ledger_name, "--data", str(tmp_path / "none"))
    assert done.stdout.splitlines()[0] == (
        f"Withdrawals that have not reached the ledger {LEDGER_NAME} are unknown here, as there is no journal at "
        f"{tmp_path}/none/journal.sqlite; give the app's data folder with --data, or look at the page /organise first."
    )
    assert ids(hub) == ["j-1", "j-2"]
    assert not (tmp_path / "none").exists()


@pytest.mark.process
@pytest.mark.parametrize("request_line", ["GET /api/datasets/tester/judgments", "POST .*tester/judgments/commit/"])
@pytest.mark.parametrize("is_here", [False, True])
def test_a_withdrawal_while_the_release_is_made_leaves_it(
    hub: LoopbackHub, app: LedgerApp, tmp_path: Path, request_line: str, is_here: bool
) -> None:
    hub.stall_next(request_line, 1.0)
    with ThreadPoolExecutor() as pool:
        data = app.data if is_here else tmp_path / "none"
        publishing = pool.submit(command, hub, "--to", PUBLIC, "--ledger", LEDGER_NAME, "--data", str(data))
        while hub.ordered_failures[0].times:
            time.sleep(0.01)
        app.journal.withdraw("a-2")
        if not is_here:
            app.ledger.publish_withdrawals()
        done = publishing.result()
    assert (done.returncode, done.stderr) == (0, "")
    again = "Somebody withdrew in the meantime: the release is made again without their judgments."
    assert done.stdout.count(again) == 1
    assert ids(hub) == ["j-1"]


def test_a_release_with_judgments_of_somebody_who_has_withdrawn_is_not_sent(hub: LoopbackHub, app: LedgerApp) -> None:
    rows = judgments_of_study(load_source_from_ledger(app.dataset, "default"), "default")
    with pytest.raises(WithdrawnMeanwhileError):
        publish_release(rows, 1, target(hub), private=False, squash=False, load_withdrawn=lambda: {"a-2", "a-9"})
    assert hub.files(PUBLIC) == {}
    publish_release(rows, 1, target(hub), private=False, squash=False, load_withdrawn=lambda: {"a-9"})
    assert ids(hub) == ["j-1", "j-2"]


def test_without_a_ledger_the_journal_is_read(app: LedgerApp, tmp_path: Path) -> None:
    source = load_source_from_journal(Namespace(data=app.data, study="default", environment={}))
    assert ([row.judgment_id for row in source.judgments], source.withdrawn_count, source.study) == (
        ["j-1", "j-2"],
        1,
        None,
    )
    with pytest.raises(MapsError, match=r"^There is no journal at .* yet\. The first answer creates it"):
        load_source_from_journal(Namespace(data=tmp_path / "none", study="default", environment={}))


def test_the_ledger_is_no_place_for_a_release() -> None:
    with pytest.raises(MapsError, match=r"^me/ledger is the ledger; publish to another dataset\.$"):
        check_release_name("me/ledger", "me/ledger")
    check_release_name("me/judgments", "me/ledger")
    check_release_name("me/judgments", None)


def test_the_command_says_what_is_wrong_and_shows_no_token(hub: LoopbackHub, app: LedgerApp) -> None:
    done = command(hub, "--to", PUBLIC, "--ledger", LEDGER_NAME, "--data", str(app.data), HF_TOKEN="hf_wrong")
    sentence = f"The Hub does not accept the token for {LEDGER_NAME}: set HF_TOKEN to one that may write it.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)
