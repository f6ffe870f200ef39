"""Stores judgments. A receipt is returned only after the judgment is on disk; rows are only ever added.

The database itself guarantees the invariants, whatever the code does: append-only triggers, unique indexes, foreign
keys.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from annotation.errors import DuplicateRowError, JournalError
from annotation.form import answer_problems, answers_of_judgment
from annotation.journal import endings, opened_studies, reservations, sessions, study_changes, study_rules, sync
from annotation.journal.assignments import NOT_WITHDRAWN_SQL
from annotation.journal.database import Database
from annotation.journal.reservations import ReservationResult, SlotHolders
from annotation.journal.rows import (
    JUDGMENT_COLUMNS_SQL,
    NOT_SUPERSEDED_SQL,
    insert_judgment,
    insert_withdrawal,
    is_same_answer,
    judgment_from_row,
    load_judgment_cells,
)
from annotation.sqlite_file import utc_timestamp
from annotation.study.study import Study
from annotation.types import (
    ITEM_COLUMNS,
    ConsentedAnnotator,
    Ending,
    ItemKind,
    Judgment,
    LedgerRows,
    Receipt,
    StudyAction,
    StudyChange,
    StudyItem,
    Withdrawal,
)


class Journal(Database):
    """Judgments, consents, withdrawals, reservations, opened and ended studies in one SQLite file.

    Every method may raise JournalError. Any thread may call the methods, and several processes may open the file.
    """

    def record_consent(
        self, pseudonym: str, guidelines_version: str, at: datetime | None = None, first_session: str | None = None
    ) -> None:
        """Records that a person agreed to the consent sentence, now or earlier (`at`). Required before any judgment.

        The first consent to the same guidelines keeps its time. A person who withdrew is refused. With
        `first_session`, the id of a newcomer's session, DuplicateRowError is raised if the name is somebody else's.
        """
        query = (
            "INSERT INTO annotators (pseudonym, consented_at, guidelines_version) VALUES (?, ?, ?) "
            "ON CONFLICT (pseudonym) DO UPDATE SET consented_at = excluded.consented_at, "
            "guidelines_version = excluded.guidelines_version WHERE guidelines_version <> excluded.guidelines_version"
        )
        with self.transaction("Your consent was not stored: {reason}."):
            if first_session is not None and not sessions.claim_name(self, pseudonym, first_session):
                raise DuplicateRowError("Somebody has signed in under this name before.")
            reservations.check_not_withdrawn(self, pseudonym)
            now = self.now()
            self.execute(query, (pseudonym, utc_timestamp(min(at or now, now)), guidelines_version))

    def is_known(self, pseudonym: str) -> bool:
        """Whether a person with this pseudonym has ever consented or withdrawn."""
        return sessions.is_known(self, pseudonym)

    def record_judgment(
        self, judgment: Judgment, study: Study | None = None, closed_keys: Collection[str] = ()
    ) -> Receipt:
        """Stores a judgment and returns its receipt once it is on disk.

        If the same annotator sends the same id with the same answers again, nothing is stored and the first receipt
        comes back, as a duplicate. With a `study`, its rules are checked (see `study_rules.take_slot`; `closed_keys`
        are the keys of its stale items), and the annotator's reservation of the item ends. Without a study (for a
        judgment that was acknowledged before and is sent again) they are not. Raises JournalError if a rule forbids the
        judgment, the answers are incomplete, the annotator has not consented or has withdrawn, the id belongs to
        another judgment, the item is already answered and `supersedes` does not name the current answer, or the disk
        fails.
        """
        if problems := answer_problems(answers_of_judgment(judgment)):
            raise JournalError(" ".join(problems))
        try:
            with self.transaction("Your answer was not stored: {reason}."):
                reservations.check_consented(self, judgment.annotator)
                return self._receipt_of_repeat(judgment) or self._add_judgment(judgment, study, closed_keys)
        except UnicodeEncodeError as error:
            raise JournalError("Your answer was not stored: it contains invalid characters.") from error

    def _receipt_of_repeat(self, judgment: Judgment) -> Receipt | None:
        query = f"SELECT stored_at, {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE judgment_id = ?"
        rows = self.select(query, (judgment.judgment_id,))
        if not rows:
            return None
        if not is_same_answer(judgment_from_row(rows[0]), judgment):
            raise JournalError("Not stored: you answered this item before, perhaps in another tab. Reload the page.")
        commit = self.publication_commits([judgment.judgment_id]).get(judgment.judgment_id)
        stored_at = datetime.fromisoformat(rows[0]["stored_at"])
        return Receipt(judgment.judgment_id, stored_at, is_duplicate=True, published_commit=commit)

    def _add_judgment(self, judgment: Judgment, study: Study | None, closed_keys: Collection[str]) -> Receipt:
        if judgment.supersedes is not None:
            rows = self.select(
                f"SELECT {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE judgment_id = ?", (judgment.supersedes,)
            )
            earlier = judgment_from_row(rows[0]) if rows else None
            if earlier is None or (earlier.item, earlier.annotator) != (judgment.item, judgment.annotator):
                raise JournalError("Not stored: the answer would replace one to another item. Reload the page.")
        if study is not None:
            study_rules.take_slot(self, judgment, study, closed_keys)
        stored_at = self.now()
        try:
            insert_judgment(self, judgment, stored_at)
        except DuplicateRowError as error:
            raise JournalError("You have already answered this item; open it again to change your answer.") from error
        return Receipt(judgment.judgment_id, stored_at, is_duplicate=False)

    def reserve_next_item(
        self,
        study: Study,
        annotator: str,
        skipped_keys: Sequence[str] = (),
        preferred_key: str | None = None,
        closed_keys: Collection[str] = (),
    ) -> ReservationResult:
        """Reserves the next item for this annotator for 30 minutes; the item is None if there is none for them.

        The choice is the item `preferred_key` if it is open to them; else the item they reserved before, on any
        device, unless they skipped it; else that of `select_next_item`. A person has at most one reservation in a
        study, and none after its end. Before their first answer it lasts 10 minutes, and yields where somebody would
        get no item otherwise. Nobody gets the items `closed_keys` (stale ones). In a study without a limit nothing is
        reserved. All keys are item keys.
        """
        return reservations.reserve_next_item(self, study, annotator, skipped_keys, preferred_key, closed_keys)

    def renew_reservation(self, study: str, item_key: str, annotator: str) -> bool:
        """Extends a reservation to 30 minutes from now; False if it has already ended.

        Before a person's first answer it is extended to 10 minutes from now, and lasts 30 minutes in all.
        """
        return reservations.renew_reservation(self, study, item_key, annotator)

    def release_reservation(self, study: str, item_key: str, annotator: str) -> None:
        """Ends a reservation, if there is one."""
        reservations.release_reservation(self, study, item_key, annotator)

    def given_keys(self, study: Study, annotator: str) -> set[str]:
        """The keys of all items of a study that were ever reserved for a person on this disk."""
        return reservations.load_given_keys(self, study, annotator)

    def slot_holders(self, study: Study) -> SlotHolders:
        """Who has judged or reserved which item of a study now, without people who withdrew."""
        with self._lock:
            holders = reservations.load_slot_holders(self, study)
            return replace(holders, judged_by={key: set(people) for key, people in holders.judged_by.items()})

    def open_answers(self, study: str, organiser: str) -> None:
        """Opens a study's single answers to its annotators before the end, for good. Repeating it changes nothing."""
        opened_studies.open_answers(self, study, organiser)

    def answers_opened_at(self, study: str) -> datetime | None:
        """When an organiser opened a study's single answers; None if nobody did."""
        return opened_studies.answers_opened_at(self, study)

    def end_session(self, session_id: str) -> None:
        """Ends a sign-in for good. Its token counts for nothing afterwards."""
        sessions.end_session(self, session_id)

    def is_session_ended(self, session_id: str) -> bool:
        return sessions.is_session_ended(self, session_id)

    def personal_link_number(self, pseudonym: str) -> int:
        """How many personal links of this person were replaced; only a link with this number counts."""
        return sessions.personal_link_number(self, pseudonym)

    def replace_personal_link(self, pseudonym: str) -> int:
        """Makes all earlier links and sessions of a person worthless; returns the number of the new link."""
        return sessions.replace_personal_link(self, pseudonym)

    def close_study(self, study: Study, organiser: str) -> None:
        """Ends a study, for good. A study that is over stays as it is; raises JournalError for the default study."""
        endings.close_study(self, study, organiser)

    def change_study(
        self, study: Study, action: StudyAction, organiser: str, ends_at: datetime | None = None
    ) -> StudyChange | None:
        """Pauses a study, lets it go on, moves its deadline to `ends_at`, or deletes it; None if it is so already.

        Raises JournalError for a study that is over or always open, for a deadline that is not later than before, and
        for the deletion of a study that has begun.
        """
        if study.settings.per_item is None:
            raise JournalError("The study of all described heads is always open.")
        with self.transaction("The study was not changed: {reason}."):
            if endings.load_ending(self, study.name) is not None:
                raise JournalError("The study is over, so nothing of it can be changed any more.")
            at = study_changes.time_of_next(self, study.name)
            change = StudyChange(uuid.uuid4().hex, study.name, action, ends_at, organiser, at)
            if not study_changes.check_change(self, study, change):
                return None
            study_changes.insert_change(self, change)
            return change

    def endings(self) -> dict[str, Ending]:
        """The recorded end of each study that is over, by its name."""
        return endings.load_endings(self)

    def study_ending(self, study: Study) -> Ending | None:
        """The end of a study, which is recorded now if it is due; None while the study goes on.

        It is due when every invited place is done (`has_all_judgments`), or when the clock of this process has been
        past the deadline for ten minutes without a break.
        """
        ending = endings.load_ending(self, study.name)
        if ending is None and endings.due_reason(self, study, self.slot_holders(study).judged_by) is not None:
            with self.transaction("The end of the study could not be recorded: {reason}."):
                endings.record_if_due(self, study, self.slot_holders(study).judged_by)
            ending = endings.load_ending(self, study.name)
        return ending

    def over_reason(self, study: Study) -> str | None:
        """Why nobody can judge in a study any more, as a clause: its end is recorded, or its deadline has passed."""
        return endings.over_reason(self, study)

    def withdraw(self, annotator: str) -> None:
        """Excludes all of an annotator's answers from now on. Repeating it changes nothing.

        Raises JournalError for an unknown pseudonym.
        """
        with self.transaction("The withdrawal was not stored: {reason}."):
            if not self.select("SELECT 1 FROM annotators WHERE pseudonym = ?", (annotator,)):
                raise JournalError(f"Nobody has the pseudonym {annotator!r}; copy it from the annotator's page.")
            insert_withdrawal(self, Withdrawal(annotator, self.now()))

    def restore_withdrawals(self, rows: Iterable[Withdrawal]) -> int:
        """Stores withdrawals from elsewhere with their times; returns how many were missing.

        The annotators may be unknown here: after a lost disk a withdrawal may come back before anything else.
        """
        return sync.restore_withdrawals(self, rows)

    def withdrawal_times(self) -> dict[str, datetime]:
        """The time of each withdrawal, by pseudonym."""
        rows = self.select("SELECT annotator, withdrawn_at FROM withdrawals ORDER BY position")
        return {row["annotator"]: datetime.fromisoformat(row["withdrawn_at"]) for row in rows}

    def current_judgments(
        self,
        study: str,
        annotator: str | None = None,
        item: StudyItem | None = None,
        kind: ItemKind | None = None,
    ) -> list[Judgment]:
        """The judgments of a study that no later one supersedes, in the order of storing.

        Of one annotator, item or kind of item only, if given. Judgments of annotators who withdrew are left out.
        """
        counted = f"{NOT_SUPERSEDED_SQL} AND {NOT_WITHDRAWN_SQL}"
        query = f"SELECT {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE study = ? AND {counted}"
        values: tuple[object, ...] = (study,)
        if annotator is not None:
            query, values = f"{query} AND annotator = ?", (*values, annotator)
        if kind is not None:
            query, values = f"{query} AND item_kind = ?", (*values, kind)
        if item is not None:
            query += "".join(f" AND {name} = ?" for name in ITEM_COLUMNS)
            values += tuple(getattr(item, name) for name in ITEM_COLUMNS)
        return [judgment_from_row(row) for row in self.select(f"{query} ORDER BY position", values)]

    def has_judgments(self, study: str) -> bool:
        """Whether a study has a judgment of somebody who did not withdraw."""
        return bool(self.select(f"SELECT 1 FROM judgments WHERE study = ? AND {NOT_WITHDRAWN_SQL} LIMIT 1", (study,)))

    def all_judgments(self, study: str | None = None, *, include_withdrawn: bool = False) -> list[Judgment]:
        """All judgments in the order of storing, superseded ones too; those of withdrawn annotators only on request."""
        who = "1" if include_withdrawn else NOT_WITHDRAWN_SQL
        query = (
            f"SELECT {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE (?1 IS NULL OR study = ?1) AND {who} ORDER BY position"
        )
        return [judgment_from_row(row) for row in self.select(query, (study,))]

    def judgment_cells(self, study: str, columns: Sequence[str]) -> list[Sequence[Any]]:
        """Some columns of all judgments of a study, without those of withdrawn annotators, in the order of storing.

        For large studies: this takes a tenth of the memory of whole judgments.
        """
        return load_judgment_cells(self, study, columns)

    def last_positions(self) -> tuple[int, int]:
        """The last positions of judgments and withdrawals. Rows are only ever added: same positions, same rows."""
        query = "SELECT coalesce(max(position), 0) FROM {}"
        judgments = self.select(query.format("judgments"))[0][0]
        return judgments, self.select(query.format("withdrawals"))[0][0]

    def annotators(self) -> list[ConsentedAnnotator]:
        """Everyone who consented, in the order of their first consent."""
        rows = self.select("SELECT * FROM annotators ORDER BY position")
        return [
            ConsentedAnnotator(row["pseudonym"], datetime.fromisoformat(row["consented_at"]), row["guidelines_version"])
            for row in rows
        ]

    def unpublished_rows(self) -> LedgerRows:
        """The rows that no commit of the ledger contains yet, without answers and consents of withdrawn annotators."""
        return sync.load_unpublished_rows(self)

    def unpublished_withdrawals(self) -> tuple[Withdrawal, ...]:
        """The withdrawals that no commit of the ledger contains yet."""
        return sync.load_unpublished_withdrawals(self)

    def mark_published(self, kind: sync.RowKind, ids: Iterable[str], commit_id: str) -> None:
        """Records that a commit of the ledger contains the rows with these `row_id`s. The first commit stays."""
        sync.mark_published(self, kind, ids, commit_id)

    def publication_commits(self, judgment_ids: Sequence[str]) -> dict[str, str]:
        """The ledger's commit of each of these judgments, if it is published."""
        return sync.load_publication_commits(self, judgment_ids)

    def known_judgment_ids(self, judgment_ids: Sequence[str]) -> set[str]:
        """The ids among these that the journal contains, also of withdrawn annotators."""
        return sync.load_known_judgment_ids(self, judgment_ids)

    def withdrawn_judgment_ids(self, judgment_ids: Sequence[str]) -> set[str]:
        """The ids among these that are of withdrawn annotators."""
        return sync.load_withdrawn_judgment_ids(self, judgment_ids)

    def restore(self, rows: LedgerRows, commit_id: str) -> int:
        """Restores all rows of the ledger with their times, marks them as published, and returns how many were missing.

        All other rows then count as unpublished. Either all rows are restored or none; repeating it changes nothing.
        Judgments of withdrawn annotators stay out. Raises JournalError if a judgment contradicts the journal, or lacks
        its consent or the judgment that it supersedes.
        """
        return sync.restore_rows(self, rows, commit_id)
