"""The questions for a scorer: two for each described head, with its own description and with another head's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maps.atlas.choice import EVERY_HEAD, HeadChoice
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.llm.messages import Message, prompt_hash
from maps.scoring.items import (
    ITEMS_PER_KIND,
    DetectionItem,
    detection_messages,
    draw_items,
    exchange_partners,
    item_truth,
)
from maps.types import HeadId


class DetectionQuestion(NamedTuple):
    """One question to a scorer: which items fit the shown description, the head's own or another head's."""

    head: HeadId
    describer: str
    description_id: str
    shown_id: str
    truth: tuple[bool | None, ...]  # whether each item is the head's; None: not counted
    messages: list[Message]
    prompt_hash: str


class DetectionPlan(NamedTuple):
    """The questions, and how many descriptions give none or only one, by reason."""

    questions: list[DetectionQuestion]
    unclear_count: int  # the description says that there is no pattern: no question
    stale_count: int  # the mappings changed after the head was described: no question
    without_control_count: int  # no other described head in the layer: no control
    short_count: int  # fewer than ten items of a kind: fewer items in the question


def plan_detection(atlas: Atlas, describer: str | None, seed: int, choice: HeadChoice = EVERY_HEAD) -> DetectionPlan:
    """The questions about current descriptions of the chosen heads, or those of one describer.

    Controls are drawn from all described heads, chosen or not. Raises MapsError if there is no description.
    """
    chosen = set(choice.select(atlas.head_ids))
    rows = [row for row in atlas.descriptions() if describer in (None, row["describer"])]
    if not rows:
        by_whom = "" if describer is None else f" by {describer}"
        raise MapsError(f"{atlas.folder} contains no descriptions{by_whom}: run `python -m maps describe` first.")
    held_out, stale = atlas.mappings_by_head("heldout"), atlas.stale_description_ids()
    fresh = [row for row in rows if row["description_id"] not in stale]
    questions: list[DetectionQuestion] = []
    without_control_count = short_count = 0
    for name in sorted({row["describer"] for row in fresh}):
        described = {head_of(row): row for row in fresh if row["describer"] == name and row["pattern"]}
        partners = exchange_partners(described, seed)
        for head, row in sorted((head, row) for head, row in described.items() if head in chosen):
            items = draw_items(head, held_out, seed)
            own_count = sum(item.head == head for item in items)
            short_count += not own_count == len(items) - own_count == ITEMS_PER_KIND
            shown_rows = [row, described[partners[head]]] if head in partners else [row]
            both = [build_question(row, shown_row, items) for shown_row in shown_rows]
            answerable = [question for question in both if {True, False} <= set(question.truth)]
            without_control_count += len(answerable) == 1
            questions += answerable
    unclear_count = sum(not row["pattern"] for row in fresh if head_of(row) in chosen)
    stale_count = sum(row["description_id"] in stale for row in rows if head_of(row) in chosen)
    return DetectionPlan(questions, unclear_count, stale_count, without_control_count, short_count)


def head_of(row: Row) -> HeadId:
    return HeadId(row["layer"], row["head"])


def build_question(row: Row, shown_row: Row, items: Sequence[DetectionItem]) -> DetectionQuestion:
    """The question whether items fit the description in `shown_row`; `row` is the description of their head."""
    messages = detection_messages(shown_row["input_strings"], shown_row["observed_pattern"], items)
    return DetectionQuestion(
        head_of(row),
        row["describer"],
        row["description_id"],
        shown_row["description_id"],
        tuple(item_truth(items, head_of(row), head_of(shown_row))),
        messages,
        prompt_hash(messages),
    )
