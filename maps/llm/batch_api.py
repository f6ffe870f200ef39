"""The Batch API of a server: many requests in one file, answered within a day at a lower price."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

import openai
from openai.pagination import AsyncCursorPage
from openai.types import Batch, FileObject

from maps.errors import DescriberError, NoBatchError, ReplyError
from maps.llm.client import Chat
from maps.llm.error_messages import is_refusal
from maps.llm.hidden_errors import hidden_error, hidden_status
from maps.llm.replies import Reply, object_at
from maps.llm.request import ChatRequest, RequestOptions
from maps.llm.sanitise import message_in_body, read_json

MAX_BATCH_REQUESTS = 50_000  # OpenAI's limit
MAX_BATCH_BYTES = 200_000_000  # OpenAI's limit for the file of a batch
MISSING_STATUSES = (404, 405, 501)  # the server has no Batch API, or not this batch or file

T = TypeVar("T")


class BatchState(NamedTuple):
    """The progress of a batch. `result_files`: ids of its files with answers and with errors."""

    id: str
    status: str
    answer_count: int
    result_files: tuple[str, ...]
    failure_reason: str

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "failed", "expired", "cancelled")


class BatchClient:
    """Sends batches through an open chat and fetches the results."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def upload(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> str:
        """Uploads requests, as (custom id, body), as the file of a batch; returns the file's id."""
        fixed = {"method": "POST", "url": "/v1/chat/completions"}
        lines = [json.dumps({"custom_id": name, **fixed, "body": body}) for name, body in requests]
        content = ("\n".join(lines) + "\n").encode()
        if len(requests) > MAX_BATCH_REQUESTS or len(content) > MAX_BATCH_BYTES:
            raise DescriberError(
                f"The batch is over the limit of {MAX_BATCH_REQUESTS:,} requests or {MAX_BATCH_BYTES // 1_000_000} MB: "
                "describe without --batch."
            )
        client = self._chat.client
        uploaded = await self._explain_errors(
            client.files.create(file=("batch.jsonl", content, "application/jsonl"), purpose="batch")
        )
        if not isinstance(uploaded, FileObject) or not isinstance(uploaded.id, str):
            raise self._missing_error("Batch API")
        return uploaded.id

    async def start(self, file_id: str) -> BatchState:
        """Starts the batch of an uploaded file. If the server already has a batch of this file, returns that one."""
        client = self._chat.client
        page = await self._explain_errors(client.batches.list(limit=100))
        if not isinstance(page, AsyncCursorPage):
            raise self._missing_error("Batch API")
        for batch in page.data or []:
            if batch.input_file_id == file_id:
                return self._parse_state(batch)
        created = await self._explain_errors(
            client.batches.create(input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h")
        )
        return self._parse_state(created)

    async def fetch_state(self, batch_id: str) -> BatchState:
        retrieve = partial(self._chat.client.batches.retrieve, batch_id)
        batch = await self._explain_errors(self._chat.call_with_retries(retrieve), "such batch")
        return self._parse_state(batch)

    async def fetch_results(self, state: BatchState) -> list[dict[str, Any]]:
        """The result lines of a finished batch, answers and errors; unreadable lines are left out."""
        lines = []
        for file in state.result_files:
            download = partial(self._chat.client.files.content, file)
            content = await self._explain_errors(self._chat.call_with_retries(download), "such batch")
            for text in content.text.split("\n"):
                with suppress(ValueError):
                    lines.append(read_json(text))
        return [line for line in lines if isinstance(line, dict)]

    def parse_result(self, line: dict[str, Any], question: ChatRequest, options: RequestOptions) -> Reply:
        """The reply in a result line; raises ReplyError if it contains no usable one.

        `options`: those that the question was sent with. A parameter that the server refused is left out from now on.
        """
        chat = self._chat
        request, max_tokens = options.request_body(chat.model, question), options.max_reply_tokens(question)
        response = object_at(line, "response")
        body = response.get("body")
        status = response.get("status_code")
        if status == 200:
            status = hidden_status(body) or 200
        if status == 200:
            max_cost = chat.budget.max_cost(question.messages, max_tokens)
            return chat.parse_answer(body, request, max_tokens, max_cost)
        message = message_in_body(hidden_error(body)) or message_in_body(body or line.get("error"))
        if isinstance(status, int) and is_refusal(status, message, has_format="response_format" in request):
            accepted = chat.options_after_refusal(options, message, "", request) or options
            chat.request_options = chat.request_options.combined_with(accepted)
        if isinstance(status, int):
            raise ReplyError(chat.error_messages.status_message(status, message))
        reason = chat.error_messages.excerpt(message) or "the server gave no reason"
        raise ReplyError(f"No reply in the batch: {reason}")

    async def _explain_errors(self, call: Awaitable[T], what: str = "Batch API") -> T:
        """The result of a call; `what`: the thing that the server lacks if it answers so."""
        try:
            return await call
        except ValueError:  # the openai package cannot read the answer
            raise self._missing_error("Batch API") from None
        except openai.APIError as error:
            if isinstance(error, openai.APIStatusError) and error.status_code in MISSING_STATUSES:
                raise self._missing_error(what) from None
            self._chat.raise_explained(error)

    def _parse_state(self, batch: Batch) -> BatchState:
        if not isinstance(batch, Batch) or not (isinstance(batch.id, str) and isinstance(batch.status, str)):
            raise self._missing_error("Batch API")
        errors = batch.errors.data if batch.errors and batch.errors.data else []
        reason = " ".join(error.message or error.code or "" for error in errors) or "the server gave no reason"
        counts = batch.request_counts
        answer_count = counts.completed + counts.failed if counts else 0
        files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
        return BatchState(batch.id, batch.status, answer_count, files, reason)

    def _missing_error(self, what: str) -> NoBatchError:
        return NoBatchError(f"{self._chat.error_messages.host} has no {what}: describe without --batch.")


def has_reply(line: dict[str, Any]) -> bool:
    """Whether a result line contains a reply, usable or not."""
    response = object_at(line, "response")
    return response.get("status_code") == 200 and bool(object_at(response, "body").get("choices"))
