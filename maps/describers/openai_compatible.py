"""A model behind an OpenAI-compatible chat-completions server. The only room that imports openai.

Reads no environment: name, address and key are handed in. The key never enters an error's sentence.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import NoReturn, cast
from urllib.parse import urlsplit

import httpx2  # the transport of the openai package
import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from maps.describers import DescriberError
from maps.prompts import Message, ReplyError, messages, parse_reply, prompt_hash
from maps.types import Answer, Mapping

OPENAI_URL = "https://api.openai.com/v1"
MAX_TOKENS = 1024  # of the reply: some three times what the three sentences need
TIMEOUT = 120.0  # seconds for one reply
OFFLINE_HINT = "or describe without a key: --describer offline"


class OpenAICompatible:
    """Asks one model for one head at a time; a server that refuses JSON mode is asked in plain text."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        max_retries: int = 2,
    ) -> None:
        """Keeps the settings and touches no network.

        A server of one's own (`base_url`) may need no key. `timeout` is in seconds; the openai package
        retries `max_retries` times what is worth it (429, 5xx, lost connections), obeying Retry-After.
        Raises DescriberError for an address or a key that can't be one.
        """
        self.name = model
        self._base_url = base_url or OPENAI_URL
        self._host = _host(self._base_url)
        self._api_key = (api_key or "").strip()
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise DescriberError("The key holds characters that no key has: check OPENAI_API_KEY.")
        self._timeout = timeout
        self._max_retries = max_retries
        self._json_mode = True
        self._tls: ssl.SSLContext | None = None

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Asks about one head's mappings; the answer's model is the one that the server names.

        Raises ReplyError for what concerns this head (refusal, cut-off, unusable reply, time-out, rate limit,
        server error) and DescriberError for what ends the run (key, model, quota, no server).
        """
        asked = messages(mappings)
        try:
            completion = await self._complete(asked, seed)
        except openai.OpenAIError as error:
            self._explain(error)
        except ValueError:
            raise ReplyError(f"{self._host} answered with a body that is no JSON.") from None
        description = parse_reply(_content(completion))
        usage = completion.usage
        return Answer(
            description=description,
            model=completion.model or self.name,
            prompt_hash=prompt_hash(asked),
            seed=seed,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
        )

    async def _complete(self, asked: list[Message], seed: int) -> ChatCompletion:
        if not self._api_key and self._base_url == OPENAI_URL:
            raise DescriberError(f"{self.name} needs a key: set OPENAI_API_KEY, {OFFLINE_HINT}.")
        # A client for each question belongs to the running loop alone and leaves no open connection; it costs
        # half a millisecond, since the slow part, the TLS context, is shared.
        self._tls = self._tls or ssl.create_default_context()
        async with AsyncOpenAI(
            api_key=self._api_key or "none",
            base_url=self._base_url,
            timeout=self._timeout,
            max_retries=self._max_retries,
            http_client=DefaultAsyncHttpxClient(verify=self._tls),
        ) as client:
            if not self._json_mode:
                return await self._create(client, asked, seed, json_mode=False)
            try:
                return await self._create(client, asked, seed, json_mode=True)
            except (openai.BadRequestError, openai.UnprocessableEntityError):
                completion = await self._create(client, asked, seed, json_mode=False)
            self._json_mode = False
            return completion

    async def _create(self, client: AsyncOpenAI, asked: list[Message], seed: int, *, json_mode: bool) -> ChatCompletion:
        return await client.chat.completions.create(
            model=self.name,
            messages=cast("list[ChatCompletionMessageParam]", asked),
            max_tokens=MAX_TOKENS,
            seed=seed,
            response_format={"type": "json_object"} if json_mode else openai.omit,
        )

    def _explain(self, error: openai.OpenAIError) -> NoReturn:
        """Raises the sentence for the openai package's error; the chain is cut, as it may quote the key."""
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            raise DescriberError(f"{self._host} refused the key: set a valid OPENAI_API_KEY, {OFFLINE_HINT}.") from None
        if isinstance(error, openai.NotFoundError):
            raise DescriberError(
                f"{self._host} knows no model {self.name!r}: check --describer and --base-url."
            ) from None
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        if status == 402 or (isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota"):
            raise DescriberError(
                f"The account at {self._host} has no quota left: add credit, {OFFLINE_HINT}."
            ) from None
        if isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, httpx2.ConnectError):
            raise DescriberError(f"No server answers at {self._host}: start it, or check --base-url.") from None
        raise ReplyError(self._trouble(error)) from None

    def _trouble(self, error: openai.OpenAIError) -> str:
        """The sentence for an error that concerns one question."""
        if isinstance(error, openai.APITimeoutError):
            return f"{self._host} gave no reply within {self._timeout:g} seconds."
        if isinstance(error, openai.APIConnectionError):
            return f"The connection to {self._host} was lost before the reply."
        if isinstance(error, openai.RateLimitError):
            return f"{self._host} limits the rate of questions: ask again later or with less --concurrency."
        if isinstance(error, openai.APIStatusError):
            return f"{self._host} answered with status {error.status_code}: {self._without_key(error.message)}"
        return f"The reply of {self._host} can't be read: {self._without_key(str(error))}"

    def _without_key(self, text: str) -> str:
        line = " ".join(text.split())
        line = line.replace(self._api_key, "[key]") if self._api_key else line
        return line if len(line) <= 200 else line[:200] + "…"


def _host(url: str) -> str:
    """The server's name and port, without what else an address may hold (such as a password)."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise DescriberError("The server's address is none: write --base-url as in http://127.0.0.1:8000/v1.")
    return host


def _content(completion: ChatCompletion) -> str | None:
    """The reply's text; raises ReplyError where the server sent none, cut it off or withheld it."""
    # A server may answer 200 with a page or an error object, which the package hands on unchecked.
    if not isinstance(completion, ChatCompletion) or not completion.choices:
        raise ReplyError("The server's answer holds no reply.")
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        raise ReplyError(f"The reply was cut off after {MAX_TOKENS} tokens.")
    if choice.finish_reason == "content_filter":
        raise ReplyError("The server's content filter withheld the reply.")
    if choice.message.refusal:
        raise ReplyError(f"The describer refused: {' '.join(choice.message.refusal.split())[:80]}")
    return choice.message.content
