"""Counts the replies, tokens and dollars of a run and keeps it under a cost limit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from maps.errors import DescriberError, MapsError
from maps.llm.messages import Message
from maps.llm.prices import Price
from maps.text import pluralize


@dataclass
class Budget:
    """What a run has spent and what it may spend, in dollars.

    The limit is never exceeded: each question first reserves the most that it can cost, and is sent only if
    spent + reserved stays within `cost_limit` (None: no limit). The reply replaces the reservation by the true cost.

    `is_batch`: whether batch prices apply. `answer_count`: the server's answers, usable or not. `lost_count`: questions
    that were sent but never answered; they count as spent, since the server may charge for them.
    """

    price: Price | None = None
    cost_limit: float | None = None
    is_batch: bool = False
    answer_count: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent_dollars: float = 0.0
    lost_count: int = 0
    _reserved_costs: list[float] = field(default_factory=list)
    _waiting_futures: list[asyncio.Future[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises MapsError for a limit without a price."""
        if self.cost_limit is not None and self.price is None:
            raise MapsError("No price is known for this model, so --max-cost cannot be enforced: give --prices FILE.")

    def max_cost(self, messages: Sequence[Message], completion_tokens: int) -> float:
        """The most dollars that a question with a reply of `completion_tokens` tokens can cost; 0 without a price."""
        prompt = sum(token_upper_bound(message["content"]) for message in messages)
        return 0.0 if self.price is None else self.price.cost(prompt, completion_tokens, batch=self.is_batch)

    def has_room_for(self, cost: float) -> bool:
        """Whether so many dollars may still be spent, if open questions cost nothing."""
        return self.cost_limit is None or self.spent_dollars + cost <= self.cost_limit

    async def reserve(self, cost: float) -> None:
        """Reserves dollars for a question.

        If the limit could be exceeded, waits until open questions release what they reserved. With no open question,
        raises DescriberError.
        """
        while self.cost_limit is not None and self.spent_dollars + sum(self._reserved_costs) + cost > self.cost_limit:
            if not self._reserved_costs:
                raise DescriberError(
                    f"Stopped because the next question could take the cost over ${self.cost_limit:g} "
                    f"(${self.spent_dollars:.4f} spent). Run the same command again to continue, or raise --max-cost."
                )
            released = asyncio.get_running_loop().create_future()
            self._waiting_futures.append(released)
            await released
        self._reserved_costs.append(cost)

    def release(self, cost: float) -> None:
        """Releases what `reserve` reserved, and wakes the questions that wait for it."""
        self._reserved_costs.remove(cost)
        waiting, self._waiting_futures = self._waiting_futures, []
        for released in waiting:
            if not released.done():
                released.set_result(None)

    def record_lost_reply(self, max_cost: float) -> None:
        """Counts a question without a reply as spent, at the most that it can have cost."""
        self.lost_count += 1
        self.spent_dollars += max_cost

    @contextmanager
    def at_full_price(self) -> Iterator[None]:
        """Inside the block, questions count at full price even in a batch run."""
        is_batch, self.is_batch = self.is_batch, False
        try:
            yield
        finally:
            self.is_batch = is_batch

    def record_answer(
        self, max_cost: float, prompt_tokens: int | None, completion_tokens: int | None, cached_tokens: int = 0
    ) -> float | None:
        """Counts an answer; returns its cost in dollars, or None if unknown.

        If the server reported no token counts, `max_cost` counts as spent.
        """
        self.answer_count += 1
        self.prompt_tokens += prompt_tokens or 0
        self.completion_tokens += completion_tokens or 0
        if self.price is None:
            return None
        if prompt_tokens is None or completion_tokens is None:
            self.spent_dollars += max_cost
            return None
        cost = self.price.cost(prompt_tokens, completion_tokens, cached_tokens, batch=self.is_batch)
        self.spent_dollars += cost
        return cost

    def cost_summary(self) -> str:
        tokens = f"{self.prompt_tokens:,} tokens read, {self.completion_tokens:,} written"
        dollars = "the price is not known" if self.price is None else f"${self.spent_dollars:.4f}"
        summary = f"{pluralize(self.answer_count, 'reply')}, usable or not: {tokens}; {dollars}."
        if self.lost_count:
            summary += f" Includes the highest possible cost of {pluralize(self.lost_count, 'lost reply')}."
        return summary


class CostReservation:
    """Reserves what a question can cost until the block ends: `async with CostReservation(budget, max_cost)`."""

    def __init__(self, budget: Budget, max_cost: float) -> None:
        self._budget = budget
        self._max_cost = max_cost
        self._is_active = False

    async def __aenter__(self) -> CostReservation:
        """Reserves the cost; waits and raises as `Budget.reserve` does."""
        await self.renew()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._release()

    async def renew(self) -> None:
        """Reserves the cost again, for a retry, if `record_lost_reply` has spent it."""
        if not self._is_active:
            await self._budget.reserve(self._max_cost)
            self._is_active = True

    def record_lost_reply(self) -> None:
        """Counts the reserved cost as spent: the question was sent, but its reply got lost."""
        self._budget.record_lost_reply(self._max_cost)
        self._release()

    def _release(self) -> None:
        if self._is_active:
            self._is_active = False
            self._budget.release(self._max_cost)


def token_upper_bound(text: str) -> int:
    """At least as many tokens as any tokenizer makes of a chat message: its bytes, and 16 for the chat template."""
    return len(text.encode(errors="replace")) + 16
