"""What people read before they take part, and the file of their own answers."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from annotation.form import Answers
from annotation.study.study import StudyNotice, check_notice
from maps.errors import MapsError
from space.pages.annotate import task as tasks
from space.pages.annotate.own_answers import write_own_answers
from space.pages.annotate.welcome import welcome_html, work_words
from space.services import Services
from space.studies.participant import Participant
from space.web.sessions import Annotator
from tests.annotation.invented_study import freeze_invented_study
from tests.space.conftest import create_test_study


def test_the_organisers_words_are_shown_and_escaped() -> None:
    notice = StudyNotice("Heads & tails", "Ada <b>", purpose="A paper.", contact="ada@example.org", ethics="No. 7")
    shown = welcome_html(freeze_invented_study(notice=notice))
    assert "<h1>Heads &amp; tails</h1>" in shown
    for words in ("<dt>Who asks</dt><dd>Ada &lt;b&gt;</dd>", "<dd>A paper.</dd>", "<dd>No. 7</dd>"):
        assert words in shown
    assert "What you get" not in shown
    assert "A source with its targets is a mapping." in shown
    assert "A country leads to its capital" in shown


def test_the_work_is_that_of_one_person() -> None:
    plain = freeze_invented_study(practice=False)
    assert len(plain.order) == 18
    assert work_words(plain).startswith("You are asked for up to 18 items: about 14 minutes in all. You can stop")
    invited = replace(plain, settings=replace(plain.settings, annotators=4))
    # 16 items with two judgments each and two of the overlap from each of four: 10 items a person.
    assert "about 10 items: about 8 minutes in all. You may be given more, up to 18, if others" in work_words(invited)
    practised = freeze_invented_study(per_annotator=5)
    assert "up to 5 items, after 7 practice items: about 9 minutes in all. After a practice" in work_words(practised)
    assert "To go on you need" not in work_words(practised)
    strict = freeze_invented_study(per_annotator=5, practice_pass=4)
    assert "To go on you need 4 of 7 practice items right, in all their questions." in work_words(strict)


def test_a_text_that_is_too_long_is_refused_and_others_are_stripped() -> None:
    assert check_notice(StudyNotice(title="  A  ")).title == "A"
    with pytest.raises(MapsError, match="The text next steps has 1,001 characters; shorten it to 1,000"):
        check_notice(StudyNotice(next_steps="x" * 1001))
    with pytest.raises(MapsError, match="cannot be stored"):
        check_notice(StudyNotice(purpose="\0"))


def test_own_answers_are_a_file_that_tells_no_control(served: Services, ada: Annotator, tmp_path: Path) -> None:
    participant = Participant(served, create_test_study(served), ada)
    for number in range(7):
        task = tasks.reserve_next_task(participant, ())
        comment = "=1+1" if number == 0 else ""
        tasks.store_judgment(replace(task, answers=Answers("absent_none", None, None, comment)))
    path = write_own_answers(participant, tmp_path)
    assert path.name == "my-answers-pilot.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == [str(number) for number in range(1, 8)]
    assert rows[0]["comment"] == "'=1+1"
    assert {row["presence"] for row in rows} == {"No pattern is visible and none was described"}
    text = path.read_text(encoding="utf-8")
    assert not any(secret in text for secret in ("swapped", "shuffled", "overlap", "head"))
