"""How a study ends for somebody: by their work, the pass mark of the practice, or because nothing is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from annotation.errors import JournalError
from annotation.form import GUIDELINES_VERSION, Answers
from annotation.identity.pseudonyms import derive_panel_pseudonym, derive_pseudonym
from annotation.identity.tokens import ANYBODY_WITH_THE_LINK, THE_PANEL, make_invitation
from annotation.journal.participants import load_outcomes
from annotation.study.panel import PanelSettings, panel_settings
from annotation.study.study import Study, StudyNotice
from space.pages.annotate import task as tasks
from space.pages.annotate.arrival import open_session, panel_link_problem
from space.pages.annotate.ends import exit_html
from space.pages.annotate.task import AnnotationTask
from space.pages.annotate.view import evidence_html
from space.services import Services
from space.studies.current import NOT_INVITED, accept_invitation
from space.studies.participant import Participant
from space.web.sessions import Annotator, identify_annotator
from tests.sign_in import session_token
from tests.space.conftest import create_test_study
from tests.space.web.test_sessions import NOBODY

ANSWERS = Answers("absent_none", None, None, "")
PANEL = panel_settings("prolific", completed="DONE", screened_out="OUT", declined="NO")


def panel_query(served: Services, study: Study, panel_id: str | None) -> dict[str, str]:
    """What is in the panel's link, with the id that the panel put there."""
    invitation = make_invitation(study.name, THE_PANEL, served.pseudonym_key)
    return {"study": study.name, "invitation": invitation} | ({"PROLIFIC_PID": panel_id} if panel_id else {})


def arrive(served: Services, study: Study, panel_id: str) -> Participant:
    """Somebody who opened the panel's link and agreed."""
    query = panel_query(served, study, panel_id)
    assert panel_link_problem(served, study, query) is None
    token, _ = open_session(served, study, None, query)
    annotator = identify_annotator(served, token, NOBODY)
    assert annotator is not None
    served.journal.record_consent(annotator.pseudonym, GUIDELINES_VERSION)
    accept_invitation(served, study, annotator, query["invitation"])
    return Participant(served, study, annotator)


def judge_all(participant: Participant) -> AnnotationTask:
    """Judges until nothing is left; the task at the end."""
    while (task := tasks.reserve_next_task(participant, ())).item is not None:
        tasks.store_judgment(replace(task, answers=ANSWERS))
    return task


def test_whoever_comes_from_the_panel_judges_and_gets_the_code(served: Services) -> None:
    study = create_test_study(served, invited_only=True, panel=PANEL)
    participant = arrive(served, study, "5f8a")
    assert tasks.reserve_next_task(participant, ()).outcome is None
    task = judge_all(participant)
    assert (task.outcome, task.progress.done > 0) == ("completed", True)
    assert "submissions/complete?cc=DONE" in exit_html(study, task.outcome, participant.annotator)
    assert load_outcomes(served.journal, study.name) == {participant.annotator.pseudonym: "completed"}
    assert b"5f8a" not in served.journal.path.read_bytes()
    again = arrive(served, study, "5f8a")
    assert again.annotator == participant.annotator


def test_on_a_space_people_of_a_panel_need_no_login_and_others_do(served: Services) -> None:
    on_space = replace(served, is_on_space=True, has_login=True)
    study = create_test_study(on_space, invited_only=True, panel=PANEL)
    participant = arrive(on_space, study, "5f8a")
    assert judge_all(participant).outcome == "completed"
    token, _ = open_session(on_space, study, None, panel_query(on_space, study, "5f8a"))
    kept, _ = open_session(on_space, study, token, {"study": study.name})  # a reload, without the panel's parameters
    assert identify_annotator(on_space, kept, NOBODY) == participant.annotator
    assert identify_annotator(on_space, session_token("5f8a", on_space.pseudonym_key), NOBODY) is None


def test_the_panel_is_for_one_study_and_its_id_is_no_name(served: Services) -> None:
    study = create_test_study(served, panel=PANEL)
    one, key = arrive(served, study, "5f8a").annotator.pseudonym, served.pseudonym_key
    assert one != derive_pseudonym("5f8a", key)
    assert one != derive_panel_pseudonym("another", "5f8a", key)
    other = create_test_study(served, name="other", invited_only=True)
    stranger = replace(arrive(served, study, "5f8a"), study=other)
    assert tasks.reserve_next_task(stranger, ()).closed_reason == NOT_INVITED


def test_a_panels_link_without_an_id_and_an_id_without_the_link_let_nobody_in(served: Services) -> None:
    study = create_test_study(served, invited_only=True, panel=PANEL)
    for panel_id in (None, "{{%PROLIFIC_PID%}}"):
        problem = panel_link_problem(served, study, panel_query(served, study, panel_id))
        assert problem == "This link lacks your participant id. Please open the study from Prolific."
    made_up = {"study": study.name, "PROLIFIC_PID": "5f8a"}
    for query in (made_up, made_up | {"invitation": "x"}, made_up | {"invitation": shared_link(served, study.name)}):
        assert open_session(served, study, None, query) == (None, "")


def test_a_shared_link_lets_anybody_into_its_study_and_no_other(served: Services, ada: Annotator) -> None:
    one, other = (create_test_study(served, name=name, invited_only=True) for name in ("one", "other"))
    for study in (one, other):
        accept_invitation(served, study, ada, shared_link(served, "one"))
    assert tasks.reserve_next_task(Participant(served, one, ada), ()).item is not None
    assert tasks.reserve_next_task(Participant(served, other, ada), ()).closed_reason == NOT_INVITED


def shared_link(served: Services, study: str) -> str:
    return make_invitation(study, ANYBODY_WITH_THE_LINK, served.pseudonym_key)


@pytest.mark.parametrize("right", [2, 3])
def test_the_pass_mark_of_the_practice_decides(right: int, served: Services) -> None:
    study = create_test_study(served, practice=True, practice_pass=3, panel=PANEL)
    participant = arrive(served, study, "5f8a")
    for number, example in enumerate(participant.examples_by_key.values()):
        presence = "absent_described" if example.answers.presence == "absent_none" else "absent_none"
        wrong = Answers(presence, None, None, "")
        task = tasks.reserve_next_task(participant, ())
        tasks.store_judgment(replace(task, answers=example.answers if number < right else wrong))
    task = tasks.reserve_next_task(participant, ())
    if right == 3:
        assert (task.item is not None, task.outcome) == (True, None)
        return
    assert (task.item, task.outcome) == (None, "screened_out")
    assert task.closed_reason is not None
    assert task.closed_reason.startswith("You answered 2 of 7 practice items right; 3 are needed")
    assert "cc=OUT" in exit_html(study, task.outcome, participant.annotator)
    with pytest.raises(JournalError, match="3 are needed"):
        tasks.store_judgment(replace(tasks.new_task(participant, study.order[0], ()), answers=ANSWERS))


def test_whoever_finds_nothing_left_is_screened_out_and_a_pause_is_no_end(served: Services) -> None:
    study = create_test_study(served, per_item=1, overlap=0, panel=PANEL)
    judge_all(arrive(served, study, "first"))
    judge_all(arrive(served, study, "second"))
    late = arrive(served, study, "late")
    assert tasks.reserve_next_task(late, ()).outcome == "screened_out"
    other = create_test_study(served, name="other", panel=PANEL)
    served.journal.change_study(other, "paused", "a-organiser")
    task = tasks.reserve_next_task(arrive(served, other, "late"), ())
    assert (task.item, task.outcome) == (None, None)
    assert task.closed_reason == "The study other is paused; please come back later. Answers that were given are kept."


def test_a_place_that_is_returned_goes_to_somebody_else(served: Services) -> None:
    study = create_test_study(served, per_item=1, overlap=0, swapped=0, shuffled=0, panel=PANEL)
    first, second = arrive(served, study, "first"), arrive(served, study, "second")
    for _ in study.order[1:]:
        tasks.store_judgment(replace(tasks.reserve_next_task(first, ()), answers=ANSWERS))
    assert tasks.reserve_next_task(first, ()).item is not None  # the last item is theirs for now
    assert tasks.reserve_next_task(second, ()).item is None
    served.journal.withdraw(first.annotator.pseudonym)
    judge_all(second)
    judged = served.journal.slot_holders(study).judged_by
    assert set(judged) == {item.key for item in study.order}
    assert all(people == {second.annotator.pseudonym} for people in judged.values())


def test_a_code_is_escaped(served: Services, ada: Annotator) -> None:
    study = create_test_study(served, panel=PanelSettings(completed="<b>"))
    assert "&lt;b&gt;" in exit_html(study, "completed", ada)
    assert exit_html(study, "declined", ada) == exit_html(study, None, ada) == ""


def test_only_the_panels_people_are_sent_back_to_it(served: Services, ada: Annotator) -> None:
    study = create_test_study(served, panel=PANEL)
    task = judge_all(Participant(served, study, ada))
    assert task.outcome == "completed"
    assert exit_html(study, task.outcome, ada) == ""


def test_who_has_a_link_to_follow_is_not_told_to_leave_and_hears_what_happens_next(served: Services) -> None:
    notice = StudyNotice(title="Heads", next_steps="You are paid within a week.")
    study = create_test_study(served, per_item=1, overlap=0, panel=PANEL, notice=notice)
    shown = evidence_html(judge_all(arrive(served, study, "5f8a")))
    assert shown.index("The study “Heads” is over") < shown.index("paid within a week") < shown.index("cc=DONE")
    assert shown.index("cc=DONE") < shown.index("To look at your answers or change them, press Back.")
    assert "You can close this page." not in shown


def test_people_of_a_panel_without_codes_are_asked_to_return_it_unless_they_are_done(served: Services) -> None:
    study = create_test_study(served, panel=replace(PANEL, name="SONA", screened_out="", declined="", completed=""))
    person = arrive(served, study, "5f8a").annotator
    assert "Please return this study at SONA" in exit_html(study, "declined", person)
    assert exit_html(study, "completed", person) == ""
