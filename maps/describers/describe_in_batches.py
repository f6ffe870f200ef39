"""Describes an atlas's heads through a server's Batch API. What was sent is noted, so that nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from collections.abc import Mapping as Dictionary
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from maps.atlas.reader import Atlas
from maps.atlas.run_notes import Notes
from maps.describers.ask_many import ask_each
from maps.describers.describe_atlas import Keeping, Run, Work, carried_out, now, unfinished_redo
from maps.describers.openai_compatible import OpenAICompatible, answer_of, question_about
from maps.errors import DescriberError, MapsError, ReplyError
from maps.llm.batch_api import Batches, State, has_reply
from maps.llm.client import Chat
from maps.text import said
from maps.types import HEAD_NAME, HeadId, Mapping, small_seed

BATCHES = "batches.pending.json"  # the open batch of each describer
ROUNDS = 2  # a head without a usable reply is asked in a second batch
FIRST_POLL, LAST_POLL = 1.0, 60.0  # seconds between two looks at a batch, growing by half each time


class Sent(NamedTuple):
    """A batch under way: what was asked of which mappings. `batch` is empty until it is known to have begun."""

    file: str
    batch: str
    round: int
    seed: int
    sent_at: str
    heads: Dictionary[str, str]  # mapping hashes by head


class Round(NamedTuple):
    """What is asked next: which heads, for the first or the second time, with which seed."""

    heads: Collection[HeadId]
    round: int
    seed: int


def describe_in_batches(
    folder: Path, chat: Chat, *, seed: int = 0, redo: bool = False, poll: float = FIRST_POLL
) -> Run:
    """Describes as `maps.describers.describe_atlas.describe_atlas` does, for the price of batches; waits up to a day for them.

    Before a run's first batch one head is asked the ordinary way, at the full price, so that a whole batch is not
    refused for what the server does not take. An interrupted run goes on with the batch that it sent, one of a `redo`
    also where that is not said again. A head without a usable reply is asked again in a second batch, with the next
    seed, then recorded as failed. `poll`: seconds before the first look at a batch.
    """
    small_seed(seed)
    again = redo or is_redo(folder, chat.model)
    return carried_out(folder, chat.model, again, partial(_described, chat, seed, poll))


async def _described(chat: Chat, seed: int, poll: float, work: Work, keeping: Keeping) -> None:
    left = dict(work.todo)
    asked, tried = Round(left, 1, seed), False
    async with chat:
        batches, sent = Batches(chat), open_batch(work.atlas.folder, chat.model)
        while left:
            if sent is None and not tried:
                await _try(chat, keeping, left, asked)
                tried = True
            failing: dict[HeadId, str] = {}
            if sent := sent or await _send(batches, chat, work, left, asked):
                failing = _keep(await _wait(batches, work.atlas, chat, sent, poll), batches, keeping, left, sent)
            if sent and failing and sent.round < ROUNDS:
                asked, sent = Round(failing, sent.round + 1, sent.seed + 1), None
                continue
            for head, reason in failing.items():
                keeping.failure(head, reason, ROUNDS)
                del left[head]
            note_sent(work.atlas, chat.model, None)
            asked, sent = Round(left, 1, seed), None


async def _try(chat: Chat, keeping: Keeping, left: dict[HeadId, list[Mapping]], asked: Round) -> None:
    """Asks about the first head the ordinary way, at the full price; then it is known what the server takes."""
    head = next(iter(asked.heads))
    with chat.budget.at_full_price():
        await ask_each(
            [left[head]],
            OpenAICompatible(chat).describe,
            on_answer=lambda _, answer: keeping.answer(head, answer),
            on_failure=lambda _, reason, attempts: keeping.failure(head, reason, asked.round - 1 + attempts),
            seed=asked.seed,
        )
    del left[head]


async def _send(
    batches: Batches, chat: Chat, work: Work, left: Dictionary[HeadId, list[Mapping]], asked: Round
) -> Sent | None:
    """Sends a batch, none where no head of the round is left.

    It is noted before it begins, so that one that was cut off here is found again.
    """
    heads = [head for head in asked.heads if head in left]
    if not heads:
        return None
    questions = [question_about(left[head], asked.seed) for head in heads]
    most = sum(chat.budget.most(question.messages, chat.terms.most(question)) for question in questions)
    await chat.budget.hold(most)
    chat.budget.release(most)
    bodies = [chat.terms.body(chat.model, question) for question in questions]
    file = await batches.upload(list(zip(map(str, heads), bodies, strict=True)))
    hashes = {str(head): work.hashes[head] for head in heads}
    sent = Sent(file, "", asked.round, asked.seed, now(), hashes)
    note_sent(work.atlas, chat.model, sent)
    return sent


async def _wait(batches: Batches, atlas: Atlas, chat: Chat, sent: Sent, pause: float) -> dict[HeadId, dict[str, Any]]:
    """Begins the batch where it has not begun, waits until it is over, and gives each head's line."""
    from tqdm import tqdm

    state = await (batches.state(sent.batch) if sent.batch else batches.begin(sent.file))
    note_sent(atlas, chat.model, sent._replace(batch=state.id))
    with tqdm(total=len(sent.heads), unit="reply", desc=said(f"batch {state.id}"), dynamic_ncols=True) as bar:
        while not state.over:
            await asyncio.sleep(pause)
            pause = min(LAST_POLL, pause * 1.5)
            state = await batches.state(state.id)
            bar.update(state.answered - bar.n)
            bar.set_postfix_str(said(state.status))
    if state.status == "failed":
        note_sent(atlas, chat.model, None)
        raise DescriberError(f"{chat.troubles.host} refused the batch: {chat.troubles.shown(state.trouble)}")
    return _by_head(await batches.results(state), sent, state)


def _by_head(lines: list[dict[str, Any]], sent: Sent, state: State) -> dict[HeadId, dict[str, Any]]:
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


def _keep(
    answered: dict[HeadId, dict[str, Any]],
    batches: Batches,
    keeping: Keeping,
    left: dict[HeadId, list[Mapping]],
    sent: Sent,
) -> dict[HeadId, str]:
    """Keeps the descriptions among the answers; returns the heads without one, with the reason.

    Heads that are done, or whose mappings have changed since, are passed over.
    """
    failing, terms = {}, batches.terms
    for head, line in answered.items():
        if head not in left or keeping.hash_of(head) != sent.heads[str(head)]:
            continue
        question = question_about(left[head], sent.seed)
        try:
            keeping.answer(head, answer_of(question, batches.read(line, question, terms)))
            del left[head]
        except ReplyError as error:
            failing[head] = str(error)
    return failing


def open_batch(folder: Path, describer: str) -> Sent | None:
    """The batch that an earlier run of the describer left open in an atlas's folder."""
    noted = notes(folder).of(describer)
    if noted is None:
        return None
    try:
        sent = Sent(**noted)  # type: ignore[arg-type]
        texts = [sent.file, sent.batch, sent.sent_at, *sent.heads, *sent.heads.values()]
        whole = [sent.round, sent.seed]
    except (TypeError, AttributeError):
        raise notes(folder).damaged(describer) from None
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in whole):
        raise notes(folder).damaged(describer)
    if not all(HEAD_NAME.fullmatch(head) for head in sent.heads):
        raise notes(folder).damaged(describer)
    return sent


def is_redo(folder: Path, describer: str) -> bool:
    """Whether the open batch of a describer is of a redo that was cut off."""
    return open_batch(folder, describer) is not None and unfinished_redo(folder, describer) is not None


def notes(folder: Path) -> Notes:
    """The open batches."""
    return Notes(
        folder / BATCHES, "mend it, or delete it to give up the batches that it names, whose answers may be paid for"
    )


def check_no_batch(folder: Path, describer: str) -> None:
    """Raises MapsError where a batch of the describer is open, whose heads would be paid twice."""
    if open_batch(folder, describer):
        raise MapsError(
            f"A batch that {describer} was sent is still open: fetch it with --batch, or give it up by deleting "
            f"{folder / BATCHES}."
        )


def note_sent(atlas: Atlas, describer: str, sent: Sent | None) -> None:
    """Notes the describer's open batch, or that it has none."""
    notes(atlas.folder).keep(describer, None if sent is None else sent._asdict())
