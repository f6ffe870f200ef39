"""Detection scores: from a description alone, a scorer picks the mappings of the described head."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.scoring.accuracy import AccuracyEstimate, DetectionCounts, balanced_accuracy, count_answer
from maps.scoring.items import REPLY_SCHEMA, parse_named_items
from maps.scoring.plan import LAYER, SIMILAR, DetectionQuestion
from maps.scoring.score_table import DETECTION_COLUMNS, replace_scores
from maps.scoring.stored_run import RunCounts, StoredRun, reply_columns

if TYPE_CHECKING:
    from maps.llm.client import Chat

MAX_REPLY_TOKENS = 256  # twenty numbers take about seventy
QUESTION_COLUMNS = ("describer", "description_id", "shown_id", "decoys", "prompt_hash")


def run_detection(
    atlas: Atlas, questions: Iterable[DetectionQuestion], chat: Chat, seed: int, concurrency: int
) -> RunCounts:
    """Asks what the scorer has not answered yet; stores each answer at once, and writes `scores` at the end.

    A question without a usable reply is stored with the reason; the next run asks it again. Raises DescriberError if
    the run cannot continue.
    """

    async def ask(question: DetectionQuestion, seed: int) -> Row:
        reply = await chat.ask(question.messages, seed=seed, schema=REPLY_SCHEMA, max_tokens=MAX_REPLY_TOKENS)
        counts = count_answer(question.truth, parse_named_items(reply.content, len(question.truth)))
        return {**counts._asdict(), **reply_columns(reply)}

    def identify(question: DetectionQuestion) -> Row:
        asked = {name: getattr(question, name) for name in QUESTION_COLUMNS}
        return {**question.head._asdict(), **asked, "scorer": chat.model}

    try:
        find_open = partial(unanswered_questions, atlas, questions, chat.model, seed)
        return StoredRun(chat, ask, identify, seed).run(atlas, "detections", find_open, concurrency)
    finally:
        replace_scores(atlas, compute_scores(atlas.table("detections").to_pylist()), DETECTION_COLUMNS)


def unanswered_questions(
    atlas: Atlas, questions: Iterable[DetectionQuestion], scorer: str, seed: int
) -> list[DetectionQuestion]:
    """The questions without a usable answer by the scorer; rows that are not yet in the table are not read."""
    answered = {
        (row["scorer"], row["seed"], row["shown_id"], row["prompt_hash"])
        for row in atlas.table("detections").to_pylist()
        if row["own_named"] is not None
    }
    return [each for each in questions if (scorer, seed, each.shown_id, each.prompt_hash) not in answered]


def compute_scores(detections: Sequence[Row]) -> list[Row]:
    """The rows of `scores`: for each description, scorer and seed, accuracies of the newest usable answers.

    A null score has a `reason`: of `detection`, or of `detection_swapped` if only that is null.
    """
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in sorted(detections, key=lambda row: row["created_at"]):
        groups[row["description_id"], row["scorer"], row["seed"]].append(row)
    return [_score_row(group) for group in groups.values()]


def _score_row(rows: Sequence[Row]) -> Row:
    """A row of `scores` from the answers about one description, oldest first."""
    of_layer = [row for row in rows if row["decoys"] == LAYER]
    own = _newest_answer([row for row in of_layer if row["shown_id"] == row["description_id"]])
    swapped = _newest_answer([row for row in of_layer if row["shown_id"] != row["description_id"]])
    alike = _newest_answer([row for row in rows if row["decoys"] == SIMILAR])
    accuracy, control, lookalike = map(_answer_accuracy, (own, swapped, alike))
    reason = None
    if accuracy is None:
        reason = _null_reason(own)
    elif control is None:
        reason = _null_reason(swapped)
    return {
        **{name: rows[0][name] for name in ("layer", "head", "describer", "description_id", "scorer", "seed")},
        "detection": accuracy and accuracy.value,
        "detection_low": accuracy and accuracy.low,
        "detection_high": accuracy and accuracy.high,
        "detection_swapped": control and control.value,
        "lookalike": lookalike and lookalike.value,
        "lookalike_low": lookalike and lookalike.low,
        "lookalike_high": lookalike and lookalike.high,
        "n": own["own"] + own["other"] if own and accuracy else None,
        "reason": reason,
    }


def _newest_answer(rows: Sequence[Row]) -> Row | None:
    """The last usable answer, or the last failure if there is none."""
    usable = [row for row in rows if row["own_named"] is not None] or rows
    return usable[-1] if usable else None


def _answer_accuracy(row: Row | None) -> AccuracyEstimate | None:
    if row is None or row["own_named"] is None:
        return None
    return balanced_accuracy(DetectionCounts(*(row[name] for name in DetectionCounts._fields)))


def _null_reason(row: Row | None) -> str:
    return "Not asked: no other description in its layer, or the run was stopped." if row is None else row["reason"]
