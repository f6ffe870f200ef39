"""A study for invited people: whoever has an invitation judges, and nobody else, whatever their browser says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from annotation.errors import JournalError
from annotation.form import Answers
from annotation.identity.tokens import ANYBODY_WITH_THE_LINK, make_invitation
from space.pages.annotate import task as tasks
from space.services import Services
from space.studies.current import NOT_INVITED, accept_invitation, may_be_invited
from space.studies.participant import Participant
from space.web.sessions import Annotator
from tests.space.conftest import create_test_study

ANSWERS = Answers("absent_none", None, None, "")


def test_only_who_was_let_in_by_an_invitation_gets_an_item(served: Services, ada: Annotator, grace: Annotator) -> None:
    study = create_test_study(served, invited_only=True)
    stranger, invited = Participant(served, study, ada), Participant(served, study, grace)
    theirs = make_invitation(study.name, grace.pseudonym, served.pseudonym_key)
    accept_invitation(served, study, ada, theirs)  # somebody else's link
    accept_invitation(served, study, ada, None)
    task = tasks.reserve_next_task(stranger, ())
    assert (task.item, task.closed_reason) == (None, NOT_INVITED)
    with pytest.raises(JournalError, match="Only invited people take part"):
        tasks.store_judgment(replace(tasks.new_task(stranger, study.order[0], ()), answers=ANSWERS))
    accept_invitation(served, study, grace, theirs)
    for _ in range(7):
        task = tasks.reserve_next_task(invited, ())
        assert task.item is not None
        tasks.store_judgment(replace(task, answers=ANSWERS))
    assert {row.annotator for row in served.journal.all_judgments(study.name)} == {grace.pseudonym}


def test_a_study_for_everybody_asks_nobody_for_an_invitation(served: Services, ada: Annotator) -> None:
    participant = Participant(served, create_test_study(served), ada)
    assert tasks.reserve_next_task(participant, ()).item is not None


def test_a_stranger_meets_a_shut_door_before_any_question(served: Services, ada: Annotator, grace: Annotator) -> None:
    study, key = create_test_study(served, invited_only=True), served.pseudonym_key
    theirs, for_all = (make_invitation(study.name, each, key) for each in (grace.pseudonym, ANYBODY_WITH_THE_LINK))
    may = {
        (who.name if who else "", link): may_be_invited(served, study, who, link)
        for who in (None, ada, grace)
        for link in (None, "x", theirs, for_all)
    }
    assert [case for case, is_let_in in may.items() if is_let_in] == [
        *(("", for_all), (ada.name, for_all), (grace.name, theirs), (grace.name, for_all)),
    ]
    on_space = replace(served, is_on_space=True)  # a login may turn out to be the invited one
    assert may_be_invited(on_space, study, None, theirs)
    assert not may_be_invited(on_space, study, None, None)
    assert may_be_invited(served, create_test_study(served, name="open"), None, None)
