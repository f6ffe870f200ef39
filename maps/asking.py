"""Describes heads with one describer; of many it hands each answer on as it comes. Stores nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from maps.describers import Describer
from maps.prompts import ReplyError
from maps.types import Answer, HeadId, Mapping, MapsError

ATTEMPTS = 3

T = TypeVar("T")


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Runs asynchronous work to its end, in a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def describe_mappings(mappings: Sequence[Mapping], describer: Describer, seed: int = 0) -> Answer:
    """Describes one head's mappings; asks again as `describe_heads` does, then raises the last ReplyError."""
    if not mappings:
        raise MapsError("There are no mappings to describe.")
    reply = finished(_asked(describer, mappings, seed))
    if isinstance(reply, ReplyError):
        raise reply
    return reply


async def describe_heads(
    heads: Iterable[tuple[HeadId, Sequence[Mapping]]],
    describer: Describer,
    *,
    on_answer: Callable[[HeadId, Answer], None],
    on_failure: Callable[[HeadId, str, int], None],
    already: Collection[HeadId] = frozenset(),
    seed: int = 0,
    concurrency: int = 1,
) -> None:
    """Describes every head that is not in `already`, at most `concurrency` at a time.

    Each answer goes to `on_answer` at once. A head without a usable reply is asked again with the seeds
    seed + 1 and seed + 2, then handed to `on_failure` with the last reason and the number of attempts.
    Any other error (a DescriberError, or one of the two functions) stops the others and comes out.
    """
    todo = iter([(head, mappings) for head, mappings in heads if head not in already])

    async def work() -> None:
        for head, mappings in todo:
            reply = await _asked(describer, mappings, seed)
            if isinstance(reply, Answer):
                on_answer(head, reply)
            else:
                on_failure(head, str(reply), ATTEMPTS)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except ExceptionGroup as group_of_errors:
        raise group_of_errors.exceptions[0] from None


async def _asked(
    describer: Describer, mappings: Sequence[Mapping], seed: int, attempts: int = ATTEMPTS
) -> Answer | ReplyError:
    """The answer, or the last attempt's error where none brought one."""
    try:
        return await describer.describe(mappings, seed)
    except ReplyError as error:
        if attempts == 1:
            return error
    return await _asked(describer, mappings, seed + 1, attempts - 1)
