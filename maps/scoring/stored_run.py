"""Asks a scorer many questions; a row for each answer and each failure is stored when it arrives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from maps.atlas.append_log import open_row_writer
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.describers.ask_many import ask_each, run_to_completion
from maps.describers.describe_atlas import MAX_REASON_LENGTH, utc_now
from maps.progress import open_bar
from maps.text import shorten

if TYPE_CHECKING:
    from maps.llm.client import Chat
    from maps.llm.replies import Reply

REPLY_COLUMNS = ("model", "prompt_tokens", "completion_tokens", "cost_usd")
Q = TypeVar("Q")


class RunCounts(NamedTuple):
    """The result of a run: questions answered and questions failed."""

    answered: int
    failed: int


class StoredRun(Generic[Q]):
    """Asks a scorer and counts. Each run is used once.

    `ask`: gives the columns of an answer; `identify`: the columns that say which question a row is about; `doing`: the
    title of the progress bar. A question
    without a usable reply is asked again as `describe_heads` does, then stored with its `reason` and `attempts`.
    """

    def __init__(
        self,
        chat: Chat,
        ask: Callable[[Q, int], Awaitable[Row]],
        identify: Callable[[Q], Row],
        seed: int,
        doing: str = "scoring",
    ) -> None:
        self._chat, self._ask, self._identify, self._seed, self._doing = chat, ask, identify, seed, doing
        self._answered = self._failed = 0

    def run(self, atlas: Atlas, table: str, find_open: Callable[[], Sequence[Q]], concurrency: int) -> RunCounts:
        """Asks what `find_open` gives once the rows of an interrupted run are in the table, and stores the rows there.

        Raises DescriberError if the run cannot continue.
        """
        return self.run_with(open_row_writer(atlas, table), find_open, concurrency)

    def run_with(
        self,
        writer: AbstractContextManager[Callable[[Row], None]],
        find_open: Callable[[], Sequence[Q]],
        concurrency: int,
    ) -> RunCounts:
        """The same with any writer of rows."""
        with writer as self._store_row:
            questions = find_open()
            if questions:
                run_to_completion(self._ask_all(questions, concurrency))
        return RunCounts(self._answered, self._failed)

    async def _ask_all(self, questions: Sequence[Q], concurrency: int) -> None:
        with open_bar(len(questions), self._doing, "question") as self._bar:
            async with self._chat:
                await ask_each(
                    questions,
                    self._ask,
                    on_answer=self._store_answer,
                    on_failure=self._store_failure,
                    seed=self._seed,
                    concurrency=concurrency,
                )

    def _store_answer(self, question: Q, answer: Row) -> None:
        self._store(question, answer)
        self._answered += 1

    def _store_failure(self, question: Q, reason: str, attempts: int) -> None:
        self._store(question, {"reason": shorten(reason, MAX_REASON_LENGTH), "attempts": attempts})
        self._failed += 1

    def _store(self, question: Q, result: Row) -> None:
        self._store_row({**self._identify(question), "seed": self._seed, **result, "created_at": utc_now()})
        self._bar.update()


def reply_columns(reply: Reply) -> Row:
    """What a reply says of its origin and cost."""
    return {name: getattr(reply, name) for name in REPLY_COLUMNS}
