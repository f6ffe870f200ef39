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
from maps.llm.replies import Reply, object_at
from maps.llm.request import ChatRequest, RequestOptions
from maps.llm.sanitise import message_in_body, read_json

MAX_BATCH_REQUESTS = 50_000  # questions in one batch, by OpenAI's rules
MAX_BATCH_BYTES = 200_000_000  # bytes of one batch's file
MISSING_STATUSES = (404, 405, 501)  # what a server answers that lacks what was asked for

T = TypeVar("T")


class BatchState(NamedTuple):
    """How far a batch is. `result_files`: what holds its answers and errors; `failure_reason`: the server's words where it failed."""

    id: str
    status: str
    answer_count: int
    result_files: tuple[str, ...]
    failure_reason: str

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ("completed", "failed", "expired", "cancelled")


class BatchClient:
    """Sends batches through an open chat and fetches their answers."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    @property
    def request_options(self) -> RequestOptions:
        """The terms on which the chat asks now."""
        return self._chat.request_options

    async def upload(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> str:
        """Uploads the file of a batch, from each request's own id and body; returns the file's id."""
        fixed = {"method": "POST", "url": "/v1/chat/completions"}
        lines = [json.dumps({"custom_id": name, **fixed, "body": body}) for name, body in requests]
        content = ("\n".join(lines) + "\n").encode()
        if len(requests) > MAX_BATCH_REQUESTS or len(content) > MAX_BATCH_BYTES:
            raise DescriberError(
                f"A batch holds {MAX_BATCH_REQUESTS:,} questions or {MAX_BATCH_BYTES // 1_000_000} MB at most: describe without --batch."
            )
        client = self._chat.client
        uploaded = await self._explain_errors(
            client.files.create(file=("batch.jsonl", content, "application/jsonl"), purpose="batch"),
            self._no_api_error(),
        )
        if not isinstance(uploaded, FileObject) or not isinstance(uploaded.id, str):
            raise self._no_api_error()
        return uploaded.id

    async def start(self, file_id: str) -> BatchState:
        """Begins the batch of an uploaded file; one that was begun before is found, never begun twice."""
        client = self._chat.client
        page = await self._explain_errors(client.batches.list(limit=100), self._no_api_error())
        if not isinstance(page, AsyncCursorPage):
            raise self._no_api_error()
        for batch in page.data or []:
            if batch.input_file_id == file_id:
                return self._parse_state(batch)
        return self._parse_state(
            await self._explain_errors(
                client.batches.create(input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h"),
                self._no_api_error(),
            )
        )

    async def fetch_state(self, batch_id: str) -> BatchState:
        """How far a batch is."""
        return self._parse_state(
            await self._explain_errors(
                self._chat.call_with_retries(partial(self._chat.client.batches.retrieve, batch_id)),
                self._no_batch_error(),
            )
        )

    async def fetch_results(self, state: BatchState) -> list[dict[str, Any]]:
        """The lines of a finished batch, answers and errors; a line that can't be read answers nothing."""
        found = []
        for file in state.result_files:
            content = await self._explain_errors(
                self._chat.call_with_retries(partial(self._chat.client.files.content, file)), self._no_batch_error()
            )
            found += [line for text in content.text.split("\n") if (line := _parse_line(text))]
        return found

    def parse_result(self, line: dict[str, Any], question: ChatRequest, options: RequestOptions) -> Reply:
        """The reply in a line of the results, asked on those terms; raises ReplyError where it holds none of use.

        What the server refused of this request is left out of the next ones.
        """
        chat = self._chat
        sent, most = options.request_body(chat.model, question), options.max_reply_tokens(question)
        response = object_at(line, "response")
        status = response.get("status_code")
        if status == 200:
            return chat.parse_answer(response.get("body"), sent, most, chat.budget.max_cost(question.messages, most))
        message = message_in_body(response.get("body") or line.get("error"))
        if status in (400, 422):
            chat.request_options = chat.request_options.combined_with(
                chat.options_after_refusal(options, message, "", sent) or options
            )
        if isinstance(status, int):
            raise ReplyError(chat.error_messages.status_message(status, message))
        raise ReplyError(f"The batch holds no reply: {chat.error_messages.excerpt(message) or 'no reason'}")

    async def _explain_errors(self, call: Awaitable[T], missing: NoBatchError) -> T:
        try:
            return await call
        except ValueError:  # an answer that the package can't read
            raise self._no_api_error() from None
        except openai.APIError as error:
            if isinstance(error, openai.APIStatusError) and error.status_code in MISSING_STATUSES:
                raise missing from None
            self._chat.raise_explained(error)

    def _parse_state(self, batch: Batch) -> BatchState:
        if not isinstance(batch, Batch) or not (isinstance(batch.id, str) and isinstance(batch.status, str)):
            raise self._no_api_error()
        errors = batch.errors.data if batch.errors and batch.errors.data else []
        trouble = " ".join(error.message or error.code or "" for error in errors) or "it gives no reason"
        counts = batch.request_counts
        answered = counts.completed + counts.failed if counts else 0
        files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
        return BatchState(batch.id, batch.status, answered, files, trouble)

    def _no_api_error(self) -> NoBatchError:
        return NoBatchError(f"{self._chat.error_messages.host} has no Batch API: describe without --batch.")

    def _no_batch_error(self) -> NoBatchError:
        return NoBatchError(f"{self._chat.error_messages.host} has no such batch: describe without --batch.")


def has_reply(line: dict[str, Any]) -> bool:
    """Whether a line of the results looks like a reply, of use or not."""
    response = object_at(line, "response")
    return response.get("status_code") == 200 and bool(object_at(response, "body").get("choices"))


def _parse_line(text: str) -> dict[str, Any] | None:
    try:
        line = read_json(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
