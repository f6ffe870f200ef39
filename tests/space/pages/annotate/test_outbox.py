"""The copies in a browser: what a lost disk gets back, and what nobody can smuggle in with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from annotation.form import Answers
from annotation.identity.seals import seal_text
from annotation.types import Judgment
from maps.errors import MapsError
from space.pages.annotate import outbox
from space.pages.annotate import task as tasks
from space.services import Services, open_services
from space.studies.participant import Participant
from space.web.sessions import Annotator

ANSWERS = Answers("absent_none", None, None, "a remark \U0001f600")


@pytest.fixture
def wiped(tmp_path: Path) -> Iterator[Services]:
    """The same app after its disk was lost; the key is in its settings."""
    built = open_services(
        {"MAPS_DATA": str(tmp_path / "new"), "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be"}
    )
    yield built
    built.journal.close()


def answer_next(served: Services, who: Annotator, times: int = 1) -> list[Judgment]:
    participant = Participant(served, served.default_study, who)
    return [
        tasks.store_judgment(replace(tasks.reserve_next_task(participant, ()), answers=ANSWERS))[0]
        for _ in range(times)
    ]


def copies(rows: list[Judgment], key: bytes) -> list[str]:
    return [outbox.seal_copy(row, key) for row in rows]


def test_a_copy_holds_the_whole_row_and_shows_nothing_of_it(served: Services, ada: Annotator) -> None:
    [row] = answer_next(served, ada)
    copy = outbox.seal_copy(row, served.pseudonym_key)
    assert outbox.unseal_copy(copy, served.pseudonym_key) == row
    assert not any(word in copy for word in ("head", "absent", "a-ada"))
    changed = copy[:40] + ("A" if copy[40] != "A" else "B") + copy[41:]
    for other in (changed, "", None, 7, "x" * 50_000, "ü", seal_text("[]", b"another key")):
        assert outbox.unseal_copy(other, served.pseudonym_key) is None


def test_a_lost_disk_gets_back_what_the_browser_kept_in_order_and_once(
    served: Services, wiped: Services, ada: Annotator
) -> None:
    rows = answer_next(served, ada, 2)
    participant = Participant(served, served.default_study, ada)
    back = tasks.previous_task(participant, tasks.reserve_next_task(participant, ()))
    changed, _ = tasks.store_judgment(replace(back, answers=Answers("absent_described", None, None, "")))
    kept = copies([changed, *rows], served.pseudonym_key)
    ids = [row.judgment_id for row in (changed, *rows)]
    assert outbox.compare_copies(wiped, ids) == {"drop": [], "missing": ids}
    found = outbox.restore_copies(wiped, ada, kept)
    assert (found.stored_count, found.sentences) == (3, (outbox.RESTORED_SENTENCES[1].format(3),))
    assert wiped.journal.all_judgments() == [*rows, changed]
    assert outbox.compare_copies(wiped, ids) == {"drop": [], "missing": []}
    assert outbox.restore_copies(wiped, ada, kept).stored_count == 0


def test_what_is_published_may_go(served: Services, ada: Annotator) -> None:
    first, second = answer_next(served, ada, 2)
    served.journal.mark_published("judgment", [first.judgment_id], "abc1234")
    ids = [first.judgment_id, second.judgment_id]
    assert outbox.compare_copies(served, ids) == {"drop": ids[:1], "missing": []}


def test_another_ones_answers_and_foreign_seals_stay_out_and_are_said(
    served: Services, wiped: Services, ada: Annotator, grace: Annotator
) -> None:
    kept = copies(answer_next(served, grace), served.pseudonym_key)
    foreign = copies(answer_next(served, ada), b"another key")
    found = outbox.restore_copies(wiped, ada, [*kept, *foreign, "rubbish"])
    assert found == outbox.RestoreResult(
        0,
        (
            outbox.OTHER_ANNOTATOR_SENTENCES[0],
            outbox.OTHER_SERVER_SENTENCES[1].format(2),
        ),
        (),
    )
    assert outbox.restore_copies(wiped, None, kept).sentences == (outbox.OTHER_ANNOTATOR_SENTENCES[0],)
    assert wiped.journal.all_judgments() == []


def test_an_answer_that_contradicts_a_newer_one_is_refused_in_words(
    served: Services, wiped: Services, ada: Annotator
) -> None:
    kept = copies(answer_next(served, ada), served.pseudonym_key)
    wiped.journal.record_consent(ada.pseudonym, "1")
    answer_next(wiped, ada)
    found = outbox.restore_copies(wiped, ada, kept)
    assert found.stored_count == 0
    assert "was not stored again: You have already answered this item" in found.sentences[0]
    assert len(wiped.journal.all_judgments()) == 1


def test_a_withdrawal_outlives_the_disk_and_its_answers_do_not_come_back(
    served: Services, wiped: Services, ada: Annotator
) -> None:
    rows = answer_next(served, ada, 2)
    kept = copies(rows, served.pseudonym_key)
    told = outbox.withdraw_annotator(served, ada.pseudonym)
    assert told["drop"] == [row.judgment_id for row in rows]
    assert outbox.compare_copies(served, [ada.pseudonym]) == {"drop": [], "missing": []}
    assert outbox.compare_copies(served, told["drop"]) == {"drop": told["drop"], "missing": []}  # another browser's
    assert outbox.compare_copies(wiped, [ada.pseudonym]) == {"drop": [], "missing": [ada.pseudonym]}
    assert outbox.restore_copies(wiped, None, list(told["keep"].values())).stored_count == 0
    assert list(wiped.journal.withdrawal_times()) == [ada.pseudonym]
    found = outbox.restore_copies(wiped, ada, kept)
    assert (found.stored_count, sorted(found.droppable_ids)) == (0, sorted(row.judgment_id for row in rows))
    assert wiped.journal.all_judgments(include_withdrawn=True) == []
    served.journal.mark_published("withdrawal", [ada.pseudonym], "abc1234")
    assert outbox.compare_copies(served, [ada.pseudonym])["drop"] == [ada.pseudonym]


@pytest.mark.parametrize("sent", [["x" * 65], [1], ["a"] * 10_001])
def test_ids_that_no_browser_of_ours_sends_are_refused(served: Services, sent: list[object]) -> None:
    with pytest.raises(MapsError, match="damaged"):
        outbox.compare_copies(served, sent)


def test_more_copies_than_a_page_sends_are_refused(served: Services, ada: Annotator) -> None:
    with pytest.raises(MapsError, match="At most 500"):
        outbox.restore_copies(served, ada, ["x"] * 501)
    senseless: tuple[object, ...] = (None, {}, "text", 7)
    for nothing in senseless:
        assert outbox.restore_copies(served, ada, nothing) == outbox.RestoreResult(0, (), ())
        assert outbox.compare_copies(served, nothing) == {"drop": [], "missing": []}
