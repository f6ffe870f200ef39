"""The Batch API of a server: many questions in one file, answered within a day at a lower price."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import openai
from openai.types import Batch

from maps.chat import Chat
from maps.chat.replies import Reply, inner, text_in
from maps.chat.terms import Question
from maps.describers import DescriberError
from maps.prompts import ReplyError

LARGEST = 50_000  # questions in one batch, by OpenAI's rules
HEAVIEST = 200_000_000  # bytes of one batch's file

T = TypeVar("T")


class NoBatchError(DescriberError):
    """The server has no Batch API, or does not know the batch or its files."""


class State(NamedTuple):
    """How far a batch is. `files`: what holds its answers and errors; `trouble`: the server's words where it failed."""

    id: str
    status: str
    answered: int
    files: tuple[str, ...]
    trouble: str

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ("completed", "failed", "expired", "cancelled")


class Batches:
    """Sends batches through an open chat and fetches their answers."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def upload(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> str:
        """Uploads the file of a batch, from each request's own id and body; returns the file's id."""
        fixed = {"method": "POST", "url": "/v1/chat/completions"}
        lines = [json.dumps({"custom_id": name, **fixed, "body": body}) for name, body in requests]
        content = ("\n".join(lines) + "\n").encode()
        if len(requests) > LARGEST or len(content) > HEAVIEST:
            raise DescriberError(
                f"A batch holds {LARGEST:,} questions or {HEAVIEST // 1_000_000} MB at most: describe without --batch."
            )
        client = self._chat.client
        uploaded = await self._explained(
            client.files.create(file=("batch.jsonl", content, "application/jsonl"), purpose="batch")
        )
        return uploaded.id

    async def begin(self, file: str) -> State:
        """Begins the batch of an uploaded file; one that was begun before is found, never begun twice."""
        client = self._chat.client
        page = await self._explained(client.batches.list(limit=100))
        for batch in page.data:
            if batch.input_file_id == file:
                return _state(batch)
        return _state(
            await self._explained(
                client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
            )
        )

    async def state(self, batch: str) -> State:
        """How far a batch is."""
        return _state(await self._explained(self._chat.retried(partial(self._chat.client.batches.retrieve, batch))))

    async def results(self, state: State) -> list[dict[str, Any]]:
        """The lines of a finished batch, answers and errors; a line that can't be read answers nothing."""
        found = []
        for file in state.files:
            content = await self._explained(self._chat.retried(partial(self._chat.client.files.content, file)))
            found += [line for text in content.text.split("\n") if (line := _line(text))]
        return found

    def read(self, line: dict[str, Any], question: Question) -> Reply:
        """The reply in a line of the results; raises ReplyError where it holds none that is of use.

        What the server refused of this request is left out of the next ones.
        """
        chat = self._chat
        sent, most = chat.terms.body(chat.model, question), chat.terms.most(question)
        response = inner(line, "response")
        status = response.get("status_code")
        if status == 200:
            return chat.reply_of(response.get("body"), sent, most, chat.budget.most(question.messages, most))
        message = text_in(inner(inner(response, "body") or line, "error"), "message") or "no reason"
        if status in (400, 422):
            chat.terms = chat.terms.without(message, "", sent) or chat.terms
        if isinstance(status, int):
            raise ReplyError(chat.troubles.status(status, message))
        raise ReplyError(f"The batch holds no reply: {chat.troubles.shown(message)}")

    async def _explained(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except openai.NotFoundError:
            raise NoBatchError(f"{self._chat.troubles.host} has no such batch: describe without --batch.") from None
        except openai.APIError as error:
            self._chat.explain(error)


def _state(batch: Batch) -> State:
    errors = batch.errors.data if batch.errors and batch.errors.data else []
    trouble = " ".join(error.message or error.code or "" for error in errors) or "it gives no reason"
    counts = batch.request_counts
    answered = counts.completed + counts.failed if counts else 0
    files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
    return State(batch.id, batch.status, answered, files, trouble)


def _line(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
