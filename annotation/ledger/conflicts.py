"""Which rows of a ledger a journal can take: two apps that wrote into one ledger may contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from annotation.types import Judgment, StoredJudgment, StudyItem


def split_acceptable(
    rows: Sequence[StoredJudgment], consented: Collection[str], journal_judgments: Iterable[Judgment] = ()
) -> tuple[list[StoredJudgment], list[StoredJudgment]]:
    """The rows that fit a journal which holds `journal_judgments`, and those that do not; `rows` as `merged` orders them.

    A row fits where its annotator has consented and it is their first answer to its item, or replaces an answer that
    fits and that nothing else replaces. What the journal holds already is always fitting.
    """
    taken: dict[str, Judgment] = {}
    answered: set[tuple[StudyItem, str]] = set()
    replaced: set[str] = set()

    def take(row: Judgment) -> None:
        taken[row.judgment_id] = row
        answered.add((row.item, row.annotator))
        replaced.update([row.supersedes] if row.supersedes else [])

    def fits(row: Judgment) -> bool:
        if row.supersedes is None:
            return (row.item, row.annotator) not in answered
        earlier = taken.get(row.supersedes)
        same = earlier is not None and (earlier.item, earlier.annotator) == (row.item, row.annotator)
        return same and row.supersedes not in replaced

    for judgment in journal_judgments:
        take(judgment)
    fitting, others = [], []
    for row in rows:
        known = row.judgment.judgment_id in taken
        if known or (row.judgment.annotator in consented and fits(row.judgment)):
            fitting.append(row)
            if not known:
                take(row.judgment)
        else:
            others.append(row)
    return fitting, others
