"""Why somebody is given no item of a study, and how the study ends for them: with a code, or back to their panel."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.journal.participants import record_outcome
from annotation.study.panel import Outcome, exit_address, is_address
from annotation.study.practice import is_practice_answer_right
from annotation.study.study import Study
from annotation.types import Judgment
from maps.text import pluralize
from space.components.markup import Html, anchor
from space.studies.current import judging_closed_reason, not_invited_reason
from space.studies.participant import Participant, current_judgments
from space.web.sessions import Annotator

RETURN_WORDS = "Please return this study at {}, so that your place is free for somebody else."


def closed_reason(participant: Participant) -> str | None:
    """Why this person cannot judge in the study, in words for them; None if they can."""
    services, study = participant.services, participant.study
    if (reason := judging_closed_reason(services, study)) is not None:
        return reason
    if (reason := not_invited_reason(services, study, participant.annotator)) is not None:
        return reason
    return failed_practice_reason(participant)


def failed_practice_reason(participant: Participant) -> str | None:
    """Why somebody who has answered all practice items may not go on; None if the study has no pass mark."""
    pass_mark, examples = participant.study.settings.practice_pass, participant.examples_by_key
    if not pass_mark or not examples:
        return None
    answered = practice_answers(participant)
    if len(answered) < len(examples):
        return None
    right = count_right(participant, answered)
    if right >= pass_mark:
        return None
    return (
        f"You answered {right} of {pluralize(len(examples), 'practice item')} right; {pass_mark} are needed to go on "
        "in this study. Thank you for your time!"
    )


def practice_answers(participant: Participant) -> list[Judgment]:
    journal, annotator = participant.services.journal, participant.annotator.pseudonym
    return list(journal.current_judgments(participant.study.name, annotator, kind="practice"))


def count_right(participant: Participant, answers: Sequence[Judgment]) -> int:
    """How many of these answers to practice items are right in all questions."""
    return sum(is_practice_answer_right(participant.study, row) for row in answers)


def reach_outcome(participant: Participant, reason: str | None) -> Outcome | None:
    """How the study ends for somebody who is given no item, which is recorded; None if it does not end for them.

    `reason`: why they cannot judge; None if no item is left for them.
    """
    services, study, annotator = participant.services, participant.study, participant.annotator
    if participant.is_in_open_study or not_invited_reason(services, study, annotator) is not None:
        return None
    has_failed = failed_practice_reason(participant) is not None
    if reason is not None and not has_failed and services.journal.over_reason(study) is None:
        return None  # judging is closed for a while only
    has_judged = any(row.item_kind != "practice" for row in current_judgments(participant))
    outcome: Outcome = "completed" if has_judged and not has_failed else "screened_out"
    record_outcome(services.journal, study.name, annotator.pseudonym, outcome)
    return outcome


def exit_html(study: Study, outcome: Outcome | None, annotator: Annotator) -> Html:
    """The code, or the link back to the panel, for somebody at the end of a study; empty if the study has none.

    In a study with a panel, only for the panel's people; those who do not take part and have no code are asked to
    return it.
    """
    panel = study.settings.panel
    if outcome is None or (panel.parameter and annotator.panel != study.name):
        return Html("")
    text, name = getattr(panel, outcome), panel.name or "the panel"
    if not text:
        is_asked_to_return = panel.parameter and outcome != "completed"
        return Html('<p id="exit">{}</p>').format(RETURN_WORDS.format(name)) if is_asked_to_return else Html("")
    if not is_address(text):
        where = f" Enter it at {name}, so that it is known there how the study ended for you."
        return Html('<p id="exit">Your code: <b class="exit-code">{}</b>{}</p>').format(
            text, where if panel.parameter else ""
        )
    words = f"Finish: go back to {panel.name}" if panel.name else "Finish"
    reason = f"Press it, so that {name} knows how the study ended for you." if panel.parameter else ""
    return Html('<p id="exit">{} {}</p>').format(anchor(exit_address(text, annotator.name), words), reason)
