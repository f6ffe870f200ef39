"""One model behind an OpenAI-compatible chat-completions server. The only room that imports openai.

Name, address, key, organization and project are handed in; of the environment only proxies and certificates count
(maps.llm.connection). The key enters no error's sentence, and no reply that repeats it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, TypeVar

import httpx2  # the transport of the openai package
import openai
from openai import AsyncOpenAI

from maps.errors import DescriberError, ReplyError
from maps.llm.budget import Budget, CostReservation
from maps.llm.connection import open_client
from maps.llm.error_messages import (
    DESCRIBE_OFFLINE_ADVICE,
    ErrorMessages,
    bad_request_details,
    has_reached_server,
    is_retryable,
    is_unreachable,
    validate_model_name,
)
from maps.llm.messages import Message
from maps.llm.rate_gate import LONGEST_WAIT, RateGate, backoff_seconds, requested_wait
from maps.llm.replies import Reply, reply_text, string_at, token_usage
from maps.llm.request import ChatRequest, RequestOptions
from maps.llm.sanitise import read_json, sanitise_json

__all__ = ["Chat", "Reply"]

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"
REPLY_TIMEOUT = 120.0  # seconds for one reply
MAX_RETRIES = 7  # of one question, over about a minute where the server names no time
RATE_LIMIT_RETRY_FACTOR = 4  # times as many after an answer that says to ask more slowly

T = TypeVar("T")


class Chat:
    """Asks one model, as in `async with Chat("gpt-4o", api_key=key) as chat: await chat.ask(…)`.

    The block has one pool of connections, for as many questions at once as `concurrency`. What the server
    refuses (JSON schema, then JSON mode; seed; a name for the limit) is left out from then on.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = REPLY_TIMEOUT,
        max_tokens: int | None = None,
        concurrency: int = 8,
        max_retries: int = MAX_RETRIES,
        first_wait: float = 0.5,
        budget: Budget | None = None,
        fallback_advice: str = DESCRIBE_OFFLINE_ADVICE,
        organization: str | None = None,
        project: str | None = None,
    ) -> None:
        """Keeps the settings and touches no network.

        A server of one's own (`base_url`) may need no key. `timeout` is in seconds. `max_tokens` is the most that a
        reply may have, in place of what the question and the model's thoughts are known to need. A question is
        retried `max_retries` times where that may help (429, 5xx, lost connections), when the server says or after
        `first_wait` seconds, doubled each time. `budget` counts what is asked and may end the run.
        `fallback_advice` says what else can be done where the key is missing or of no use. `organization` and `project`
        are what OpenAI calls so. Raises DescriberError for a name, an address or a key that can't be one.
        """
        self.model = validate_model_name(model)
        self.budget = budget or Budget()
        self._base_url = (base_url or OPENAI_URL).strip()
        self._account = {"organization": organization, "project": project}
        self._api_key = (api_key or "").strip()
        self.error_messages = ErrorMessages(model, self._base_url, self._api_key, timeout, fallback_advice)
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise DescriberError("The key holds characters that no key has: check OPENAI_API_KEY.")
        self._timeout = timeout
        self._concurrency = concurrency
        self._max_retries = max_retries
        self._first_wait = first_wait
        self.request_options = RequestOptions.for_model(model, max_tokens)
        self._gate = RateGate()
        self._has_answered = self._has_served = False  # at all; with what was asked for
        self._client: AsyncOpenAI | None = None

    def check_key(self) -> None:
        """Raises DescriberError where a key is needed and there is none."""
        if not self._api_key and self.error_messages.host.partition(":")[0] == OPENAI_HOST:
            raise self.error_messages.missing_key_error()

    async def __aenter__(self) -> Chat:
        """Opens the pool of connections; raises DescriberError as `check_key` does."""
        self.check_key()
        key, of = self._api_key or "none", self._account
        self._client = open_client(self._base_url, key, timeout=self._timeout, concurrency=self._concurrency, **of)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def ask(
        self, messages: Sequence[Message], *, seed: int | None, schema: dict[str, Any] | None, max_tokens: int
    ) -> Reply:
        """The model's reply, in the form of the JSON schema where the server can promise it.

        Raises ReplyError for what concerns this question alone (refusal, cut-off, unusable reply, time-out, rate
        limit, server error) and DescriberError for what ends the run (key, model, quota, no server).
        """
        question = ChatRequest(messages, seed, schema, max_tokens)
        most = self.request_options.max_reply_tokens(question)
        held = self.budget.max_cost(messages, most)
        async with CostReservation(self.budget, held) as hold:
            response, sent = await self._send_until_accepted(question, hold)
            return self._parse_response(response, sent, most, held)

    def _parse_response(
        self, response: httpx2.Response, request: dict[str, Any], max_reply_tokens: int, max_cost: float
    ) -> Reply:
        """What the server answered; counted before it is judged, since what is of no use is paid for too."""
        try:
            answer = read_json(response.content)
        except ValueError:
            self.budget.record_answer(max_cost, None, None)
            raise ReplyError(f"{self.error_messages.host} answered with a body that is no JSON.") from None
        return self.parse_answer(answer, request, max_reply_tokens, max_cost)

    def parse_answer(self, answer: object, request: dict[str, Any], max_reply_tokens: int, max_cost: float) -> Reply:
        """The reply in a server's answer, without the key; raises ReplyError where it holds none that is of use."""
        try:
            answer = sanitise_json(answer, self.error_messages.sanitise)
        except ValueError:
            answer = None
        usage = token_usage(answer)
        cost = self.budget.record_answer(max_cost, *usage)
        return Reply(
            content=reply_text(answer, max_reply_tokens),
            model=string_at(answer, "model") or self.model,
            fingerprint=string_at(answer, "system_fingerprint"),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost_usd=cost,
            seed=request.get("seed"),
        )

    async def _send_until_accepted(
        self, question: ChatRequest, reservation: CostReservation
    ) -> tuple[httpx2.Response, dict[str, Any]]:
        """The answer to the question, on terms that the server accepts, with the request as it was sent."""
        terms = self.request_options
        while True:
            body = terms.request_body(self.model, question)
            try:
                response = await self.call_with_retries(partial(self._post, body), reservation)
            except openai.APIError as error:
                less = self.options_after_refusal(terms, *bad_request_details(error), body)
                if less is None:
                    self.raise_explained(error)
                terms = less
            else:
                self.request_options = self.request_options.combined_with(terms)
                return response, body

    def options_after_refusal(
        self, options: RequestOptions, refusal: str, code: str, request: dict[str, Any]
    ) -> RequestOptions | None:
        """The terms without what a refusal speaks of, None where leaving out can't help.

        Raises DescriberError where replies would have no limit though the run's cost has one.
        """
        less = options.without_refused(refusal, code, request)
        if less and not less.limit_names and self.budget.cost_limit is not None:
            raise DescriberError(
                f"{self.error_messages.host} takes no limit of a reply's length, so --max-cost cannot be kept: leave it out."
            )
        return less

    async def _post(self, body: dict[str, Any]) -> httpx2.Response:
        response: httpx2.Response = await self.client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        self._gate.close_if_exhausted(response.headers, len(str(body["messages"])) // 4)
        return response

    async def call_with_retries(
        self, call: Callable[[], Awaitable[T]], reservation: CostReservation | None = None
    ) -> T:
        """What a call of the client gives, after as many retries as it takes; raises the client's error otherwise.

        `reservation`: of what the call can cost, which is spent where the reply gets lost.
        """
        attempt = 0
        while True:
            if reservation:
                await reservation.renew()
            await self._gate.wait_until_open()
            try:
                given = await call()
            except openai.APIError as error:
                if reservation and has_reached_server(error):
                    reservation.record_lost_reply()
                await self._wait_before_retry(error, attempt)
            else:
                self._has_answered = self._has_served = True
                return given
            attempt += 1

    async def _wait_before_retry(self, error: openai.APIError, attempt: int) -> None:
        """Waits before a retry, the whole run where the server asks for it; raises the error where no retry helps."""
        first_of_all = is_unreachable(error) and not self._has_answered
        most = self._max_retries * (RATE_LIMIT_RETRY_FACTOR if isinstance(error, openai.RateLimitError) else 1)
        if attempt >= most or first_of_all or not is_retryable(error, attempt):
            raise error
        pause = backoff_seconds(self._first_wait, attempt)
        if not isinstance(error, openai.APIStatusError):
            await asyncio.sleep(pause)
            return
        self._has_answered = True
        wanted = requested_wait(error.response.headers)
        if wanted is not None and wanted > LONGEST_WAIT:
            raise self.error_messages.long_wait_error(wanted) from None
        if wanted is not None or error.status_code == 429:
            self._gate.close_for(pause if wanted is None else wanted)
        else:
            await asyncio.sleep(pause)

    def raise_explained(self, error: openai.APIError) -> NoReturn:
        """Raises the sentence for an error of the client."""
        self.error_messages.raise_explained(error, has_answered=self._has_answered, has_served=self._has_served)

    @property
    def client(self) -> AsyncOpenAI:
        """The open client."""
        if self._client is None:
            raise RuntimeError("A chat is asked inside `async with Chat(…) as chat`.")
        return self._client
