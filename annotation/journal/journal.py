"""Judgments, safe on disk before anybody is told so. Rows are only ever added.

What must hold whatever the code does is held by the database: the append-only triggers, the unique indexes, the
foreign keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from annotation.form import Answers, answer_problems
from annotation.journal import opened_studies, reservations, sync
from annotation.journal.database import Database, DuplicateRowError, JournalError, utc_timestamp
from annotation.journal.reservations import NOT_WITHDRAWN_SQL, ReservationResult, SlotHolders
from annotation.journal.rows import JUDGMENT_COLUMNS_SQL, insert_judgment, is_same_answer, judgment_from_row
from annotation.study.study import Study
from annotation.types import ITEM_COLUMNS, ConsentedAnnotator, Judgment, LedgerRows, Receipt, StudyItem

__all__ = ["Journal", "JournalError"]

NOT_SUPERSEDED_SQL = "NOT EXISTS (SELECT 1 FROM judgments AS later WHERE later.supersedes = judgments.judgment_id)"


class Journal(Database):
    """The judgments, who agreed to the consent sentence, who withdrew, and who works on what, in one SQLite file.

    `now` is the clock. Every method raises JournalError, whose message is one plain sentence. Methods may be
    called from any thread, and several processes may have the file open.
    """

    def record_consent(
        self, pseudonym: str, name: str | None, guidelines_version: str, at: datetime | None = None
    ) -> None:
        """Notes that this person agreed to the consent sentence; needed before the first judgment.

        They agreed now, or `at` a time before. The first consent under the same guidelines keeps its time. Somebody who
        withdrew is refused.
        """
        query = (
            "INSERT INTO annotators (pseudonym, name, consented_at, guidelines_version) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (pseudonym) DO UPDATE SET name = excluded.name, "
            "consented_at = iif(guidelines_version = excluded.guidelines_version, consented_at, excluded.consented_at),"
            " guidelines_version = excluded.guidelines_version "
            "WHERE guidelines_version <> excluded.guidelines_version OR name IS NULL"
        )
        with self.transaction("Your consent was not stored: {reason}."):
            reservations.check_not_withdrawn(self, pseudonym)
            now = self.now()
            self.execute(query, (pseudonym, name, utc_timestamp(min(at or now, now)), guidelines_version))

    def record_judgment(self, judgment: Judgment, study: Study | None = None) -> Receipt:
        """Stores a judgment and returns its receipt once it is on disk.

        The same id again, by the same annotator with the same answers, stores nothing and returns the first
        receipt with `duplicate`. With a `study` the item must be in it and have a place for this annotator, whose
        reservation ends; without one (a judgment that was acknowledged before and is sent again) it is stored whatever
        became of its place. Raises JournalError where it has none, the answers are incomplete, the annotator has not
        consented or has withdrawn, the id belongs to another judgment, the item is answered already without
        `supersedes` naming the current answer, or the disk does not take it.
        """
        answers = Answers(judgment.presence, judgment.precision, judgment.category, judgment.comment)
        if found := answer_problems(answers):
            raise JournalError(" ".join(found))
        try:
            with self.transaction("Your answer was not stored: {reason}."):
                reservations.check_consented(self, judgment.annotator)
                return self._receipt_of_repeat(judgment) or self._add_judgment(judgment, study)
        except UnicodeEncodeError as error:
            raise JournalError("Your answer was not stored: it holds characters that are no text.") from error

    def _receipt_of_repeat(self, judgment: Judgment) -> Receipt | None:
        query = f"SELECT stored_at, {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE judgment_id = ?"
        rows = self.select(query, (judgment.judgment_id,))
        if not rows:
            return None
        if not is_same_answer(judgment_from_row(rows[0]), judgment):
            raise JournalError("Not stored: this item was answered before, perhaps in another tab. Reload the page.")
        commit = self.publication_commits([judgment.judgment_id]).get(judgment.judgment_id)
        stored_at = datetime.fromisoformat(rows[0]["stored_at"])
        return Receipt(judgment.judgment_id, stored_at, is_duplicate=True, published_commit=commit)

    def _add_judgment(self, judgment: Judgment, study: Study | None) -> Receipt:
        if judgment.supersedes is not None:
            rows = self.select(
                f"SELECT {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE judgment_id = ?", (judgment.supersedes,)
            )
            earlier = judgment_from_row(rows[0]) if rows else None
            if earlier is None or (earlier.item, earlier.annotator) != (judgment.item, judgment.annotator):
                raise JournalError("Your answer was not stored: it would replace an answer to something else.")
        if study is not None:
            reservations.take_slot(self, judgment, study)
        stored_at = self.now()
        try:
            insert_judgment(self, judgment, stored_at)
        except DuplicateRowError as error:
            raise JournalError("You have answered this item already; open it again to change your answer.") from error
        return Receipt(judgment.judgment_id, stored_at, is_duplicate=False)

    def reserve_next_item(
        self,
        study: Study,
        annotator: str,
        skipped_keys: Sequence[str] = (),
        preferred_key: str | None = None,
        closed_keys: Collection[str] = (),
    ) -> ReservationResult:
        """The item that this annotator is to judge next, reserved for 30 minutes; None in it where there is none.

        That is the `preferred_key` one, if it is open to them; else the one that they have reserved already, on whatever
        device, unless they skipped it; else what `assignment.next_for` gives. Each person has at most one reservation
        in a study, and none after its deadline. `closed_keys` are keys of items that are given to nobody (stale ones).
        Nothing is reserved in a study without a limit. All keys are item keys.
        """
        return reservations.reserve_next_item(self, study, annotator, skipped_keys, preferred_key, closed_keys)

    def renew_reservation(self, study: str, item_key: str, annotator: str) -> bool:
        """Reserves an item for 30 minutes from now on; False where the reservation has ended already."""
        return reservations.renew_reservation(self, study, item_key, annotator)

    def release_reservation(self, study: str, item_key: str, annotator: str) -> None:
        """Ends a reservation, if there is one."""
        reservations.release_reservation(self, study, item_key, annotator)

    def slot_holders(self, study: Study) -> SlotHolders:
        """Who has judged which item of a study, and who has it reserved."""
        return reservations.load_slot_holders(self, study)

    def open_answers(self, study: str, organiser: str) -> None:
        """Opens a study's single answers to its annotators before the end, for good; again, it changes nothing."""
        opened_studies.open_answers(self, study, organiser)

    def answers_opened_at(self, study: str) -> datetime | None:
        """When an organiser opened a study's single answers; None where nobody did."""
        return opened_studies.answers_opened_at(self, study)

    def withdraw(self, annotator: str) -> None:
        """Leaves everything of an annotator out from now on, and forgets the name; again, it changes nothing.

        Raises JournalError for a pseudonym that nobody has.
        """
        with self.transaction("The withdrawal was not stored: {reason}."):
            if not self.execute("UPDATE annotators SET name = NULL WHERE pseudonym = ?", (annotator,)):
                raise JournalError(f"Nobody has the pseudonym {annotator!r}; it stands on the annotator's page.")
            query = "INSERT INTO withdrawals (annotator, withdrawn_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
            self.execute(query, (annotator, utc_timestamp(self.now())))
            self.execute("DELETE FROM reservations WHERE annotator = ?", (annotator,))

    def withdrawal_times(self) -> dict[str, datetime]:
        """When each annotator withdrew who did."""
        rows = self.select("SELECT annotator, withdrawn_at FROM withdrawals ORDER BY position")
        return {row["annotator"]: datetime.fromisoformat(row["withdrawn_at"]) for row in rows}

    def current_judgments(
        self,
        study: str,
        annotator: str | None = None,
        item: StudyItem | None = None,
        *,
        include_withdrawn: bool = False,
    ) -> list[Judgment]:
        """The judgments of a study that no later one supersedes, in the order of storing.

        Those of annotators who withdrew only where `include_withdrawn` asks for them.
        """
        query = f"SELECT {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE study = ? AND {NOT_SUPERSEDED_SQL}"
        values: tuple[object, ...] = (study,)
        if not include_withdrawn:
            query += f" AND {NOT_WITHDRAWN_SQL}"
        if annotator is not None:
            query, values = f"{query} AND annotator = ?", (*values, annotator)
        if item is not None:
            query += "".join(f" AND {name} = ?" for name in ITEM_COLUMNS)
            values += tuple(getattr(item, name) for name in ITEM_COLUMNS)
        return [judgment_from_row(row) for row in self.select(f"{query} ORDER BY position", values)]

    def all_judgments(self, study: str | None = None, *, include_withdrawn: bool = False) -> list[Judgment]:
        """All judgments, the superseded ones too, in the order of storing; of who withdrew as for `current_judgments`."""
        who = "1" if include_withdrawn else NOT_WITHDRAWN_SQL
        query = (
            f"SELECT {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE (?1 IS NULL OR study = ?1) AND {who} ORDER BY position"
        )
        return [judgment_from_row(row) for row in self.select(query, (study,))]

    def last_positions(self) -> tuple[int, int]:
        """How far judgments and withdrawals reach. Both are only ever added, so the same extent means the same rows."""
        query = "SELECT {0} AS judgments, {1} AS withdrawals"
        last = (f"(SELECT coalesce(max(position), 0) FROM {table})" for table in ("judgments", "withdrawals"))
        [row] = self.select(query.format(*last))
        return row["judgments"], row["withdrawals"]

    def annotators(self) -> list[ConsentedAnnotator]:
        """Everyone who consented, in the order of their first consent."""
        rows = self.select("SELECT * FROM annotators ORDER BY position")
        return [
            ConsentedAnnotator(
                row["pseudonym"],
                row["name"],
                datetime.fromisoformat(row["consented_at"]),
                row["guidelines_version"],
            )
            for row in rows
        ]

    def unpublished_rows(self) -> LedgerRows:
        """The rows that no commit of the ledger holds yet, those of who withdrew left out, in the order of storing."""
        return sync.load_unpublished_rows(self)

    def mark_published(self, kind: sync.RowKind, ids: Iterable[str], commit_id: str) -> None:
        """Notes that a commit of the ledger holds the rows with these `row_id`s; the first commit noted stays."""
        sync.mark_published(self, kind, ids, commit_id)

    def publication_commits(self, judgment_ids: Sequence[str]) -> dict[str, str]:
        """The commit of each of these judgments that is published."""
        return sync.load_publication_commits(self, judgment_ids)

    def known_judgment_ids(self, judgment_ids: Sequence[str]) -> set[str]:
        """Those of these judgments that are in the journal, whoever withdrew since."""
        return sync.load_known_judgment_ids(self, judgment_ids)

    def restore(self, rows: LedgerRows, commit_id: str) -> int:
        """Puts all rows of the ledger back with their times, marks them as published, returns how many were missing.

        Other rows count as unpublished, whatever was noted before. All or nothing, and again it changes nothing.
        Judgments of annotators who withdrew stay out. Raises JournalError where a judgment lacks its consent or what it
        supersedes, or contradicts the journal.
        """
        return sync.restore_rows(self, rows, commit_id)
