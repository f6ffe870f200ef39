"""The Batch API of a server: many questions in one file, answered within a day at a lower price."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import openai
from openai.pagination import AsyncCursorPage
from openai.types import Batch, FileObject

from maps.errors import DescriberError, NoBatchError, ReplyError
from maps.llm.client import Chat
from maps.llm.replies import Reply, inner
from maps.llm.request import Question, Terms
from maps.llm.sanitise import read_json, words_of

LARGEST = 50_000  # questions in one batch, by OpenAI's rules
HEAVIEST = 200_000_000  # bytes of one batch's file
NOT_THERE = (404, 405, 501)  # what a server answers that lacks what was asked for

T = TypeVar("T")


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

    @property
    def terms(self) -> Terms:
        """The terms on which the chat asks now."""
        return self._chat.terms

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
            client.files.create(file=("batch.jsonl", content, "application/jsonl"), purpose="batch"), self._no_api()
        )
        if not isinstance(uploaded, FileObject) or not isinstance(uploaded.id, str):
            raise self._no_api()
        return uploaded.id

    async def begin(self, file: str) -> State:
        """Begins the batch of an uploaded file; one that was begun before is found, never begun twice."""
        client = self._chat.client
        page = await self._explained(client.batches.list(limit=100), self._no_api())
        if not isinstance(page, AsyncCursorPage):
            raise self._no_api()
        for batch in page.data or []:
            if batch.input_file_id == file:
                return self._state(batch)
        return self._state(
            await self._explained(
                client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"),
                self._no_api(),
            )
        )

    async def state(self, batch: str) -> State:
        """How far a batch is."""
        return self._state(
            await self._explained(
                self._chat.retried(partial(self._chat.client.batches.retrieve, batch)), self._no_batch()
            )
        )

    async def results(self, state: State) -> list[dict[str, Any]]:
        """The lines of a finished batch, answers and errors; a line that can't be read answers nothing."""
        found = []
        for file in state.files:
            content = await self._explained(
                self._chat.retried(partial(self._chat.client.files.content, file)), self._no_batch()
            )
            found += [line for text in content.text.split("\n") if (line := _line(text))]
        return found

    def read(self, line: dict[str, Any], question: Question, terms: Terms) -> Reply:
        """The reply in a line of the results, asked on those terms; raises ReplyError where it holds none of use.

        What the server refused of this request is left out of the next ones.
        """
        chat = self._chat
        sent, most = terms.body(chat.model, question), terms.most(question)
        response = inner(line, "response")
        status = response.get("status_code")
        if status == 200:
            return chat.reply_of(response.get("body"), sent, most, chat.budget.most(question.messages, most))
        message = words_of(response.get("body") or line.get("error"))
        if status in (400, 422):
            chat.terms = chat.terms.joined(chat.less(terms, message, "", sent) or terms)
        if isinstance(status, int):
            raise ReplyError(chat.troubles.status(status, message))
        raise ReplyError(f"The batch holds no reply: {chat.troubles.shown(message) or 'no reason'}")

    async def _explained(self, call: Awaitable[T], missing: NoBatchError) -> T:
        try:
            return await call
        except ValueError:  # an answer that the package can't read
            raise self._no_api() from None
        except openai.APIError as error:
            if isinstance(error, openai.APIStatusError) and error.status_code in NOT_THERE:
                raise missing from None
            self._chat.explain(error)

    def _state(self, batch: Batch) -> State:
        if not isinstance(batch, Batch) or not (isinstance(batch.id, str) and isinstance(batch.status, str)):
            raise self._no_api()
        errors = batch.errors.data if batch.errors and batch.errors.data else []
        trouble = " ".join(error.message or error.code or "" for error in errors) or "it gives no reason"
        counts = batch.request_counts
        answered = counts.completed + counts.failed if counts else 0
        files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
        return State(batch.id, batch.status, answered, files, trouble)

    def _no_api(self) -> NoBatchError:
        return NoBatchError(f"{self._chat.troubles.host} has no Batch API: describe without --batch.")

    def _no_batch(self) -> NoBatchError:
        return NoBatchError(f"{self._chat.troubles.host} has no such batch: describe without --batch.")


def has_reply(line: dict[str, Any]) -> bool:
    """Whether a line of the results looks like a reply, of use or not."""
    response = inner(line, "response")
    return response.get("status_code") == 200 and bool(inner(response, "body").get("choices"))


def _line(text: str) -> dict[str, Any] | None:
    try:
        line = read_json(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
