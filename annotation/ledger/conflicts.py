"""Which rows of a ledger a journal can take. Two apps that write to one ledger may contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from annotation.types import Judgment, StoredJudgment, StudyItem


def split_acceptable(
    rows: Sequence[StoredJudgment], consented: Collection[str], journal_judgments: Iterable[Judgment] = ()
) -> tuple[list[StoredJudgment], list[StoredJudgment]]:
    """Splits the ledger's rows into those that the journal can take and the others.

    `rows` are in the order of `merge_rows`, `journal_judgments` are already in the journal. A row is accepted if it is
    in the journal, or if its annotator has consented and it is their first answer to the item or replaces an accepted
    answer that nothing else replaces.
    """
    accepted = _AcceptedJudgments()
    for judgment in journal_judgments:
        accepted.add(judgment)
    acceptable, others = [], []
    for row in rows:
        if row.judgment.judgment_id in accepted.by_id:
            acceptable.append(row)
        elif row.judgment.annotator in consented and accepted.can_add(row.judgment):
            acceptable.append(row)
            accepted.add(row.judgment)
        else:
            others.append(row)
    return acceptable, others


class _AcceptedJudgments:
    """Judgments of which none contradicts another."""

    def __init__(self) -> None:
        self.by_id: dict[str, Judgment] = {}
        self._answered: set[tuple[StudyItem, str]] = set()
        self._replaced: set[str] = set()

    def add(self, judgment: Judgment) -> None:
        self.by_id[judgment.judgment_id] = judgment
        self._answered.add((judgment.item, judgment.annotator))
        if judgment.supersedes:
            self._replaced.add(judgment.supersedes)

    def can_add(self, judgment: Judgment) -> bool:
        if judgment.supersedes is None:
            return (judgment.item, judgment.annotator) not in self._answered
        earlier = self.by_id.get(judgment.supersedes)
        if earlier is None or judgment.supersedes in self._replaced:
            return False
        return (earlier.item, earlier.annotator) == (judgment.item, judgment.annotator)
