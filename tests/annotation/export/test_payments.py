"""The list for payment: read from what a panel exports, and made of pseudonyms alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from annotation.export.payments import Payment, list_payments, parse_panel_ids, payments_csv
from annotation.identity.pseudonyms import derive_panel_pseudonym
from annotation.journal.journal import Journal
from annotation.journal.participants import record_outcome
from annotation.study.practice import load_practice_examples
from maps.errors import MapsError
from tests.annotation.invented_study import CREATED, freeze_invented_study
from tests.annotation.journal.test_reservations import judged

KEY = b"k" * 32


@pytest.mark.parametrize(
    "lines",
    [
        ["p1", "", " p2 ", "p1"],
        ["Submission id,Participant id,Status", "s1,p1,APPROVED", "s2,p2,RETURNED"],
        ["PROLIFIC_PID", "p1", "p2"],
        ["p1,Ada", "p2,Grace"],
    ],
)
def test_a_list_or_a_table_of_a_panel_names_each_person_once(lines: list[str]) -> None:
    assert parse_panel_ids(lines, "PROLIFIC_PID") == ["p1", "p2"]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "no participant ids"),
        (["Participant id"], "no participant ids"),
        (["p1", "p 2"], "Line 2"),
        (["Participant id,Status", ",x"], "Line 2"),
    ],
)
def test_a_bad_list_gets_one_sentence(lines: list[str], sentence: str) -> None:
    with pytest.raises(MapsError, match=sentence):
        parse_panel_ids(lines)


def test_everybody_is_listed_with_what_they_did(tmp_path: Path) -> None:
    study = freeze_invented_study(per_item=9)
    names = {who: derive_panel_pseudonym(study.name, who, KEY) for who in ("done", "working", "agreed", "gone", "=new")}
    with Journal(tmp_path / "journal.sqlite", now=lambda: CREATED + timedelta(hours=1)) as journal:
        for who in ("done", "working", "agreed", "gone"):
            journal.record_consent(names[who], "1")
        for who in ("done", "working", "gone"):
            journal.record_judgment(judged(study.order[0], names[who]), study)
        record_outcome(journal, study.name, names["done"], "completed")
        journal.withdraw(names["gone"])
        payments = list_payments(journal, study, list(names), KEY)
    states = {each.panel_id: (each.state, each.items) for each in payments}
    assert states == {
        "done": ("completed", 1),
        "working": ("at work", 1),
        "agreed": ("agreed", 0),
        "gone": ("withdrawn", 0),
        "=new": ("not known here", 0),
    }
    text = payments_csv([Payment("=new", names["=new"], "agreed")])
    assert text.splitlines()[1].startswith("'=new,")


def test_who_has_come_no_further_than_the_practice_is_listed_with_it(tmp_path: Path) -> None:
    study = freeze_invented_study(per_item=9)
    example = load_practice_examples(study.name)[0]
    name = derive_panel_pseudonym(study.name, "new", KEY)
    right = replace(judged(example.item, name), seconds=36.0)  # no pattern, as the first practice item has none
    with Journal(tmp_path / "journal.sqlite", now=lambda: CREATED + timedelta(hours=1)) as journal:
        journal.record_consent(name, "1")
        journal.record_judgment(right, study)
        [payment] = list_payments(journal, study, ["new"], KEY)
    assert (payment.items, payment.practice_right, payment.practice) == (0, 1, 1)
    assert payment.hours == 0.01
