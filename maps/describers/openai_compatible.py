"""A describer that asks a model behind an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Sequence

from maps.describers.prompt import REPLY_SCHEMA, description_messages, parse_description
from maps.llm.client import Chat
from maps.llm.messages import prompt_hash
from maps.llm.replies import Reply
from maps.llm.request import ChatRequest
from maps.types import Answer, Mapping

MAX_REPLY_TOKENS = 1024  # about three times what the three answers need


class OpenAICompatibleDescriber:
    """Asks a chat about one head at a time, inside `async with`, which opens and closes the chat."""

    def __init__(self, chat: Chat) -> None:
        self.name = chat.model
        self._chat = chat

    async def __aenter__(self) -> OpenAICompatibleDescriber:
        await self._chat.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._chat.__aexit__()

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes one head; the answer's model is the one that the server names.

        Raises ReplyError and DescriberError as Chat.ask does, and ReplyError for a reply without a description.
        """
        request = description_request(mappings, seed)
        reply = await self._chat.ask(request.messages, seed=seed, schema=request.schema, max_tokens=request.max_tokens)
        return answer_from_reply(request, reply)


def description_request(mappings: Sequence[Mapping], seed: int) -> ChatRequest:
    return ChatRequest(description_messages(mappings), seed, REPLY_SCHEMA, MAX_REPLY_TOKENS)


def answer_from_reply(request: ChatRequest, reply: Reply) -> Answer:
    """The description in a reply, with its provenance; raises ReplyError if there is none."""
    return Answer(
        description=parse_description(reply.content),
        model=reply.model,
        prompt_hash=prompt_hash(request.messages),
        seed=reply.seed,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cost_usd=reply.cost_usd,
    )
