"""Who has judged what in each study, kept in memory and brought up to date with the rows that are new.

Rows are only ever added, so that what was read stays true; after a withdrawal everything is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from annotation.study.assignment import AssignmentIndex
from annotation.study.study import Study
from annotation.types import ITEM_COLUMNS

Select = Callable[[str, Sequence[object]], Iterable[Sequence[Any]]]  # a query and its values -> rows
COLUMNS = ", ".join(ITEM_COLUMNS)
ROWS_PER_READ = 2_000  # in memory at once; some ten milliseconds
NOT_WITHDRAWN_SQL = "annotator NOT IN (SELECT annotator FROM withdrawals)"
# A changed answer supersedes an earlier one, so each person has one first answer to an item. NOT INDEXED: by position.
FIRST_ANSWERS_SQL = (
    f"SELECT position, annotator, {COLUMNS} FROM judgments NOT INDEXED WHERE study = ? AND position > ? "
    f"AND supersedes IS NULL AND {NOT_WITHDRAWN_SQL} ORDER BY position LIMIT {ROWS_PER_READ}"
)


class Assignments:
    """The index of each study that somebody asked for. Call it under the database's lock, before a transaction writes:
    what it has read is not taken back."""

    def __init__(self, select: Select) -> None:
        self._select = select
        self._indexes: dict[str, tuple[AssignmentIndex, int, int]] = {}  # with the last judgment and withdrawal

    def index(self, study: Study) -> AssignmentIndex:
        """The index of a study, with all judgments so far."""
        judged, withdrawn = self._last_positions()
        index, last, withdrawal = self._indexes.get(study.name, (None, 0, withdrawn))
        if index is None or index.study is not study or withdrawal != withdrawn:
            index, last = AssignmentIndex(study), 0
        if judged > last:
            for key, annotator in self._first_answers(study, last):
                index.add(key, annotator)
        self._indexes[study.name] = index, judged, withdrawn
        return index

    def judgments(self, study: Study) -> tuple[Mapping[str, set[str]], Collection[str]]:
        """By item key, who has judged it, and everybody who has judged anything in the study. Not to be changed."""
        if study.settings.per_item is not None:
            index = self.index(study)
            return index.judged_by, index.judged_keys
        judged: dict[str, set[str]] = {}
        for key, annotator in self._first_answers(study, 0):
            judged.setdefault(key, set()).add(annotator)
        return judged, set().union(*judged.values())

    def _first_answers(self, study: Study, last: int) -> Iterator[tuple[str, str]]:
        """The item key and the person of each first answer after a position, a few thousand rows in memory at once."""
        names: dict[str, str] = {}
        is_last = False
        while not is_last:
            rows = list(self._select(FIRST_ANSWERS_SQL, [study.name, last]))
            is_last = len(rows) < ROWS_PER_READ
            last = rows[-1][0] if rows else last
            for _, annotator, *columns in rows:
                if (key := study.key_by_columns.get(tuple(columns))) is not None:
                    yield key, names.setdefault(annotator, annotator)

    def _last_positions(self) -> tuple[int, int]:
        last = "coalesce((SELECT max(position) FROM {}), 0)".format
        judged, withdrawn = next(iter(self._select(f"SELECT {last('judgments')}, {last('withdrawals')}", [])))
        return judged, withdrawn
