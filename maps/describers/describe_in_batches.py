"""Describes the heads of an atlas through a server's Batch API. Open batches are noted, so nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Any, NamedTuple

from maps.atlas.choice import EVERY_HEAD, HeadChoice
from maps.atlas.reader import Atlas
from maps.atlas.run_notes import RunNotes
from maps.describers.ask_many import ask_each
from maps.describers.describe_atlas import (
    AnswerStore,
    DescribeSummary,
    DescribeWork,
    run_describer,
    unfinished_redo_start,
    utc_now,
)
from maps.describers.openai_compatible import OpenAICompatibleDescriber, answer_from_reply, description_request
from maps.errors import DescriberError, MapsError, ReplyError
from maps.llm.batch_api import BatchClient, has_reply
from maps.llm.client import Chat
from maps.progress import open_bar
from maps.text import escape_invisible
from maps.types import HEAD_NAME_PATTERN, HeadId, check_seed

BATCHES_FILE = "batches.pending.json"  # the open batch of each describer
MAX_ROUNDS = 2  # a head without a usable reply is asked again in a second batch
FIRST_POLL, LONGEST_POLL = 1.0, 60.0  # seconds between two requests for the state of a batch; grows by half each time


class OpenBatch(NamedTuple):
    """A batch that was sent. `batch` is empty until the server has confirmed its start."""

    file: str
    batch: str
    round: int
    seed: int
    sent_at: str
    heads: Dictionary[str, str]  # mapping hashes by head


class BatchRound(NamedTuple):
    """Which heads are asked about next, in which round (1 or 2) and with which seed."""

    heads: Collection[HeadId]
    number: int
    seed: int


def describe_in_batches(
    folder: Path,
    chat: Chat,
    *,
    seed: int = 0,
    redo: bool = False,
    poll: float = FIRST_POLL,
    choice: HeadChoice = EVERY_HEAD,
) -> DescribeSummary:
    """Describes the heads of an atlas as `describe_atlas` does, at the price of batches; may wait up to a day.

    Before the first batch, one head is asked as an ordinary question at full price, so that the server does not refuse
    a whole batch for a parameter that it does not accept. An interrupted run continues with the batch that it sent;
    that of a `redo` also without `redo`. A head without a usable reply is asked again in a second batch with the next
    seed, and recorded as failed after that. `poll`: seconds before the state of a batch is first fetched.
    """
    check_seed(seed)
    check_batch_is_chosen(folder, chat.model, choice)
    is_redo = redo or is_open_batch_redo(folder, chat.model)

    def ask(work: DescribeWork, answers: AnswerStore) -> Coroutine[Any, Any, None]:
        return _BatchRun(chat, seed, poll, work, answers).run()

    return run_describer(folder, chat.model, is_redo, ask, choice)


class _BatchRun:
    """Describes the heads of `work` in batches, one batch at a time.

    `_remaining`: the heads that have neither a description nor a final failure yet.
    """

    def __init__(self, chat: Chat, seed: int, poll: float, work: DescribeWork, answers: AnswerStore) -> None:
        self._chat = chat
        self._client = BatchClient(chat)
        self._seed = seed
        self._poll = poll
        self._atlas = work.atlas
        self._answers = answers
        self._remaining = dict(work.todo)
        self._has_tried = False  # a first head was asked as an ordinary question

    async def run(self) -> None:
        async with self._chat:
            batch = read_open_batch(self._atlas.folder, self._chat.model)
            next_round = BatchRound(self._remaining, 1, self._seed)
            while self._remaining:
                batch = batch or await self._send(next_round)
                failures = self._store(await self._wait_for_lines(batch), batch) if batch else {}
                if batch and failures and batch.round < MAX_ROUNDS:
                    next_round = BatchRound(failures, batch.round + 1, batch.seed + 1)
                else:
                    self._store_failures(failures)
                    self._note(None)
                    next_round = BatchRound(self._remaining, 1, self._seed)
                batch = None

    async def _send(self, batch_round: BatchRound) -> OpenBatch | None:
        """Sends the batch of a round; returns None if none of its heads remains.

        The batch is noted before it starts, so that a run that is interrupted in between finds it again.
        """
        if not self._has_tried:
            self._has_tried = True
            await self._ask_first_head(batch_round)
        chat = self._chat
        heads = [head for head in batch_round.heads if head in self._remaining]
        if not heads:
            return None
        requests = [description_request(self._remaining[head], batch_round.seed) for head in heads]
        max_tokens = chat.request_options.max_reply_tokens
        max_cost = sum(chat.budget.max_cost(request.messages, max_tokens(request)) for request in requests)
        await chat.budget.reserve(max_cost)  # raises if the batch could exceed the cost limit
        chat.budget.release(max_cost)
        bodies = [chat.request_options.request_body(chat.model, request) for request in requests]
        file = await self._client.upload(list(zip(map(str, heads), bodies, strict=True)))
        hashes = {str(head): self._answers.mapping_hash_of(head) for head in heads}
        batch = OpenBatch(file, "", batch_round.number, batch_round.seed, utc_now(), hashes)
        self._note(batch)
        return batch

    async def _ask_first_head(self, batch_round: BatchRound) -> None:
        """Asks about the first head as an ordinary question; the chat learns which parameters the server accepts."""
        head = next(iter(batch_round.heads))
        earlier_attempts = batch_round.number - 1
        with self._chat.budget.at_full_price():
            await ask_each(
                [self._remaining[head]],
                OpenAICompatibleDescriber(self._chat).describe,
                on_answer=lambda _, answer: self._answers.store_answer(head, answer),
                on_failure=lambda _, reason, n: self._answers.store_failure(head, reason, earlier_attempts + n),
                seed=batch_round.seed,
            )
        del self._remaining[head]

    async def _wait_for_lines(self, batch: OpenBatch) -> dict[HeadId, dict[str, Any]]:
        """Starts the batch if it has not started, waits until it is over, and returns the result line of each head."""
        client = self._client
        state = await (client.fetch_state(batch.batch) if batch.batch else client.start(batch.file))
        self._note(batch._replace(batch=state.id))
        pause, title = self._poll, escape_invisible(f"batch {state.id}")
        with open_bar(len(batch.heads), title, "reply") as bar:
            while not state.is_over:
                await asyncio.sleep(pause)
                pause = min(LONGEST_POLL, pause * 1.5)
                state = await client.fetch_state(state.id)
                bar.update(state.answer_count - bar.n)
                bar.set_postfix_str(escape_invisible(state.status))
        if state.status == "failed":
            self._note(None)
            errors = self._chat.error_messages
            raise DescriberError(f"{errors.host} refused the batch: {errors.excerpt(state.failure_reason)}")
        return _lines_by_head(await client.fetch_results(state), batch, state.status)

    def _store(self, lines: dict[HeadId, dict[str, Any]], batch: OpenBatch) -> dict[HeadId, str]:
        """Stores the descriptions in result lines; returns the reasons of the heads without one.

        Heads that no longer remain, or whose mappings have changed since, are skipped.
        """
        failures, options = {}, self._chat.request_options
        for head, line in lines.items():
            if head not in self._remaining or self._answers.mapping_hash_of(head) != batch.heads[str(head)]:
                continue
            request = description_request(self._remaining[head], batch.seed)
            try:
                reply = self._client.parse_result(line, request, options)
                self._answers.store_answer(head, answer_from_reply(request, reply))
                del self._remaining[head]
            except ReplyError as error:
                failures[head] = str(error)
        return failures

    def _store_failures(self, failures: dict[HeadId, str]) -> None:
        for head, reason in failures.items():
            self._answers.store_failure(head, reason, MAX_ROUNDS)
            del self._remaining[head]

    def _note(self, batch: OpenBatch | None) -> None:
        """Notes the open batch, or that there is none."""
        batch_notes(self._atlas.folder).write_entry(self._chat.model, batch and batch._asdict())


def _lines_by_head(lines: list[dict[str, Any]], batch: OpenBatch, status: str) -> dict[HeadId, dict[str, Any]]:
    """The result line of each head in a batch; if there are several, the first with a reply.

    A head without a line gets one with an error message.
    """
    missing = {"error": {"message": f"it ended with status {status}."}}
    line_of: dict[str, dict[str, Any]] = dict.fromkeys(batch.heads, missing)
    for line in lines:
        name = str(line.get("custom_id"))
        if name in line_of and (line_of[name] is missing or (has_reply(line) and not has_reply(line_of[name]))):
            line_of[name] = line
    return {HeadId.parse(name): line for name, line in line_of.items()}


def read_open_batch(folder: Path, describer: str) -> OpenBatch | None:
    """The batch that an earlier run has left open, or None; raises MapsError if the note is damaged."""
    entry = batch_notes(folder).read_entry(describer)
    if entry is None:
        return None
    try:
        batch = OpenBatch(**entry)  # type: ignore[arg-type]
        texts = [batch.file, batch.batch, batch.sent_at, *batch.heads, *batch.heads.values()]
        numbers = [batch.round, batch.seed]
    except (TypeError, AttributeError):
        raise batch_notes(folder).damaged_entry_error(describer) from None
    has_types = all(isinstance(text, str) for text in texts) and all(isinstance(number, int) for number in numbers)
    if not has_types or not all(HEAD_NAME_PATTERN.fullmatch(head) for head in batch.heads):
        raise batch_notes(folder).damaged_entry_error(describer)
    return batch


def check_batch_is_chosen(folder: Path, describer: str, choice: HeadChoice) -> None:
    """Raises MapsError if the open batch is about heads that are not chosen: their answers would be thrown away."""
    batch = read_open_batch(folder, describer)
    if batch is None or not choice.is_restricted:
        return
    chosen = set(map(str, choice.select(Atlas.open(folder).head_ids)))
    if not batch.heads.keys() <= chosen:
        raise MapsError(
            f"A batch for {describer} about other heads is open: fetch it first, without --heads, --layers and "
            "--sample."
        )


def is_open_batch_redo(folder: Path, describer: str) -> bool:
    """Whether the describer has an open batch that belongs to an unfinished redo."""
    return read_open_batch(folder, describer) is not None and unfinished_redo_start(folder, describer) is not None


def batch_notes(folder: Path) -> RunNotes:
    return RunNotes(
        folder / BATCHES_FILE, "repair it, or delete it to give up its batches, which may already cost money"
    )


def check_no_open_batch(folder: Path, describer: str) -> None:
    """Raises MapsError if the describer has an open batch: its heads would be paid for twice."""
    if read_open_batch(folder, describer):
        raise MapsError(
            f"A batch for {describer} is still open: fetch it with --batch, or delete {folder / BATCHES_FILE} to give "
            "it up."
        )
