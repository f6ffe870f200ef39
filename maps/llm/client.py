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
from maps.llm.budget import Budget, Hold
from maps.llm.connection import connected
from maps.llm.error_messages import (
    DESCRIBE_OFFLINE,
    Troubles,
    checked_name,
    complaint,
    is_unreachable,
    is_worth_a_retry,
    was_sent,
)
from maps.llm.messages import Message
from maps.llm.rate_gate import LONGEST_WAIT, Gate, asked_to_wait, back_off
from maps.llm.replies import Reply, content_of, text_in, usage_of
from maps.llm.request import Question, Terms
from maps.llm.sanitise import cleaned, read_json

__all__ = ["Chat", "Reply"]

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"
TIMEOUT = 120.0  # seconds for one reply
RETRIES = 7  # of one question, over about a minute where the server names no time
PATIENCE = 4  # times as many after an answer that says to ask more slowly

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
        timeout: float = TIMEOUT,
        max_tokens: int | None = None,
        concurrency: int = 8,
        max_retries: int = RETRIES,
        first_wait: float = 0.5,
        budget: Budget | None = None,
        without_key: str = DESCRIBE_OFFLINE,
        organization: str | None = None,
        project: str | None = None,
    ) -> None:
        """Keeps the settings and touches no network.

        A server of one's own (`base_url`) may need no key. `timeout` is in seconds. `max_tokens` is the most that a
        reply may have, in place of what the question and the model's thoughts are known to need. A question is
        retried `max_retries` times where that may help (429, 5xx, lost connections), when the server says or after
        `first_wait` seconds, doubled each time. `budget` counts what is asked and may end the run.
        `without_key` says what else can be done where the key is missing or of no use. `organization` and `project`
        are what OpenAI calls so. Raises DescriberError for a name, an address or a key that can't be one.
        """
        self.model = checked_name(model)
        self.budget = budget or Budget()
        self._base_url = (base_url or OPENAI_URL).strip()
        self._account = {"organization": organization, "project": project}
        self._api_key = (api_key or "").strip()
        self.troubles = Troubles(model, self._base_url, self._api_key, timeout, without_key)
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise DescriberError("The key holds characters that no key has: check OPENAI_API_KEY.")
        self._timeout = timeout
        self._concurrency = concurrency
        self._max_retries = max_retries
        self._first_wait = first_wait
        self.terms = Terms.of(model, max_tokens)
        self._gate = Gate()
        self._answered = self._served = False  # at all; with what was asked for
        self._client: AsyncOpenAI | None = None

    def check_key(self) -> None:
        """Raises DescriberError where a key is needed and there is none."""
        if not self._api_key and self.troubles.host.partition(":")[0] == OPENAI_HOST:
            raise self.troubles.no_key()

    async def __aenter__(self) -> Chat:
        """Opens the pool of connections; raises DescriberError as `check_key` does."""
        self.check_key()
        key, of = self._api_key or "none", self._account
        self._client = connected(self._base_url, key, timeout=self._timeout, concurrency=self._concurrency, **of)
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
        question = Question(messages, seed, schema, max_tokens)
        most = self.terms.most(question)
        held = self.budget.most(messages, most)
        async with Hold(self.budget, held) as hold:
            response, sent = await self._accepted(question, hold)
            return self._read(response, sent, most, held)

    def _read(self, response: httpx2.Response, sent: dict[str, Any], most: int, held: float) -> Reply:
        """What the server answered; counted before it is judged, since what is of no use is paid for too."""
        try:
            answer = read_json(response.content)
        except ValueError:
            self.budget.settle(held, None, None)
            raise ReplyError(f"{self.troubles.host} answered with a body that is no JSON.") from None
        return self.reply_of(answer, sent, most, held)

    def reply_of(self, answer: object, sent: dict[str, Any], most: int, held: float) -> Reply:
        """The reply in a server's answer, without the key; raises ReplyError where it holds none that is of use."""
        try:
            answer = cleaned(answer, self.troubles.clean)
        except ValueError:
            answer = None
        usage = usage_of(answer)
        cost = self.budget.settle(held, *usage)
        return Reply(
            content=content_of(answer, most),
            model=text_in(answer, "model") or self.model,
            fingerprint=text_in(answer, "system_fingerprint"),
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            cost_usd=cost,
            seed=sent.get("seed"),
        )

    async def _accepted(self, question: Question, hold: Hold) -> tuple[httpx2.Response, dict[str, Any]]:
        """The answer to the question, on terms that the server accepts, with the request as it was sent."""
        terms = self.terms
        while True:
            body = terms.body(self.model, question)
            try:
                response = await self.retried(partial(self._sent, body), hold)
            except openai.APIError as error:
                less = self.less(terms, *complaint(error), body)
                if less is None:
                    self.explain(error)
                terms = less
            else:
                self.terms = self.terms.joined(terms)
                return response, body

    def less(self, terms: Terms, said: str, code: str, sent: dict[str, Any]) -> Terms | None:
        """The terms without what a refusal speaks of, None where leaving out can't help.

        Raises DescriberError where replies would have no limit though the run's cost has one.
        """
        less = terms.without(said, code, sent)
        if less and not less.limits and self.budget.limit is not None:
            raise DescriberError(
                f"{self.troubles.host} takes no limit of a reply's length, so --max-cost cannot be kept: leave it out."
            )
        return less

    async def _sent(self, body: dict[str, Any]) -> httpx2.Response:
        response: httpx2.Response = await self.client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        self._gate.heed(response.headers, len(str(body["messages"])) // 4)
        return response

    async def retried(self, call: Callable[[], Awaitable[T]], hold: Hold | None = None) -> T:
        """What a call of the client gives, after as many retries as it takes; raises the client's error otherwise.

        `hold`: of what the call can cost, which is spent where the reply gets lost.
        """
        attempt = 0
        while True:
            if hold:
                await hold.renew()
            await self._gate.passed()
            try:
                given = await call()
            except openai.APIError as error:
                if hold and was_sent(error):
                    hold.lose()
                await self._wait_after(error, attempt)
            else:
                self._answered = self._served = True
                return given
            attempt += 1

    async def _wait_after(self, error: openai.APIError, attempt: int) -> None:
        """Waits before a retry, the whole run where the server asks for it; raises the error where no retry helps."""
        first_of_all = is_unreachable(error) and not self._answered
        most = self._max_retries * (PATIENCE if isinstance(error, openai.RateLimitError) else 1)
        if attempt >= most or first_of_all or not is_worth_a_retry(error, attempt):
            raise error
        pause = back_off(self._first_wait, attempt)
        if not isinstance(error, openai.APIStatusError):
            await asyncio.sleep(pause)
            return
        self._answered = True
        wanted = asked_to_wait(error.response.headers)
        if wanted is not None and wanted > LONGEST_WAIT:
            raise self.troubles.too_long(wanted) from None
        if wanted is not None or error.status_code == 429:
            self._gate.close(pause if wanted is None else wanted)
        else:
            await asyncio.sleep(pause)

    def explain(self, error: openai.APIError) -> NoReturn:
        """Raises the sentence for an error of the client."""
        self.troubles.explain(error, answered=self._answered, served=self._served)

    @property
    def client(self) -> AsyncOpenAI:
        """The open client."""
        if self._client is None:
            raise RuntimeError("A chat is asked inside `async with Chat(…) as chat`.")
        return self._client
