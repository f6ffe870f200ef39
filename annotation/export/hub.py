"""The public release: a study's judgments with their card, from the ledger or a journal, as a dataset on the Hub."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from annotation.export.files import export
from annotation.ledger.compaction import is_kept
from annotation.ledger.reading import read_rows
from annotation.ledger.rows import LedgerError, merged
from annotation.report.card import WITHDRAWALS
from annotation.study.file import from_json
from annotation.study.study import Settings, Study
from annotation.types import Judgment
from maps.errors import MapsError

if TYPE_CHECKING:
    from maps.hub.repository import Head, HubDataset

WITHDRAWN = """\
## Withdrawals

{who} withdrew: none of their answers is in this release or counted in it. Everybody may withdraw at any time, on the
page on which they answered or by a word to whoever published this with the pseudonym that is shown there; their answers
then leave the next release, and the history of the private ledger behind it. {history}
"""
SQUASHED = "Earlier revisions of this dataset are gone."
EARLIER = "Please use the newest revision: an earlier one may still hold answers that were withdrawn later."


@dataclass(frozen=True)
class Source:
    """What is released: all judgments of who did not withdraw, how many people did, the study where it is frozen."""

    judgments: tuple[Judgment, ...]
    withdrawn: int
    study: Study | None = None


def from_ledger(dataset: HubDataset, study: str) -> Source:
    """The judgments of a ledger, each once, in the order of storing, and this frozen study of it."""
    head = dataset.head()
    if head is None:
        raise LedgerError(
            f"The Hub has no dataset {dataset.name} that this token may see; check the name and HF_TOKEN."
        )
    rows = merged(read_rows(dataset, head))
    gone = {row.annotator for row in rows.withdrawals}
    judgments = tuple(row.judgment for row in rows.judgments if is_kept(row, gone))
    return Source(judgments, len(gone), _study(dataset, head, study))


def _study(dataset: HubDataset, head: Head, name: str) -> Study | None:
    path = f"studies/{name}.json"
    if path not in head.files:
        return None
    try:
        return from_json(dataset.read(head, [path])[path].decode())
    except (MapsError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} of {dataset.name}: {error}") from error


def of_study(source: Source, study: str) -> list[Judgment]:
    """The judgments of one study; raises MapsError naming the studies there are."""
    rows = [row for row in source.judgments if row.study == study]
    studies = sorted({row.study for row in source.judgments})
    if not rows:
        there = f"there is {', '.join(studies)}" if studies else "there is no judgment at all"
        raise MapsError(f"No judgment belongs to the study {study!r}; {there}.")
    return rows


def release(
    rows: Sequence[Judgment],
    withdrawn: int,
    dataset: HubDataset,
    private: bool,
    squash: bool,
    settings: Settings | None = None,
    stale: Collection[str] | None = None,
) -> str:
    """Publishes rows as a dataset that `datasets` loads, made where it is missing; returns the commit's hash.

    `settings`, those of the study, let the card tell the design and the layer quarters; `stale` are the ids of the
    stale judgments, None where nobody looked.
    The same rows again make no new commit. With `squash` the dataset's history becomes one commit.
    """
    with TemporaryDirectory() as folder:
        made = export(rows, Path(folder), "datasets", settings=settings, stale=stale)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in made}
    who = {0: "Nobody", 1: "One annotator"}.get(withdrawn, f"{withdrawn:,} annotators")
    said = WITHDRAWN.format(who=who, history=SQUASHED if squash else EARLIER)
    files["README.md"] = files["README.md"].replace(WITHDRAWALS.encode(), said.encode())
    head = dataset.head()
    if head is None:
        dataset.make(private)
    elif private and not head.private:
        raise MapsError(
            f"The dataset {dataset.name} is there and public; make it private on its page, or name another."
        )
    commit = dataset.commit(f"{len(rows):,} judgments", files)
    if squash:
        dataset.squash(f"{len(rows):,} judgments")
        now = dataset.head()
        commit = now.commit if now else commit
    return commit


def check_names(release_name: str, ledger_name: str | None) -> None:
    """Raises MapsError where the release would overwrite the ledger."""
    if release_name == ledger_name:
        raise MapsError(f"{release_name} is the ledger; publish to another dataset.")
