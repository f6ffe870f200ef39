"""Detection scores: from a description alone, a scorer tells which mappings belong to the head that it describes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from maps.atlas.append_log import open_row_writer, write_atlas_table
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, make_table
from maps.describers.ask_many import ask_each, run_to_completion
from maps.describers.describe_atlas import MAX_REASON_LENGTH, utc_now
from maps.scoring.accuracy import AccuracyEstimate, DetectionCounts, balanced_accuracy, count_answer
from maps.scoring.plan import DetectionQuestion
from maps.scoring.prompt import REPLY_SCHEMA, parse_named_items
from maps.text import shorten

if TYPE_CHECKING:
    from maps.llm.client import Chat, Reply

MAX_REPLY_TOKENS = 256  # of a reply: twenty numbers take some seventy


class ScorerAnswer(NamedTuple):
    """What a scorer said of a question."""

    counts: DetectionCounts
    reply: Reply


class DetectionRun(NamedTuple):
    """What a run did: questions answered and given up now."""

    answered: int
    failed: int


def run_detection(
    atlas: Atlas, questions: Iterable[DetectionQuestion], chat: Chat, seed: int, concurrency: int
) -> DetectionRun:
    """Asks what the scorer has not answered yet; keeps each answer when it comes, and writes `scores` at the end.

    A question without a usable reply is asked again as `maps.describers.ask_many` says, then kept with its reason; the next run
    asks it again. Raises DescriberError where the run cannot go on.
    """
    try:
        with open_row_writer(atlas, "detections") as keep:
            return ask_questions(
                unanswered_questions(atlas, questions, chat.model, seed), chat, seed, concurrency, keep
            )
    finally:
        rows = compute_scores(atlas.table("detections").to_pylist())
        if rows:
            write_atlas_table(atlas, "scores", make_table("scores", rows))


def unanswered_questions(
    atlas: Atlas, questions: Iterable[DetectionQuestion], scorer: str, seed: int
) -> list[DetectionQuestion]:
    """The questions that a scorer has not answered yet; rows that still wait for their table are not looked at."""
    there = {question_key(row) for row in atlas.table("detections").to_pylist() if row["own_named"] is not None}
    return [each for each in questions if (scorer, seed, each.shown_id, each.prompt_hash) not in there]


def question_key(row: Row) -> tuple[object, ...]:
    """What tells a question from others; its messages hold the description and the items."""
    return row["scorer"], row["seed"], row["shown_id"], row["prompt_hash"]


def ask_questions(
    questions: Sequence[DetectionQuestion], chat: Chat, seed: int, concurrency: int, store_row: Callable[[Row], None]
) -> DetectionRun:
    """Asks the questions, with a bar."""
    from tqdm import tqdm

    numbers = {"answered": 0, "failed": 0}

    async def ask(question: DetectionQuestion, seed: int) -> ScorerAnswer:
        reply = await chat.ask(question.messages, seed=seed, schema=REPLY_SCHEMA, max_tokens=MAX_REPLY_TOKENS)
        return ScorerAnswer(count_answer(question.truth, parse_named_items(reply.content, len(question.truth))), reply)

    with tqdm(total=len(questions), unit="question", desc="scoring", dynamic_ncols=True, disable=not questions) as bar:

        def kept(kind: str, question: DetectionQuestion, content: Row) -> None:
            store_row(
                {**question_columns(question), "scorer": chat.model, "seed": seed, **content, "created_at": utc_now()}
            )
            numbers[kind] += 1
            bar.update()

        def on_answer(question: DetectionQuestion, answer: ScorerAnswer) -> None:
            kept("answered", question, {**answer.counts._asdict(), **reply_columns(answer.reply)})

        def on_failure(question: DetectionQuestion, reason: str, attempts: int) -> None:
            kept("failed", question, {"reason": shorten(reason, MAX_REASON_LENGTH), "attempts": attempts})

        async def work() -> None:
            async with chat:
                await ask_each(
                    questions, ask, on_answer=on_answer, on_failure=on_failure, seed=seed, concurrency=concurrency
                )

        if questions:
            run_to_completion(work())
    return DetectionRun(**numbers)


def question_columns(question: DetectionQuestion) -> Row:
    """What a row of `detections` says of its question."""
    return {
        "layer": question.head.layer,
        "head": question.head.head,
        "describer": question.describer,
        "description_id": question.description_id,
        "shown_id": question.shown_id,
        "prompt_hash": question.prompt_hash,
    }


def reply_columns(reply: Reply) -> Row:
    """What a row of `detections` says of its reply."""
    return {
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "cost_usd": reply.cost_usd,
    }


def compute_scores(detections: Sequence[Row]) -> list[Row]:
    """The rows of `scores`: the newest usable answers about each description, by scorer and seed.

    Where a score is null, `reason` says why: of `detection`, or of `detection_swapped` where that alone is missing.
    """
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in sorted(detections, key=lambda row: row["created_at"]):
        groups[row["description_id"], row["scorer"], row["seed"]].append(row)
    rows = []
    for group in groups.values():
        own, swapped = (
            newest_answer([row for row in group if (row["shown_id"] == row["description_id"]) is mine])
            for mine in (True, False)
        )
        found, control = answer_accuracy(own), answer_accuracy(swapped)
        shared = {name: group[0][name] for name in ("layer", "head", "describer", "description_id", "scorer", "seed")}
        rows.append(
            {
                **shared,
                "detection": found and found.value,
                "detection_low": found and found.low,
                "detection_high": found and found.high,
                "detection_swapped": control and control.value,
                "n": own["own"] + own["other"] if own and found else None,
                "reason": null_reason(own) if found is None else null_reason(swapped) if control is None else None,
            }
        )
    return rows


def newest_answer(rows: Sequence[Row]) -> Row | None:
    """The last usable answer, or the last failure where there is none."""
    usable = [row for row in rows if row["own_named"] is not None] or rows
    return usable[-1] if usable else None


def answer_accuracy(row: Row | None) -> AccuracyEstimate | None:
    """The balanced accuracy of an answer."""
    if row is None or row["own_named"] is None:
        return None
    return balanced_accuracy(DetectionCounts(*(row[name] for name in DetectionCounts._fields)))


def null_reason(row: Row | None) -> str:
    """Why there is no usable answer."""
    return "Not asked: no other description in its layer, or the run was stopped." if row is None else row["reason"]
