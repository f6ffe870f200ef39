"""The public release: a study's judgments with their card, from the ledger or a journal, as a dataset on the Hub."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from annotation.errors import LedgerError
from annotation.export.files import export_judgments
from annotation.ledger.compaction import is_kept
from annotation.ledger.reading import read_ledger_rows
from annotation.ledger.rows import merge_rows
from annotation.report.card import WITHDRAWALS_SECTION
from annotation.study.file import study_from_json
from annotation.study.study import Study, StudySettings
from annotation.types import Judgment
from maps.errors import MapsError

if TYPE_CHECKING:
    from maps.hub.repository import HubDataset, RepositoryState

RELEASE_WITHDRAWALS_SECTION = """\
## Withdrawals

{who} withdrew: none of their answers is in this release or counted in it. Everybody may withdraw at any time, on the
page on which they answered or by a word to whoever published this with the pseudonym that is shown there; their answers
then leave the next release, and the history of the private ledger behind it. {history}
"""
SQUASHED_HISTORY_NOTE = "Earlier revisions of this dataset are gone."
EARLIER_REVISIONS_NOTE = (
    "Please use the newest revision: an earlier one may still hold answers that were withdrawn later."
)


@dataclass(frozen=True)
class ReleaseSource:
    """What is released: all judgments of who did not withdraw, how many people did, the study where it is frozen."""

    judgments: tuple[Judgment, ...]
    withdrawn_count: int
    study: Study | None = None


def load_source_from_ledger(dataset: HubDataset, study: str) -> ReleaseSource:
    """The judgments of a ledger, each once, in the order of storing, and this frozen study of it."""
    head = dataset.read_state()
    if head is None:
        raise LedgerError(
            f"The Hub has no dataset {dataset.name} that this token may see; check the name and HF_TOKEN."
        )
    rows = merge_rows(read_ledger_rows(dataset, head))
    gone = {row.annotator for row in rows.withdrawals}
    judgments = tuple(row.judgment for row in rows.judgments if is_kept(row, gone))
    return ReleaseSource(judgments, len(gone), _read_study(dataset, head, study))


def _read_study(dataset: HubDataset, state: RepositoryState, name: str) -> Study | None:
    path = f"studies/{name}.json"
    if path not in state.files:
        return None
    try:
        return study_from_json(dataset.read_files(state, [path])[path].decode())
    except (MapsError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} of {dataset.name}: {error}") from error


def judgments_of_study(source: ReleaseSource, study: str) -> list[Judgment]:
    """The judgments of one study; raises MapsError naming the studies there are."""
    rows = [row for row in source.judgments if row.study == study]
    studies = sorted({row.study for row in source.judgments})
    if not rows:
        there = f"there is {', '.join(studies)}" if studies else "there is no judgment at all"
        raise MapsError(f"No judgment belongs to the study {study!r}; {there}.")
    return rows


def publish_release(
    judgments: Sequence[Judgment],
    withdrawn_count: int,
    dataset: HubDataset,
    private: bool,
    squash: bool,
    settings: StudySettings | None = None,
    stale: Collection[str] | None = None,
) -> str:
    """Publishes rows as a dataset that `datasets` loads, made where it is missing; returns the commit's hash.

    `settings`, those of the study, let the card tell the design and the layer quarters; `stale` are the ids of the
    stale judgments, None where nobody looked.
    The same rows again make no new commit. With `squash` the dataset's history becomes one commit.
    """
    with TemporaryDirectory() as folder:
        made = export_judgments(judgments, Path(folder), "datasets", settings=settings, stale=stale)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in made}
    who = {0: "Nobody", 1: "One annotator"}.get(withdrawn_count, f"{withdrawn_count:,} annotators")
    said = RELEASE_WITHDRAWALS_SECTION.format(
        who=who, history=SQUASHED_HISTORY_NOTE if squash else EARLIER_REVISIONS_NOTE
    )
    files["README.md"] = files["README.md"].replace(WITHDRAWALS_SECTION.encode(), said.encode())
    head = dataset.read_state()
    if head is None:
        dataset.create(private)
    elif private and not head.is_private:
        raise MapsError(
            f"The dataset {dataset.name} is there and public; make it private on its page, or name another."
        )
    commit = dataset.commit(f"{len(judgments):,} judgments", files)
    if squash:
        dataset.squash_history(f"{len(judgments):,} judgments")
        now = dataset.read_state()
        commit = now.commit if now else commit
    return commit


def check_release_name(release_name: str, ledger_name: str | None) -> None:
    """Raises MapsError where the release would overwrite the ledger."""
    if release_name == ledger_name:
        raise MapsError(f"{release_name} is the ledger; publish to another dataset.")
