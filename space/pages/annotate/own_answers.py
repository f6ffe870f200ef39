"""An annotator's own answers as a file: what they saw and what they said, and nothing that tells a control."""

from __future__ import annotations

from pathlib import Path

from annotation.form import QUESTIONS
from annotation.types import Judgment
from maps.files.csv_export import rows_to_csv, spreadsheet_safe_cell
from space.studies.participant import Participant, current_judgments

COLUMNS = (
    *("number", "saved", "input_strings", "observed_pattern"),
    *(question.field for question in QUESTIONS),
    *("comment", "seconds", "answer_id"),
)


def write_own_answers(participant: Participant, folder: Path) -> Path:
    """Writes the file into the folder; the items are numbered in the order of answering, practice items left out."""
    judgments = [row for row in current_judgments(participant) if row.item_kind != "practice"]
    rows = (_row(participant, number, each) for number, each in enumerate(judgments, start=1))
    path = folder / f"my-answers-{participant.study.name}.csv"
    text = rows_to_csv([COLUMNS, *(tuple(map(spreadsheet_safe_cell, row)) for row in rows)])
    path.write_text(text, encoding="utf-8", newline="")
    return path


def _row(participant: Participant, number: int, judgment: Judgment) -> tuple[object, ...]:
    content = participant.item_content(judgment.item)
    answers = (question.labels.get(getattr(judgment, question.field), "") for question in QUESTIONS)
    return (
        number,
        f"{judgment.submitted_at:%Y-%m-%dT%H:%M:%SZ}",
        content.input_strings,
        content.observed_pattern,
        *answers,
        judgment.comment,
        round(judgment.seconds, 1),
        judgment.judgment_id,
    )
