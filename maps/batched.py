"""Describes an atlas's heads through a server's Batch API. What was sent is noted, so that nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping as Dictionary
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from maps.atlas import Atlas, read_json
from maps.chat import Chat
from maps.chat.batches import Batches, State
from maps.described import Keeping, Run, Work, carried_out, now
from maps.describers import DescriberError
from maps.describers.openai_compatible import answer_of, question_about
from maps.pending import note
from maps.prompts import ReplyError
from maps.types import HeadId, Mapping, MapsError

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


def describe_in_batches(
    folder: Path, chat: Chat, *, seed: int = 0, redo: bool = False, poll: float = FIRST_POLL
) -> Run:
    """Describes as `maps.described.describe_atlas` does, for the price of batches; waits up to a day for them.

    An interrupted run goes on with the batch that it sent. A head without a usable reply is asked again in a second
    batch, with the next seed, then recorded as failed. `poll`: seconds before the first look at a batch.
    """
    return carried_out(folder, chat.model, redo, partial(_described, chat, seed, poll))


async def _described(chat: Chat, seed: int, poll: float, work: Work, keeping: Keeping) -> None:
    left = dict(work.todo)
    async with chat:
        batches = Batches(chat)
        while left:
            sent = open_batch(work.atlas.folder, chat.model) or await _send(batches, chat, work, left, 1, seed)
            failing = _keep(await _wait(batches, work.atlas, chat, sent, poll), batches, keeping, left, sent)
            if failing and sent.round < ROUNDS:
                again = {head: left[head] for head in failing}
                await _send(batches, chat, work, again, sent.round + 1, sent.seed + 1)
                continue
            for head, reason in failing.items():
                keeping.failure(head, reason, sent.round)
                del left[head]
            note_sent(work.atlas, chat.model, None)


async def _send(
    batches: Batches, chat: Chat, work: Work, heads: Dictionary[HeadId, list[Mapping]], round: int, seed: int
) -> Sent:
    """Sends a batch. It is noted before it begins, so that one that was cut off here is found again."""
    questions = [question_about(mappings, seed) for mappings in heads.values()]
    most = sum(chat.budget.most(question.messages, chat.terms.most(question)) for question in questions)
    await chat.budget.hold(most)
    chat.budget.release(most)
    bodies = [chat.terms.body(chat.model, question) for question in questions]
    file = await batches.upload(list(zip(map(str, heads), bodies, strict=True)))
    sent = Sent(file, "", round, seed, now(), {str(head): work.hashes[head] for head in heads})
    note_sent(work.atlas, chat.model, sent)
    return sent


async def _wait(batches: Batches, atlas: Atlas, chat: Chat, sent: Sent, pause: float) -> dict[HeadId, dict[str, Any]]:
    """Begins the batch where it has not begun, waits until it is over, and gives each head's line."""
    from tqdm import tqdm

    state = await (batches.state(sent.batch) if sent.batch else batches.begin(sent.file))
    note_sent(atlas, chat.model, sent._replace(batch=state.id))
    with tqdm(total=len(sent.heads), unit="reply", desc=f"batch {state.id}", dynamic_ncols=True) as bar:
        while not state.over:
            await asyncio.sleep(pause)
            pause = min(LAST_POLL, pause * 1.5)
            state = await batches.state(state.id)
            bar.update(state.answered - bar.n)
            bar.set_postfix_str(state.status)
    if state.status == "failed":
        note_sent(atlas, chat.model, None)
        raise DescriberError(f"{chat.troubles.host} refused the batch: {chat.troubles.shown(state.trouble)}")
    return _by_head(await batches.results(state), sent, state)


def _by_head(lines: list[dict[str, Any]], sent: Sent, state: State) -> dict[HeadId, dict[str, Any]]:
    """The lines of the heads that were asked about; of a head without one, a line that says so."""
    missing = {"error": {"message": f"The batch was {state.status} before it answered."}}
    found = dict.fromkeys(sent.heads, missing)
    found |= {name: line for line in lines if (name := str(line.get("custom_id"))) in sent.heads}
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
    failing = {}
    for head, line in answered.items():
        if head not in left or keeping.hash_of(head) != sent.heads[str(head)]:
            continue
        question = question_about(left[head], sent.seed)
        try:
            keeping.answer(head, answer_of(question, batches.read(line, question)))
            del left[head]
        except ReplyError as error:
            failing[head] = str(error)
    return failing


def open_batch(folder: Path, describer: str) -> Sent | None:
    """The batch that an earlier run of the describer left open in an atlas's folder."""
    noted = (read_json(folder / BATCHES) or {}).get(describer)
    return Sent(**noted) if noted else None


def check_no_batch(folder: Path, describer: str) -> None:
    """Raises MapsError where a batch of the describer is open, whose heads would be paid twice."""
    if open_batch(folder, describer):
        raise MapsError(
            f"A batch that {describer} was sent is still open: fetch it with --batch, or give it up by deleting "
            f"{folder / BATCHES}."
        )


def note_sent(atlas: Atlas, describer: str, sent: Sent | None) -> None:
    """Notes the describer's open batch, or that it has none."""
    note(atlas.folder / BATCHES, describer, None if sent is None else sent._asdict())
