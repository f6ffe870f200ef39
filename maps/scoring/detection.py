"""Detection scores: from a description alone, a scorer picks the mappings of the described head."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
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
    from maps.llm.client import Chat
    from maps.llm.replies import Reply

MAX_REPLY_TOKENS = 256  # twenty numbers take about seventy
REPLY_COLUMNS = ("model", "prompt_tokens", "completion_tokens", "cost_usd")


class ScorerAnswer(NamedTuple):
    """A scorer's answer to one question, as counts, and the reply that it was read from."""

    counts: DetectionCounts
    reply: Reply


class DetectionRun(NamedTuple):
    """The result of a run: questions answered and questions failed."""

    answered: int
    failed: int


def run_detection(
    atlas: Atlas, questions: Iterable[DetectionQuestion], chat: Chat, seed: int, concurrency: int
) -> DetectionRun:
    """Asks what the scorer has not answered yet; stores each answer at once, and writes `scores` at the end.

    A question without a usable reply is asked again as `describe_heads` does, then stored with the reason; the next run
    asks it again. Raises DescriberError if the run cannot continue.
    """
    try:
        with open_row_writer(atlas, "detections") as store_row:
            todo = unanswered_questions(atlas, questions, chat.model, seed)
            return _ask_questions(todo, chat, seed, concurrency, store_row) if todo else DetectionRun(0, 0)
    finally:
        rows = compute_scores(atlas.table("detections").to_pylist())
        if rows:
            write_atlas_table(atlas, "scores", make_table("scores", rows))


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


def _ask_questions(
    questions: Sequence[DetectionQuestion], chat: Chat, seed: int, concurrency: int, store_row: Callable[[Row], None]
) -> DetectionRun:
    from tqdm import tqdm

    with tqdm(total=len(questions), unit="question", desc="scoring", dynamic_ncols=True) as bar:
        store = _DetectionStore(chat.model, seed, store_row, bar.update)
        run_to_completion(_ask_scorer(questions, chat, store, seed, concurrency))
    return DetectionRun(store.answer_count, store.failure_count)


async def _ask_scorer(
    questions: Sequence[DetectionQuestion], chat: Chat, store: _DetectionStore, seed: int, concurrency: int
) -> None:
    async with chat:
        await ask_each(
            questions,
            partial(_ask_question, chat),
            on_answer=store.store_answer,
            on_failure=store.store_failure,
            seed=seed,
            concurrency=concurrency,
        )


async def _ask_question(chat: Chat, question: DetectionQuestion, seed: int) -> ScorerAnswer:
    reply = await chat.ask(question.messages, seed=seed, schema=REPLY_SCHEMA, max_tokens=MAX_REPLY_TOKENS)
    named_items = parse_named_items(reply.content, len(question.truth))
    return ScorerAnswer(count_answer(question.truth, named_items), reply)


class _DetectionStore:
    """Stores a row of `detections` for each answer and each failure, and counts them."""

    def __init__(
        self, scorer: str, seed: int, store_row: Callable[[Row], None], update_bar: Callable[[], object]
    ) -> None:
        self.answer_count = self.failure_count = 0
        self._scorer = scorer
        self._seed = seed
        self._store_row = store_row
        self._update_bar = update_bar

    def store_answer(self, question: DetectionQuestion, answer: ScorerAnswer) -> None:
        reply_columns = {name: getattr(answer.reply, name) for name in REPLY_COLUMNS}
        self._store(question, {**answer.counts._asdict(), **reply_columns})
        self.answer_count += 1

    def store_failure(self, question: DetectionQuestion, reason: str, attempts: int) -> None:
        self._store(question, {"reason": shorten(reason, MAX_REASON_LENGTH), "attempts": attempts})
        self.failure_count += 1

    def _store(self, question: DetectionQuestion, result: Row) -> None:
        row = {
            "layer": question.head.layer,
            "head": question.head.head,
            "describer": question.describer,
            "description_id": question.description_id,
            "shown_id": question.shown_id,
            "prompt_hash": question.prompt_hash,
            "scorer": self._scorer,
            "seed": self._seed,
        }
        self._store_row({**row, **result, "created_at": utc_now()})
        self._update_bar()


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
    own = _newest_answer([row for row in rows if row["shown_id"] == row["description_id"]])
    swapped = _newest_answer([row for row in rows if row["shown_id"] != row["description_id"]])
    accuracy, control = _answer_accuracy(own), _answer_accuracy(swapped)
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
