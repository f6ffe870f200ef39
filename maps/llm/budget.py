"""What a run has asked and spent, and what it may spend at most."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from maps.errors import DescriberError, MapsError
from maps.llm.messages import Message
from maps.llm.prices import Price
from maps.text import pluralize


@dataclass
class Budget:
    """Counts every answer of a server, usable or not; before each question it holds back what that could cost.

    `cost_limit`: dollars that may be spent, None for no limit. `is_batch`: whether the Batch API's price counts. `lost_count`:
    questions that were sent and whose reply never came, as the server may charge for them.
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
        """Raises MapsError for a limit that can't be kept, since nobody knows the price."""
        if self.cost_limit is not None and self.price is None:
            raise MapsError("No price is known for this model, so --max-cost cannot be kept: give --prices FILE.")

    def max_cost(self, messages: Sequence[Message], completion_tokens: int) -> float:
        """The dollars that a question can cost at most, with a reply of `completion_tokens` tokens; 0 without a price."""
        prompt = sum(token_upper_bound(message["content"]) for message in messages)
        return 0.0 if self.price is None else self.price.cost(prompt, completion_tokens, batch=self.is_batch)

    async def reserve(self, cost: float) -> None:
        """Holds back the dollars that a question can cost.

        Where the limit could be exceeded it waits for the true costs of the questions that are open, and raises
        DescriberError where there are none.
        """
        while self.cost_limit is not None and self.spent_dollars + sum(self._reserved_costs) + cost > self.cost_limit:
            if not self._reserved_costs:
                raise DescriberError(
                    f"Stopped before a question that could make the run dearer than ${self.cost_limit:g}; ${self.spent_dollars:.4f} "
                    "are spent. The same command goes on with what is missing; a higher --max-cost goes further."
                )
            change = asyncio.get_running_loop().create_future()
            self._waiting_futures.append(change)
            await change
        self._reserved_costs.append(cost)

    def release(self, cost: float) -> None:
        """Gives back what was held for a question."""
        self._reserved_costs.remove(cost)
        waiting, self._waiting_futures = self._waiting_futures, []
        for change in waiting:
            if not change.done():
                change.set_result(None)

    def record_lost_reply(self, max_cost: float) -> None:
        """Counts a question that was sent and whose reply got lost as spent, at the most that it can have cost."""
        self.lost_count += 1
        self.spent_dollars += max_cost

    @contextmanager
    def at_full_price(self) -> Iterator[None]:
        """Counts the questions of the block at the ordinary price, though the run is one in batches."""
        batch, self.is_batch = self.is_batch, False
        try:
            yield
        finally:
            self.is_batch = batch

    def record_answer(
        self, max_cost: float, prompt_tokens: int | None, completion_tokens: int | None, cached_tokens: int = 0
    ) -> float | None:
        """Counts an answer and gives its cost in dollars, None where it isn't known.

        `max_cost` is the most that it can have cost, which the limit takes where the server counted no tokens.
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
        """What the run has cost so far, in words."""
        read, written = f"{self.prompt_tokens:,} tokens read", f"{self.completion_tokens:,} written"
        dollars = "the price is not known" if self.price is None else f"${self.spent_dollars:.4f}"
        lost = (
            f" {self.lost_count:,} lost on the way are counted at the most that they can cost."
            if self.lost_count
            else ""
        )
        return f"{pluralize(self.answer_count, 'reply')}, usable or not: {read}, {written}; {dollars}.{lost}"


class CostReservation:
    """Holds back what a question can cost, as in `async with Hold(budget, most) as hold`, until the block ends."""

    def __init__(self, budget: Budget, max_cost: float) -> None:
        self._budget = budget
        self._max_cost = max_cost
        self._is_active = False

    async def __aenter__(self) -> CostReservation:
        """Waits until the limit has room; raises DescriberError where it will have none."""
        await self.renew()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives back what is held."""
        self._release()

    async def renew(self) -> None:
        """Holds it back again where it was lost, as `__aenter__` does."""
        if not self._is_active:
            await self._budget.reserve(self._max_cost)
            self._is_active = True

    def record_lost_reply(self) -> None:
        """The question was sent and its reply got lost: what was held is spent."""
        self._budget.record_lost_reply(self._max_cost)
        self._release()

    def _release(self) -> None:
        if self._is_active:
            self._is_active = False
            self._budget.release(self._max_cost)


def token_upper_bound(text: str) -> int:
    """More tokens than any tokenizer makes of a text: its bytes, and a few for the chat's own marks."""
    return len(text.encode(errors="replace")) + 16
