"""What a scorer is asked of an atlas, each described head twice: with its description and with another one's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.llm.messages import Message, prompt_hash
from maps.scoring.items import ITEMS_PER_KIND, DetectionItem, draw_items, exchange_partners, item_truth
from maps.scoring.prompt import detection_messages
from maps.types import HeadId


class DetectionQuestion(NamedTuple):
    """One question to a scorer: whether a head's items fit the description `shown`, its own or another head's."""

    head: HeadId
    describer: str
    description_id: str
    shown_id: str
    truth: tuple[bool | None, ...]  # whether each item is the head's; None where it is not counted
    messages: list[Message]
    prompt_hash: str


class DetectionPlan(NamedTuple):
    """What can be scored, and how many heads with or without a description cannot, by why."""

    questions: list[DetectionQuestion]
    unclear_count: int  # the description says that there is no pattern
    stale_count: int  # the head's mappings changed after it was described
    without_control_count: int  # no other described head in the layer, so no control
    short_count: int  # fewer than ten items of a kind


def plan_detection(atlas: Atlas, describer: str | None, seed: int) -> DetectionPlan:
    """The questions about every current description, or those of one describer; raises MapsError where it has none."""
    every = [row for row in atlas.descriptions() if describer in (None, row["describer"])]
    if not every:
        who = "any describer" if describer is None else describer
        raise MapsError(f"{atlas.folder} holds no description of {who}; `python -m maps describe` makes them.")
    held_out, stale = atlas.mappings_by_head("heldout"), atlas.stale_description_ids()
    fresh = [row for row in every if row["description_id"] not in stale]
    found: list[DetectionQuestion] = []
    alone = short = 0
    for name in sorted({row["describer"] for row in fresh}):
        described = {head_of(row): row for row in fresh if row["describer"] == name and row["pattern"]}
        partner = exchange_partners(described, seed)
        for head, row in sorted(described.items()):
            drawn = draw_items(head, held_out, seed)
            whole = item_truth(drawn, head, head)
            short += not whole.count(True) == whole.count(False) == ITEMS_PER_KIND
            other = described.get(partner.get(head, head), row)
            asked = [build_question(row, shown, drawn) for shown in (row, *([other] if other is not row else []))]
            asked = [each for each in asked if {True, False} <= set(each.truth)]
            alone += len(asked) == 1
            found += asked
    return DetectionPlan(found, sum(not row["pattern"] for row in fresh), len(every) - len(fresh), alone, short)


def head_of(row: Row) -> HeadId:
    """The head that a row is about."""
    return HeadId(row["layer"], row["head"])


def build_question(row: Row, shown_row: Row, items: Sequence[DetectionItem]) -> DetectionQuestion:
    """The question whether a described head's items fit a description, that of `row` or another one."""
    asked = detection_messages(shown_row["input_strings"], shown_row["observed_pattern"], items)
    return DetectionQuestion(
        head_of(row),
        row["describer"],
        row["description_id"],
        shown_row["description_id"],
        tuple(item_truth(items, head_of(row), head_of(shown_row))),
        asked,
        prompt_hash(asked),
    )
