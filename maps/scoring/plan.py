"""The questions for a scorer about each described head: with its own description, and with another head's.

Where look-alikes are asked for, a third shows its own description with mappings of the heads that are most like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maps.analysis.similar_heads import MAPPING_COLUMNS, MappingIndex, similar_heads
from maps.atlas.choice import EVERY_HEAD, HeadChoice
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, head_of
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

LAYER, SIMILAR = "layer", "similar"  # other heads of the layer; the heads of the model that are most like the head
SIMILAR_HEADS = 5  # of which decoys are drawn


class DetectionQuestion(NamedTuple):
    """One question to a scorer: which items fit the shown description, the head's own or another head's."""

    head: HeadId
    describer: str
    description_id: str
    shown_id: str
    decoys: str  # where the other items are from: LAYER or SIMILAR
    truth: tuple[bool | None, ...]  # whether each item is the head's; None: not counted
    messages: list[Message]
    prompt_hash: str


class DetectionPlan(NamedTuple):
    """The questions, and how many descriptions give none or only one, by reason."""

    questions: list[DetectionQuestion]
    unclear_count: int  # the description says that there is no pattern: no question
    stale_count: int  # the mappings changed after the head was described: no question
    without_control_count: int  # no other described head in the layer: no control
    without_similar_count: int  # no head shares a source: no question with look-alikes; 0 if these are not asked for
    short_count: int  # fewer than ten items of a kind: fewer items in the question


def plan_detection(
    atlas: Atlas, describer: str | None, seed: int, choice: HeadChoice = EVERY_HEAD, look_alikes: bool = False
) -> DetectionPlan:
    """The questions about current descriptions of the chosen heads, or those of one describer.

    Controls are drawn from all described heads, chosen or not. `look_alikes`: also ask with decoys from similar heads.
    Raises MapsError if there is no description.
    """
    chosen = set(choice.select(atlas.head_ids))
    rows = [row for row in atlas.descriptions() if describer in (None, row["describer"])]
    if not rows:
        by_whom = "" if describer is None else f" by {describer}"
        raise MapsError(f"{atlas.folder} contains no descriptions{by_whom}: run `python -m maps describe` first.")
    held_out, stale = atlas.mappings_by_head("heldout"), atlas.stale_description_ids()
    fresh = [row for row in rows if row["description_id"] not in stale]
    questions: list[DetectionQuestion] = []
    without_control_count = without_similar_count = short_count = 0
    index = MappingIndex.from_table(atlas.table("mappings", MAPPING_COLUMNS)) if look_alikes else None
    for name in sorted({row["describer"] for row in fresh}):
        described = {head_of(row): row for row in fresh if row["describer"] == name and row["pattern"]}
        partners = exchange_partners(described, seed)
        for head, row in sorted((head, row) for head, row in described.items() if head in chosen):
            items = draw_items(head, held_out, seed)
            own_count = sum(item.head == head for item in items)
            short_count += not own_count == len(items) - own_count == ITEMS_PER_KIND
            shown_rows = [row, described[partners[head]]] if head in partners else [row]
            both = answerable([build_question(row, shown_row, items, LAYER) for shown_row in shown_rows])
            without_control_count += len(both) == 1
            questions += both
            if index is not None:
                others = [each.head for each in similar_heads(index, head, SIMILAR_HEADS)]
                alike = draw_items(head, held_out, seed, others)
                third = answerable([build_question(row, row, alike, SIMILAR)])
                without_similar_count += not third
                questions += third
    unclear_count = sum(not row["pattern"] for row in fresh if head_of(row) in chosen)
    stale_count = sum(row["description_id"] in stale for row in rows if head_of(row) in chosen)
    return DetectionPlan(
        questions, unclear_count, stale_count, without_control_count, without_similar_count, short_count
    )


def answerable(questions: Sequence[DetectionQuestion]) -> list[DetectionQuestion]:
    """The questions with items of both kinds."""
    return [question for question in questions if {True, False} <= set(question.truth)]


def build_question(row: Row, shown_row: Row, items: Sequence[DetectionItem], decoys: str) -> DetectionQuestion:
    """The question whether items fit the description in `shown_row`; `row` is the description of their head."""
    messages = detection_messages(shown_row["input_strings"], shown_row["observed_pattern"], items)
    return DetectionQuestion(
        head_of(row),
        row["describer"],
        row["description_id"],
        shown_row["description_id"],
        decoys,
        tuple(item_truth(items, head_of(row), head_of(shown_row))),
        messages,
        prompt_hash(messages),
    )
