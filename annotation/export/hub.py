"""The public release: a study's judgments with their card, as a dataset on the Hub."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotation.errors import LedgerError, WithdrawnMeanwhileError
from annotation.export.release import make_release
from annotation.judges.store import Row
from annotation.ledger.rows import merge_rows
from annotation.ledger.upkeep import is_kept, read_ledger_rows
from annotation.report.card import WITHDRAWALS_SECTION
from annotation.study.file import study_from_json
from annotation.study.study import Study
from annotation.types import Judgment
from maps.errors import MapsError

if TYPE_CHECKING:
    from maps.hub.repository import HubDataset, RepositoryState

RELEASE_WITHDRAWALS_SECTION = """\
## Withdrawals

{who} withdrew. No answer of a withdrawn annotator is in this release or counted in it. Annotators may withdraw at any
time: on the page on which they answered, or by sending the pseudonym shown there to the publisher of this dataset.
Their answers are then left out of the next release and deleted from the history of the private ledger. {history}
"""
SQUASHED_HISTORY_NOTE = "Earlier revisions of this dataset were deleted."
EARLIER_REVISIONS_NOTE = (
    "Please use the newest revision: an earlier one may still hold answers that were withdrawn later."
)


@dataclass(frozen=True)
class ReleaseSource:
    """The judgments of everybody who did not withdraw, how many withdrew, and the frozen study if it is known."""

    judgments: tuple[Judgment, ...]
    withdrawn_count: int
    study: Study | None = None


def load_source_from_ledger(dataset: HubDataset, study: str, withdrawn_here: Collection[str] = ()) -> ReleaseSource:
    """The judgments of a ledger, each once, in the order of storing, and the frozen study of this name.

    `withdrawn_here`: annotators whose withdrawal may not have reached the ledger yet; they are left out too.
    """
    state = dataset.read_state()
    if state is None:
        raise LedgerError(
            f"The Hub has no dataset {dataset.name} that this token may see; check the name and HF_TOKEN."
        )
    rows = merge_rows(read_ledger_rows(dataset, state))
    people = {row.judgment.annotator for row in rows.judgments} | {row.annotator for row in rows.consents}
    withdrawn = {row.annotator for row in rows.withdrawals} | people.intersection(withdrawn_here)
    judgments = tuple(row.judgment for row in rows.judgments if is_kept(row, withdrawn))
    return ReleaseSource(judgments, len(withdrawn), _read_study(dataset, state, study))


def _read_study(dataset: HubDataset, state: RepositoryState, name: str) -> Study | None:
    path = f"studies/{name}.json"
    if path not in state.files:
        return None
    try:
        return study_from_json(dataset.read_files(state, [path])[path].decode())
    except (MapsError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} of {dataset.name}: {error}") from error


def judgments_of_study(source: ReleaseSource, study: str) -> list[Judgment]:
    """The judgments of one study; raises MapsError if there are none, naming the studies that have some."""
    rows = [row for row in source.judgments if row.study == study]
    if not rows:
        studies = ", ".join(sorted({row.study for row in source.judgments})) or "none"
        raise MapsError(f"The study {study!r} has no judgments. Studies with judgments: {studies}.")
    return rows


def publish_release(
    judgments: Sequence[Judgment],
    withdrawn_count: int,
    dataset: HubDataset,
    private: bool,
    squash: bool,
    study: Study | None = None,
    stale: Collection[str] | None = None,
    load_withdrawn: Callable[[], Collection[str]] = tuple,
    judge_rows: Sequence[Row] = (),
) -> str:
    """Publishes the release of a study (`make_release`), creating its dataset if it is missing; returns the commit.

    The `study` adds its design and what was judged; `stale` holds the ids of stale judgments, None if nobody checked.
    Equal judgments make no new commit. With `squash` the dataset's history becomes one commit. `load_withdrawn` says
    who has withdrawn by now: it is called right before the commit and after it, and WithdrawnMeanwhileError is raised
    if any of the judgments are theirs. `judge_rows`: the answers of language models.
    """

    def check_withdrawals() -> None:
        if {row.annotator for row in judgments}.intersection(load_withdrawn()):
            raise WithdrawnMeanwhileError("Somebody withdrew while the release was being made; publish it again.")

    files = dict(make_release(judgments, study, dataset.name, stale, judge_rows).files)
    who = {0: "Nobody", 1: "One annotator"}.get(withdrawn_count, f"{withdrawn_count:,} annotators")
    history = SQUASHED_HISTORY_NOTE if squash else EARLIER_REVISIONS_NOTE
    withdrawals = RELEASE_WITHDRAWALS_SECTION.format(who=who, history=history)
    files["README.md"] = files["README.md"].replace(WITHDRAWALS_SECTION.encode(), withdrawals.encode())
    state = dataset.read_state()
    if state is None:
        dataset.create(private)
    elif private and not state.is_private:
        raise MapsError(f"The dataset {dataset.name} is public; make it private on its page, or use another one.")
    commit = dataset.commit(f"{len(judgments):,} judgments", files, before_try=check_withdrawals)
    check_withdrawals()
    if squash:
        dataset.squash_history(f"{len(judgments):,} judgments")
        squashed = dataset.read_state()
        commit = squashed.commit if squashed else commit
    return commit


def check_release_name(release_name: str, ledger_name: str | None) -> None:
    """Raises MapsError if the release would overwrite the ledger."""
    if release_name == ledger_name:
        raise MapsError(f"{release_name} is the ledger; publish to another dataset.")
