"""What people from a panel did, by their ids at the panel: the list by which they are paid.

The ids come from the panel. Pseudonyms are derived from them with the key; nothing that is stored here names anybody.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial

from annotation.identity.pseudonyms import derive_panel_pseudonym
from annotation.journal.journal import Journal
from annotation.journal.participants import load_outcomes
from annotation.statistics.progress import summarise_annotators
from annotation.study.panel import check_panel_id
from annotation.study.practice import is_practice_answer_right
from annotation.study.study import Study
from annotation.types import Judgment
from maps.errors import MapsError
from maps.files.csv_export import escape_formula, rows_to_csv

ID_HEADINGS = ("participant id", "participant_id", "participantid", "prolific_pid", "survey code", "survey_code", "id")
OUTCOME_STATES = {"completed": "completed", "screened_out": "screened out"}


@dataclass(frozen=True)
class Payment:
    """What one person from a panel did.

    `state`: completed, screened out, at work, agreed (nothing judged yet), withdrawn, or not known here.
    `hours` were spent on items and practice items. Of `practice` items, `practice_right` were answered all right; of
    `controls`, `controls_refused` were not accepted.
    """

    panel_id: str
    pseudonym: str
    state: str
    items: int = 0
    hours: float = 0.0
    practice_right: int = 0
    practice: int = 0
    controls_refused: int = 0
    controls: int = 0


PAYMENT_COLUMNS = tuple(field.name for field in fields(Payment))


def parse_panel_ids(lines: Iterable[str], parameter: str = "") -> list[str]:
    """The ids in a panel's list, each once: one a line, or the column of a CSV that is called like an id, else its
    first. Raises MapsError for an id that cannot be one, and for an empty list."""
    rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    headings = {*ID_HEADINGS, parameter.lower()} - {""}
    column = next((n for n, cell in enumerate(rows[0]) if cell.strip().lower() in headings), None) if rows else None
    data = rows if column is None else rows[1:]
    ids = [row[column or 0].strip() if (column or 0) < len(row) else "" for row in data]
    for number, panel_id in enumerate(ids, start=1 + (column is not None)):
        if check_panel_id(panel_id) is None:
            raise MapsError(f"Line {number} of the list has no participant id: {panel_id[:40]!r}.")
    if not ids:
        raise MapsError("The list has no participant ids; write one a line.")
    return list(dict.fromkeys(ids))


def list_payments(journal: Journal, study: Study, panel_ids: Sequence[str], key: bytes) -> list[Payment]:
    """What each of these people did in a study."""
    judgments = journal.current_judgments(study.name)
    is_right = partial(is_practice_answer_right, study)
    work = {each.annotator: each for each in summarise_annotators(judgments, is_right)}
    practice: dict[str, list[Judgment]] = defaultdict(list)
    for row in judgments:
        if row.item_kind == "practice":
            practice[row.annotator].append(row)
    outcomes, withdrawn = load_outcomes(journal, study.name), journal.withdrawal_times()
    payments = []
    for panel_id in panel_ids:
        pseudonym = derive_panel_pseudonym(study.name, panel_id, key)
        did, outcome = work.get(pseudonym), outcomes.get(pseudonym)
        if pseudonym in withdrawn:
            state = "withdrawn"
        elif outcome is not None:
            state = OUTCOME_STATES.get(outcome, outcome)
        elif did is not None:
            state = "at work"
        else:
            state = "agreed" if journal.is_known(pseudonym) else "not known here"
        if did is not None:
            numbers = (did.items, round(did.hours, 3), did.right_practice_items, did.practice_items)
            payments.append(Payment(panel_id, pseudonym, state, *numbers, did.refused_controls, did.controls))
        else:  # nobody, or somebody who has come no further than the practice
            rows = practice[pseudonym]
            hours = round(sum(row.seconds for row in rows) / 3600, 3)
            payments.append(Payment(panel_id, pseudonym, state, 0, hours, sum(map(is_right, rows)), len(rows)))
    return payments


def payments_csv(payments: Iterable[Payment]) -> str:
    """The list as a CSV with a heading."""
    rows = ((escape_formula(each.panel_id), *list(vars(each).values())[1:]) for each in payments)
    return rows_to_csv([PAYMENT_COLUMNS, *rows])
