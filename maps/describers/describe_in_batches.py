"""Describes an atlas's heads through a server's Batch API. What was sent is noted, so that nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from collections.abc import Mapping as Dictionary
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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
from maps.llm.batch_api import BatchClient, BatchState, has_reply
from maps.llm.client import Chat
from maps.text import escape_for_terminal
from maps.types import HEAD_NAME_PATTERN, HeadId, Mapping, check_seed

BATCHES_FILE = "batches.pending.json"  # the open batch of each describer
MAX_ROUNDS = 2  # a head without a usable reply is asked in a second batch
FIRST_POLL, LONGEST_POLL = 1.0, 60.0  # seconds between two looks at a batch, growing by half each time


class OpenBatch(NamedTuple):
    """A batch under way: what was asked of which mappings. `batch` is empty until it is known to have begun."""

    file: str
    batch: str
    round: int
    seed: int
    sent_at: str
    heads: Dictionary[str, str]  # mapping hashes by head


class BatchRound(NamedTuple):
    """What is asked next: which heads, for the first or the second time, with which seed."""

    heads: Collection[HeadId]
    number: int
    seed: int


def describe_in_batches(
    folder: Path, chat: Chat, *, seed: int = 0, redo: bool = False, poll: float = FIRST_POLL
) -> DescribeSummary:
    """Describes as `maps.describers.describe_atlas.describe_atlas` does, for the price of batches; waits up to a day for them.

    Before a run's first batch one head is asked the ordinary way, at the full price, so that a whole batch is not
    refused for what the server does not take. An interrupted run goes on with the batch that it sent, one of a `redo`
    also where that is not said again. A head without a usable reply is asked again in a second batch, with the next
    seed, then recorded as failed. `poll`: seconds before the first look at a batch.
    """
    check_seed(seed)
    again = redo or is_open_batch_redo(folder, chat.model)
    return run_describer(folder, chat.model, again, partial(_describe_in_rounds, chat, seed, poll))


async def _describe_in_rounds(chat: Chat, seed: int, poll: float, work: DescribeWork, keeping: AnswerStore) -> None:
    left = dict(work.todo)
    asked, tried = BatchRound(left, 1, seed), False
    async with chat:
        batches, sent = BatchClient(chat), read_open_batch(work.atlas.folder, chat.model)
        while left:
            if sent is None and not tried:
                await _ask_first_head(chat, keeping, left, asked)
                tried = True
            failing: dict[HeadId, str] = {}
            if sent := sent or await _send_batch(batches, chat, work, left, asked):
                failing = _store_answers(
                    await _wait_for_batch(batches, work.atlas, chat, sent, poll), batches, keeping, left, sent
                )
            if sent and failing and sent.round < MAX_ROUNDS:
                asked, sent = BatchRound(failing, sent.round + 1, sent.seed + 1), None
                continue
            for head, reason in failing.items():
                keeping.store_failure(head, reason, MAX_ROUNDS)
                del left[head]
            note_open_batch(work.atlas, chat.model, None)
            asked, sent = BatchRound(left, 1, seed), None


async def _ask_first_head(
    chat: Chat, keeping: AnswerStore, left: dict[HeadId, list[Mapping]], asked: BatchRound
) -> None:
    """Asks about the first head the ordinary way, at the full price; then it is known what the server takes."""
    head = next(iter(asked.heads))
    with chat.budget.at_full_price():
        await ask_each(
            [left[head]],
            OpenAICompatibleDescriber(chat).describe,
            on_answer=lambda _, answer: keeping.store_answer(head, answer),
            on_failure=lambda _, reason, attempts: keeping.store_failure(head, reason, asked.number - 1 + attempts),
            seed=asked.seed,
        )
    del left[head]


async def _send_batch(
    batches: BatchClient, chat: Chat, work: DescribeWork, left: Dictionary[HeadId, list[Mapping]], asked: BatchRound
) -> OpenBatch | None:
    """Sends a batch, none where no head of the round is left.

    It is noted before it begins, so that one that was cut off here is found again.
    """
    heads = [head for head in asked.heads if head in left]
    if not heads:
        return None
    questions = [description_request(left[head], asked.seed) for head in heads]
    most = sum(
        chat.budget.max_cost(question.messages, chat.request_options.max_reply_tokens(question))
        for question in questions
    )
    await chat.budget.reserve(most)
    chat.budget.release(most)
    bodies = [chat.request_options.request_body(chat.model, question) for question in questions]
    file = await batches.upload(list(zip(map(str, heads), bodies, strict=True)))
    hashes = {str(head): work.mapping_hashes[head] for head in heads}
    sent = OpenBatch(file, "", asked.number, asked.seed, utc_now(), hashes)
    note_open_batch(work.atlas, chat.model, sent)
    return sent


async def _wait_for_batch(
    batches: BatchClient, atlas: Atlas, chat: Chat, sent: OpenBatch, pause: float
) -> dict[HeadId, dict[str, Any]]:
    """Begins the batch where it has not begun, waits until it is over, and gives each head's line."""
    from tqdm import tqdm

    state = await (batches.fetch_state(sent.batch) if sent.batch else batches.start(sent.file))
    note_open_batch(atlas, chat.model, sent._replace(batch=state.id))
    with tqdm(
        total=len(sent.heads), unit="reply", desc=escape_for_terminal(f"batch {state.id}"), dynamic_ncols=True
    ) as bar:
        while not state.is_over:
            await asyncio.sleep(pause)
            pause = min(LONGEST_POLL, pause * 1.5)
            state = await batches.fetch_state(state.id)
            bar.update(state.answer_count - bar.n)
            bar.set_postfix_str(escape_for_terminal(state.status))
    if state.status == "failed":
        note_open_batch(atlas, chat.model, None)
        raise DescriberError(
            f"{chat.error_messages.host} refused the batch: {chat.error_messages.excerpt(state.failure_reason)}"
        )
    return _lines_by_head(await batches.fetch_results(state), sent, state)


def _lines_by_head(lines: list[dict[str, Any]], sent: OpenBatch, state: BatchState) -> dict[HeadId, dict[str, Any]]:
    """The lines of the heads that were asked about; of a head without one, a line that says so.

    Of several lines for a head the first that holds a reply counts.
    """
    missing = {"error": {"message": f"The batch was {state.status} before it answered."}}
    found: dict[str, dict[str, Any]] = dict.fromkeys(sent.heads, missing)
    for line in lines:
        name = str(line.get("custom_id"))
        if name in found and (found[name] is missing or (has_reply(line) and not has_reply(found[name]))):
            found[name] = line
    return {HeadId.parse(name): line for name, line in found.items()}


def _store_answers(
    lines: dict[HeadId, dict[str, Any]],
    batches: BatchClient,
    keeping: AnswerStore,
    left: dict[HeadId, list[Mapping]],
    sent: OpenBatch,
) -> dict[HeadId, str]:
    """Keeps the descriptions among the answers; returns the heads without one, with the reason.

    Heads that are done, or whose mappings have changed since, are passed over.
    """
    failing, terms = {}, batches.request_options
    for head, line in lines.items():
        if head not in left or keeping.mapping_hash_of(head) != sent.heads[str(head)]:
            continue
        question = description_request(left[head], sent.seed)
        try:
            keeping.store_answer(head, answer_from_reply(question, batches.parse_result(line, question, terms)))
            del left[head]
        except ReplyError as error:
            failing[head] = str(error)
    return failing


def read_open_batch(folder: Path, describer: str) -> OpenBatch | None:
    """The batch that an earlier run of the describer left open in an atlas's folder."""
    noted = batch_notes(folder).read_entry(describer)
    if noted is None:
        return None
    try:
        sent = OpenBatch(**noted)  # type: ignore[arg-type]
        texts = [sent.file, sent.batch, sent.sent_at, *sent.heads, *sent.heads.values()]
        whole = [sent.round, sent.seed]
    except (TypeError, AttributeError):
        raise batch_notes(folder).damaged_entry_error(describer) from None
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in whole):
        raise batch_notes(folder).damaged_entry_error(describer)
    if not all(HEAD_NAME_PATTERN.fullmatch(head) for head in sent.heads):
        raise batch_notes(folder).damaged_entry_error(describer)
    return sent


def is_open_batch_redo(folder: Path, describer: str) -> bool:
    """Whether the open batch of a describer is of a redo that was cut off."""
    return read_open_batch(folder, describer) is not None and unfinished_redo_start(folder, describer) is not None


def batch_notes(folder: Path) -> RunNotes:
    """The open batches."""
    return RunNotes(
        folder / BATCHES_FILE,
        "mend it, or delete it to give up the batches that it names, whose answers may be paid for",
    )


def check_no_open_batch(folder: Path, describer: str) -> None:
    """Raises MapsError where a batch of the describer is open, whose heads would be paid twice."""
    if read_open_batch(folder, describer):
        raise MapsError(
            f"A batch that {describer} was sent is still open: fetch it with --batch, or give it up by deleting "
            f"{folder / BATCHES_FILE}."
        )


def note_open_batch(atlas: Atlas, describer: str, sent: OpenBatch | None) -> None:
    """Notes the describer's open batch, or that it has none."""
    batch_notes(atlas.folder).write_entry(describer, None if sent is None else sent._asdict())
