"""Detection scores: from a description alone, a scorer tells which mappings belong to the head that it describes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from maps.atlas.append_log import keep_table, keeping
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, table
from maps.describers.ask_many import ask_each, finished
from maps.describers.describe_atlas import LONGEST_REASON, now
from maps.scoring.accuracy import Counts, Estimate, balanced_accuracy, counts
from maps.scoring.plan import Question
from maps.scoring.prompt import SCHEMA, parse_belongs
from maps.text import shortened

if TYPE_CHECKING:
    from maps.llm.client import Chat, Reply

MAX_TOKENS = 256  # of a reply: twenty numbers take some seventy


class Answered(NamedTuple):
    """What a scorer said of a question."""

    counts: Counts
    reply: Reply


class Run(NamedTuple):
    """What a run did: questions answered and given up now."""

    answered: int
    failed: int


def detect(atlas: Atlas, questions: Iterable[Question], chat: Chat, seed: int, concurrency: int) -> Run:
    """Asks what the scorer has not answered yet; keeps each answer when it comes, and writes `scores` at the end.

    A question without a usable reply is asked again as `maps.describers.ask_many` says, then kept with its reason; the next run
    asks it again. Raises DescriberError where the run cannot go on.
    """
    try:
        with keeping(atlas, "detections") as keep:
            return asked(unanswered(atlas, questions, chat.model, seed), chat, seed, concurrency, keep)
    finally:
        rows = scores_of(atlas.table("detections").to_pylist())
        if rows:
            keep_table(atlas, "scores", table("scores", rows))


def unanswered(atlas: Atlas, questions: Iterable[Question], scorer: str, seed: int) -> list[Question]:
    """The questions that a scorer has not answered yet; rows that still wait for their table are not looked at."""
    there = {key(row) for row in atlas.table("detections").to_pylist() if row["own_named"] is not None}
    return [each for each in questions if (scorer, seed, each.shown_id, each.hash) not in there]


def key(row: Row) -> tuple[object, ...]:
    """What tells a question from others; its messages hold the description and the items."""
    return row["scorer"], row["seed"], row["shown_id"], row["prompt_hash"]


def asked(todo: Sequence[Question], chat: Chat, seed: int, concurrency: int, keep: Callable[[Row], None]) -> Run:
    """Asks the questions, with a bar."""
    from tqdm import tqdm

    numbers = {"answered": 0, "failed": 0}

    async def ask(question: Question, seed: int) -> Answered:
        reply = await chat.ask(question.asked, seed=seed, schema=SCHEMA, max_tokens=MAX_TOKENS)
        return Answered(counts(question.truth, parse_belongs(reply.content, len(question.truth))), reply)

    with tqdm(total=len(todo), unit="question", desc="scoring", dynamic_ncols=True, disable=not todo) as bar:

        def kept(kind: str, question: Question, content: Row) -> None:
            keep({**identity(question), "scorer": chat.model, "seed": seed, **content, "created_at": now()})
            numbers[kind] += 1
            bar.update()

        def on_answer(question: Question, answer: Answered) -> None:
            kept("answered", question, {**answer.counts._asdict(), **provenance(answer.reply)})

        def on_failure(question: Question, reason: str, attempts: int) -> None:
            kept("failed", question, {"reason": shortened(reason, LONGEST_REASON), "attempts": attempts})

        async def work() -> None:
            async with chat:
                await ask_each(
                    todo, ask, on_answer=on_answer, on_failure=on_failure, seed=seed, concurrency=concurrency
                )

        if todo:
            finished(work())
    return Run(**numbers)


def identity(question: Question) -> Row:
    """What a row of `detections` says of its question."""
    return {
        "layer": question.head.layer,
        "head": question.head.head,
        "describer": question.describer,
        "description_id": question.description_id,
        "shown_id": question.shown_id,
        "prompt_hash": question.hash,
    }


def provenance(reply: Reply) -> Row:
    """What a row of `detections` says of its reply."""
    return {
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "cost_usd": reply.cost_usd,
    }


def scores_of(detections: Sequence[Row]) -> list[Row]:
    """The rows of `scores`: the newest usable answers about each description, by scorer and seed.

    Where a score is null, `reason` says why: of `detection`, or of `detection_swapped` where that alone is missing.
    """
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in sorted(detections, key=lambda row: row["created_at"]):
        groups[row["description_id"], row["scorer"], row["seed"]].append(row)
    rows = []
    for group in groups.values():
        own, swapped = (
            newest([row for row in group if (row["shown_id"] == row["description_id"]) is mine])
            for mine in (True, False)
        )
        found, control = accuracy_of(own), accuracy_of(swapped)
        shared = {name: group[0][name] for name in ("layer", "head", "describer", "description_id", "scorer", "seed")}
        rows.append(
            {
                **shared,
                "detection": found and found.value,
                "detection_low": found and found.low,
                "detection_high": found and found.high,
                "detection_swapped": control and control.value,
                "n": own["own"] + own["other"] if own and found else None,
                "reason": why_null(own) if found is None else why_null(swapped) if control is None else None,
            }
        )
    return rows


def newest(rows: Sequence[Row]) -> Row | None:
    """The last usable answer, or the last failure where there is none."""
    usable = [row for row in rows if row["own_named"] is not None] or rows
    return usable[-1] if usable else None


def accuracy_of(row: Row | None) -> Estimate | None:
    """The balanced accuracy of an answer."""
    if row is None or row["own_named"] is None:
        return None
    return balanced_accuracy(Counts(*(row[name] for name in Counts._fields)))


def why_null(row: Row | None) -> str:
    """Why there is no usable answer."""
    return "Not asked: no other description in its layer, or the run was stopped." if row is None else row["reason"]
