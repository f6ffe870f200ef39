"""Asks one model behind an OpenAI-compatible chat-completions server.

Name, address, key, organization and project are parameters; only proxies and certificates come from the environment
(maps.llm.connection). The key appears in no error message, and is masked in replies that repeat it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, TypeVar

import httpx2  # the transport of the openai package
import openai
from openai import AsyncOpenAI

from maps.errors import DescriberError, ReplyError
from maps.llm.budget import Budget, CostReservation
from maps.llm.concurrency import ConcurrencyLimit, Place
from maps.llm.connection import open_client
from maps.llm.error_messages import (
    DESCRIBE_OFFLINE_ADVICE,
    KEY_NAME,
    ErrorMessages,
    asks_for_format,
    bad_request_details,
    has_reached_server,
    is_late,
    is_overload,
    is_retryable,
    is_server_failure,
    is_unreachable,
    validate_model_name,
)
from maps.llm.messages import Message
from maps.llm.notices import print_above_bar
from maps.llm.rate_gate import LONGEST_WAIT, RateGate, backoff_seconds, requested_wait
from maps.llm.replies import Reply, is_cut_before_answer, reply_text, shows_thinking, string_at, token_usage
from maps.llm.reply_limit import LongReplyError
from maps.llm.request import ChatRequest, ReplyFormat, RequestOptions
from maps.llm.sanitise import read_json, sanitise_json

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"
REPLY_TIMEOUT = 120.0  # seconds for one reply
MAX_RETRIES = 7  # of one question; about a minute in all if the server names no waiting time
RATE_LIMIT_RETRY_FACTOR = 4  # times as many retries after a rate-limit answer (429)
MAX_CROWDED_TRIES = 2  # late replies to one question among others; then it is asked while no other question is open

T = TypeVar("T")


class Chat:
    """Asks one model: `async with Chat("gpt-4o", api_key=key) as chat: await chat.ask(…)`.

    All questions in the block share one pool of `concurrency` connections; fewer are used while replies are late. An
    optional parameter that the server refuses (JSON schema, then JSON mode; seed; a name for the token limit) is left
    out from then on. If the model turns out to think before it answers, replies get more tokens from then on.
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
        key_name: str = KEY_NAME,
        on_notice: Callable[[str], None] = print_above_bar,
    ) -> None:
        """Stores the settings; sends nothing. Raises DescriberError for an invalid name, address or key.

        `base_url`: OpenAI's if None. `api_key`: many servers other than OpenAI need none. `timeout`: seconds per reply.
        `max_tokens`: the token limit of every reply, instead of the limit of the question plus tokens for reasoning.
        `max_retries`: retries of one question after 429, 5xx or a lost connection; the wait is what the server asks
        for, otherwise `first_wait` seconds, doubled each time. `budget` counts the cost and may end the run.
        `fallback_advice`: what to do without the server, for error messages. `organization`, `project`: as in OpenAI's
        API. `key_name`: the variable that the key is from, for error messages. `on_notice` gets a sentence about each
        thing that the chat changes by itself.
        """
        self.model = validate_model_name(model)
        self.budget = budget or Budget()
        self._base_url = (base_url or OPENAI_URL).strip()
        self._account = {"organization": organization, "project": project}
        self._api_key = (api_key or "").strip()
        self.error_messages = ErrorMessages(model, self._base_url, self._api_key, timeout, fallback_advice, key_name)
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise DescriberError(f"The API key contains invalid characters: check {key_name}.")
        self._timeout = timeout
        self._concurrency = concurrency
        self._max_retries = max_retries
        self._first_wait = first_wait
        self.request_options = RequestOptions.for_model(model, max_tokens)
        self._on_notice = on_notice
        self._gate = RateGate()
        self._places = ConcurrencyLimit(concurrency, timeout, self._report_fewer_questions)
        self._doubts_format = False  # a question was answered only without a format, after server errors with it
        self._has_answered = False  # the server has sent any response, also an error
        self._has_served = False  # the server has sent a reply, so the key is valid
        self._client: AsyncOpenAI | None = None

    def check_key(self) -> None:
        """Raises DescriberError if OpenAI is asked without a key."""
        if not self._api_key and self.error_messages.host.partition(":")[0] == OPENAI_HOST:
            raise self.error_messages.missing_key_error()

    async def __aenter__(self) -> Chat:
        """Opens the pool of connections; raises DescriberError as `check_key` does."""
        self.check_key()
        self._client = open_client(
            self._base_url,
            self._api_key or "none",  # the openai package wants a key even where the server does not
            timeout=self._timeout,
            concurrency=self._concurrency,
            **self._account,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def ask(
        self, messages: Sequence[Message], *, seed: int | None, schema: dict[str, Any] | None, max_tokens: int
    ) -> Reply:
        """The model's reply, in the form of the JSON schema if the server can enforce it.

        Raises ReplyError if this question got no usable reply (refusal, cut-off, time-out, rate limit, server error)
        and DescriberError if no question will get one (key, model, quota, no server).
        """
        question = ChatRequest(messages, seed, schema, max_tokens)
        options = self.request_options
        max_cost = self.budget.max_cost(messages, options.max_reply_tokens(question))
        async with CostReservation(self.budget, max_cost) as reservation:
            # While the question waited, options may have been refused; more tokens than reserved must not be used.
            options = replace(self.request_options, thinks=options.thinks)
            response, request, options = await self._send_until_accepted(question, options, reservation)
            try:
                answer = read_json(response.content)
            except ValueError:
                self.budget.record_answer(max_cost, None, None)  # an unusable reply costs money too
                host = self.error_messages.host
                raise ReplyError(f"{host} sent a reply that is not JSON: check --base-url.") from None
            return self.parse_answer(answer, request, options.max_reply_tokens(question), max_cost)

    def parse_answer(self, answer: object, request: dict[str, Any], max_reply_tokens: int, max_cost: float) -> Reply:
        """The reply in a server's answer, with the key masked; raises ReplyError if there is no usable one.

        Notes whether the model thinks, so that the next questions leave it enough tokens.
        """
        try:
            answer = sanitise_json(answer, self.error_messages.sanitise)
        except ValueError:
            answer = None
        usage = token_usage(answer)
        cost = self.budget.record_answer(max_cost, *usage)
        if shows_thinking(answer) or is_cut_before_answer(answer):
            self._allow_thoughts(max_cost)
        return Reply(
            content=reply_text(answer, max_reply_tokens),
            model=string_at(answer, "model") or self.model,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost_usd=cost,
            seed=request.get("seed"),
        )

    def _allow_thoughts(self, max_cost: float) -> None:
        """Gives replies more tokens from now on, unless --max-tokens or the cost limit forbids it."""
        options = self.request_options
        extra_cost = self.budget.max_cost([], options.reasoning_tokens)
        if options.thinks or options.token_limit or not self.budget.has_room_for(max_cost + extra_cost):
            return
        self.request_options = replace(options, thinks=True)
        self._on_notice(
            f"{self.model} thinks before it answers: from now on, each reply may have {options.reasoning_tokens:,} "
            "more tokens. --max-tokens sets another limit."
        )

    def _report_fewer_questions(self, before: int, after: int) -> None:
        self._on_notice(
            f"{self.error_messages.host} does not reply to {before} questions at once in time: {after} are asked at "
            "once now, and more again when it keeps up. The questions without a reply are asked again."
        )

    async def _send_until_accepted(
        self, question: ChatRequest, options: RequestOptions, reservation: CostReservation
    ) -> tuple[httpx2.Response, dict[str, Any], RequestOptions]:
        """Sends the question with fewer and fewer options until the server accepts; returns the accepted options too.

        A server error may be about the format of the reply although it does not say so. After all retries, the question
        is therefore sent without a format once. If that works, the format is doubted: the next server error to a
        question with a format counts as a refusal, and the next reply to one ends the doubt.
        """
        is_trial = False  # without a format, to see whether the format is at fault
        while True:
            body = options.request_body(self.model, question)
            has_format = "response_format" in body
            is_one_try = is_trial or (has_format and self._doubts_format)
            try:
                call = partial(self._post, body)
                response = await self.call_with_retries(call, reservation, 0 if is_one_try else None)
            except openai.APIError as error:
                fewer_options = self.options_after_refusal(options, *bad_request_details(error), body)
                is_trial = fewer_options is None and not self._doubts_format
                fewer_options = fewer_options or self._options_after_failure(options, error)
                if fewer_options is None:
                    self.raise_explained(error)
                options = fewer_options
            else:
                self._doubts_format = is_trial or (self._doubts_format and not has_format)
                if not is_trial:
                    self.request_options = self.request_options.combined_with(options)
                return response, body, options

    def _options_after_failure(self, options: RequestOptions, error: openai.APIError) -> RequestOptions | None:
        """The options with a less strict format after a server error, or with none for a trial; None if useless."""
        if not (is_server_failure(error) and asks_for_format(error)):
            return None
        if self._doubts_format:
            return options.with_less_strict_format()
        return replace(options, reply_format=ReplyFormat.TEXT)

    def options_after_refusal(
        self, options: RequestOptions, refusal: str, code: str, request: dict[str, Any]
    ) -> RequestOptions | None:
        """The options without the one that the server refused; None if leaving one out cannot help.

        Raises DescriberError if replies would have no token limit although the run has a cost limit.
        """
        fewer_options = options.without_refused(refusal, code, request)
        if fewer_options and not fewer_options.limit_names and self.budget.cost_limit is not None:
            raise DescriberError(
                f"{self.error_messages.host} accepts no limit on the length of replies, so --max-cost cannot be "
                "enforced: leave it out."
            )
        return fewer_options

    async def _post(self, body: dict[str, Any]) -> httpx2.Response:
        response: httpx2.Response = await self.client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        self._gate.close_if_exhausted(response.headers, len(str(body["messages"])) // 4)
        return response

    async def call_with_retries(
        self,
        call: Callable[[], Awaitable[T]],
        reservation: CostReservation | None = None,
        failure_retries: int | None = None,
    ) -> T:
        """The result of a call, retried where that may help; raises the client's error otherwise.

        A reply that is late because other questions are open does not count as a try. `reservation`: for the cost of
        the call; it counts as spent if the reply gets lost. `failure_retries`: after a failure of the server, by
        default as many as the chat was told.
        """
        attempt = crowded_tries = 0
        while True:
            if reservation:
                await reservation.renew()
            place = Place(is_alone=crowded_tries >= MAX_CROWDED_TRIES)
            try:
                return await self._call_in_place(call, place, reservation)
            except openai.APIError as error:
                max_retries = self._max_retries
                if failure_retries is not None and is_server_failure(error):
                    max_retries = failure_retries
                await self._wait_before_retry(error, 0 if place.is_crowded_out else attempt, max_retries)
            crowded_tries += place.is_crowded_out
            attempt += not place.is_crowded_out

    async def _call_in_place(
        self, call: Callable[[], Awaitable[T]], place: Place, reservation: CostReservation | None
    ) -> T:
        """The result of one call, made when there is a place for it and the rate limit allows it."""
        async with self._places.hold(place):
            await self._gate.wait_until_open()
            place.started = time.monotonic()
            try:
                result = await call()
            except LongReplyError:
                if reservation:
                    reservation.record_lost_reply()
                raise
            except openai.APIError as error:
                if reservation and has_reached_server(error):
                    reservation.record_lost_reply()
                if is_late(error):
                    self._places.record_late_reply(place, is_refused=is_overload(error))
                raise
            self._places.record_reply(place)
            self._has_answered = self._has_served = True
            return result

    async def _wait_before_retry(self, error: openai.APIError, attempt: int, max_retries: int) -> None:
        """Waits before a retry; raises the error if no retry helps.

        If the server names a waiting time or limits the rate, the gate keeps back all questions of the run.
        """
        never_reached = is_unreachable(error) and not self._has_answered
        max_retries *= RATE_LIMIT_RETRY_FACTOR if isinstance(error, openai.RateLimitError) else 1
        if attempt >= max_retries or never_reached or not is_retryable(error, attempt):
            raise error
        pause = backoff_seconds(self._first_wait, attempt)
        if not isinstance(error, openai.APIStatusError):
            await asyncio.sleep(pause)
            return
        self._has_answered = True
        server_wait = requested_wait(error.response.headers)
        if server_wait is not None and server_wait > LONGEST_WAIT:
            raise self.error_messages.long_wait_error(server_wait) from None
        if server_wait is not None or error.status_code == 429:
            self._gate.close_for(pause if server_wait is None else server_wait)
        else:
            await asyncio.sleep(pause)

    def raise_explained(self, error: openai.APIError) -> NoReturn:
        """Raises a MapsError with a message for an error of the openai package."""
        self.error_messages.raise_explained(error, has_answered=self._has_answered, has_served=self._has_served)

    @property
    def client(self) -> AsyncOpenAI:
        """The open client; raises RuntimeError outside the block."""
        if self._client is None:
            raise RuntimeError("Open the chat first: use it inside `async with Chat(…) as chat`.")
        return self._client
