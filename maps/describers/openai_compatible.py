"""A describer that asks a model behind an OpenAI-compatible server (maps.llm.client)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from maps.describers.prompt import REPLY_SCHEMA, description_messages, parse_description
from maps.llm.client import Chat
from maps.llm.messages import prompt_hash
from maps.llm.replies import Reply
from maps.llm.request import ChatRequest
from maps.types import Answer, Mapping

MAX_REPLY_TOKENS = 1024  # of the reply: some three times what the three sentences need


class OpenAICompatibleDescriber:
    """Asks a chat about one head at a time, within `async with`, which opens and closes the chat."""

    def __init__(self, chat: Chat) -> None:
        self.name = chat.model
        self._chat = chat

    async def __aenter__(self) -> OpenAICompatibleDescriber:
        """Opens the chat."""
        await self._chat.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the chat."""
        await self._chat.__aexit__(kind, error, trace)

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Asks about one head's mappings; the answer's model is the one that the server names.

        Raises ReplyError and DescriberError as Chat.ask does, and ReplyError for a reply that is no description.
        """
        asked = description_request(mappings, seed)
        reply = await self._chat.ask(asked.messages, seed=asked.seed, schema=asked.schema, max_tokens=asked.max_tokens)
        return answer_from_reply(asked, reply)


def description_request(mappings: Sequence[Mapping], seed: int) -> ChatRequest:
    """What a model is asked about one head."""
    return ChatRequest(description_messages(mappings), seed, REPLY_SCHEMA, MAX_REPLY_TOKENS)


def answer_from_reply(request: ChatRequest, reply: Reply) -> Answer:
    """The description in a reply, with where it came from; raises ReplyError where the reply is none."""
    return Answer(
        description=parse_description(reply.content),
        model=reply.model,
        prompt_hash=prompt_hash(request.messages),
        seed=reply.seed,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cost_usd=reply.cost_usd,
    )
