"""Practice items before the first real one, with the right answers and the reasons for them.

Together they have every answer of the form. The first describes no pattern, and rightly so: many descriptions do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from annotation.form import QUESTIONS, Answers, answers_of_judgment
from annotation.study.file import mappings_from_data
from annotation.study.study import ItemContent, Study
from annotation.types import Judgment, StudyItem
from maps.errors import MapsError
from maps.text import pluralize

EXAMPLES_FILE = Path(__file__).parents[1] / "data" / "practice.json"
PRACTICE_MODEL = "practice"


@dataclass(frozen=True)
class PracticeExample:
    """A practice item, its content, the right answers, and a sentence of feedback for each question."""

    item: StudyItem
    content: ItemContent
    answers: Answers
    feedback: dict[str, str]

    def wrong_fields(self, answers: Answers) -> tuple[str, ...]:
        return tuple(q.field for q in QUESTIONS if getattr(answers, q.field) != getattr(self.answers, q.field))


@cache
def load_practice_examples(study: str) -> tuple[PracticeExample, ...]:
    """The practice items of a study, in the order in which they are shown."""
    examples = []
    for row in json.loads(EXAMPLES_FILE.read_text(encoding="utf-8")):
        item = StudyItem(
            study, PRACTICE_MODEL, 0, row["number"], "practice", row["mapping_hash"], row["description_id"]
        )
        shown = ItemContent(mappings_from_data(row["mappings"]), row["input_strings"], row["observed_pattern"])
        examples.append(PracticeExample(item, shown, Answers(**row["answers"], comment=""), row["feedback"]))
    return tuple(examples)


def is_practice_answer_right(study: Study, judgment: Judgment) -> bool:
    """Whether a judgment is of a practice item of the study, and all its answers are right."""
    example = next((each for each in practice_of_study(study) if each.item.key == judgment.item.key), None)
    return example is not None and not example.wrong_fields(answers_of_judgment(judgment))


def check_pass_mark(pass_mark: int, has_practice: bool) -> int:
    """How many practice items must be right; raises MapsError for more than there are."""
    number = len(load_practice_examples("")) if has_practice else 0
    if pass_mark > number:
        why = f"the practice has {number}" if has_practice else "the study has no practice"
        raise MapsError(f"{pluralize(pass_mark, 'practice item')} cannot be asked for, because {why}.")
    return pass_mark


def practice_of_study(study: Study) -> tuple[PracticeExample, ...]:
    """The practice items that come first in a study; none if it has no practice."""
    return load_practice_examples(study.name) if study.settings.practice else ()
