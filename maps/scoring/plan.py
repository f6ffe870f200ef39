"""What a scorer is asked of an atlas, each described head twice: with its description and with another one's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.llm.messages import Message, prompt_hash
from maps.scoring.items import EACH, Item, exchanged, items, truth
from maps.scoring.prompt import messages
from maps.types import HeadId


class Question(NamedTuple):
    """One question to a scorer: whether a head's items fit the description `shown`, its own or another head's."""

    head: HeadId
    describer: str
    description_id: str
    shown_id: str
    truth: tuple[bool | None, ...]  # whether each item is the head's; None where it is not counted
    asked: list[Message]
    hash: str


class Plan(NamedTuple):
    """What can be scored, and how many heads with or without a description cannot, by why."""

    questions: list[Question]
    unclear: int  # the description says that there is no pattern
    stale: int  # the head's mappings changed after it was described
    alone: int  # no other described head in the layer, so no control
    short: int  # fewer than ten items of a kind


def plan(atlas: Atlas, describer: str | None, seed: int) -> Plan:
    """The questions about every current description, or those of one describer; raises MapsError where it has none."""
    every = [row for row in atlas.descriptions() if describer in (None, row["describer"])]
    if not every:
        who = "any describer" if describer is None else describer
        raise MapsError(f"{atlas.folder} holds no description of {who}; `python -m maps describe` makes them.")
    held_out, stale = atlas.every_mapping("heldout"), atlas.stale()
    fresh = [row for row in every if row["description_id"] not in stale]
    found: list[Question] = []
    alone = short = 0
    for name in sorted({row["describer"] for row in fresh}):
        described = {head_of(row): row for row in fresh if row["describer"] == name and row["pattern"]}
        partner = exchanged(described, seed)
        for head, row in sorted(described.items()):
            drawn = items(head, held_out, seed)
            whole = truth(drawn, head, head)
            short += not whole.count(True) == whole.count(False) == EACH
            other = described.get(partner.get(head, head), row)
            asked = [question(row, shown, drawn) for shown in (row, *([other] if other is not row else []))]
            asked = [each for each in asked if {True, False} <= set(each.truth)]
            alone += len(asked) == 1
            found += asked
    return Plan(found, sum(not row["pattern"] for row in fresh), len(every) - len(fresh), alone, short)


def head_of(row: Row) -> HeadId:
    """The head that a row is about."""
    return HeadId(row["layer"], row["head"])


def question(row: Row, shown: Row, drawn: Sequence[Item]) -> Question:
    """The question whether a described head's items fit a description, that of `row` or another one."""
    asked = messages(shown["input_strings"], shown["observed_pattern"], drawn)
    return Question(
        head_of(row),
        row["describer"],
        row["description_id"],
        shown["description_id"],
        tuple(truth(drawn, head_of(row), head_of(shown))),
        asked,
        prompt_hash(asked),
    )
