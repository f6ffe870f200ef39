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
from maps.text import many


@dataclass
class Budget:
    """Counts every answer of a server, usable or not; before each question it holds back what that could cost.

    `limit`: dollars that may be spent, None for no limit. `batch`: whether the Batch API's price counts. `lost`:
    questions that were sent and whose reply never came, as the server may charge for them.
    """

    price: Price | None = None
    limit: float | None = None
    batch: bool = False
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: float = 0.0
    lost: int = 0
    _held: list[float] = field(default_factory=list)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises MapsError for a limit that can't be kept, since nobody knows the price."""
        if self.limit is not None and self.price is None:
            raise MapsError("No price is known for this model, so --max-cost cannot be kept: give --prices FILE.")

    def most(self, messages: Sequence[Message], completion: int) -> float:
        """The dollars that a question can cost at most, with a reply of `completion` tokens; 0 without a price."""
        prompt = sum(most_tokens(message["content"]) for message in messages)
        return 0.0 if self.price is None else self.price.cost(prompt, completion, batch=self.batch)

    async def hold(self, cost: float) -> None:
        """Holds back the dollars that a question can cost.

        Where the limit could be exceeded it waits for the true costs of the questions that are open, and raises
        DescriberError where there are none.
        """
        while self.limit is not None and self.spent + sum(self._held) + cost > self.limit:
            if not self._held:
                raise DescriberError(
                    f"Stopped before a question that could make the run dearer than ${self.limit:g}; ${self.spent:.4f} "
                    "are spent. The same command goes on with what is missing; a higher --max-cost goes further."
                )
            change = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change
        self._held.append(cost)

    def release(self, held: float) -> None:
        """Gives back what was held for a question."""
        self._held.remove(held)
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)

    def lose(self, most: float) -> None:
        """Counts a question that was sent and whose reply got lost as spent, at the most that it can have cost."""
        self.lost += 1
        self.spent += most

    @contextmanager
    def at_full_price(self) -> Iterator[None]:
        """Counts the questions of the block at the ordinary price, though the run is one in batches."""
        batch, self.batch = self.batch, False
        try:
            yield
        finally:
            self.batch = batch

    def settle(self, most: float, prompt: int | None, completion: int | None, cached: int = 0) -> float | None:
        """Counts an answer and gives its cost in dollars, None where it isn't known.

        `most` is the most that it can have cost, which the limit takes where the server counted no tokens.
        """
        self.answers += 1
        self.prompt_tokens += prompt or 0
        self.completion_tokens += completion or 0
        if self.price is None:
            return None
        if prompt is None or completion is None:
            self.spent += most
            return None
        cost = self.price.cost(prompt, completion, cached, batch=self.batch)
        self.spent += cost
        return cost

    def sentence(self) -> str:
        """What the run has cost so far, in words."""
        read, written = f"{self.prompt_tokens:,} tokens read", f"{self.completion_tokens:,} written"
        dollars = "the price is not known" if self.price is None else f"${self.spent:.4f}"
        lost = f" {self.lost:,} lost on the way are counted at the most that they can cost." if self.lost else ""
        return f"{many(self.answers, 'reply')}, usable or not: {read}, {written}; {dollars}.{lost}"


class Hold:
    """Holds back what a question can cost, as in `async with Hold(budget, most) as hold`, until the block ends."""

    def __init__(self, budget: Budget, most: float) -> None:
        self._budget = budget
        self._most = most
        self._holds = False

    async def __aenter__(self) -> Hold:
        """Waits until the limit has room; raises DescriberError where it will have none."""
        await self.renew()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives back what is held."""
        self._give_back()

    async def renew(self) -> None:
        """Holds it back again where it was lost, as `__aenter__` does."""
        if not self._holds:
            await self._budget.hold(self._most)
            self._holds = True

    def lose(self) -> None:
        """The question was sent and its reply got lost: what was held is spent."""
        self._budget.lose(self._most)
        self._give_back()

    def _give_back(self) -> None:
        if self._holds:
            self._holds = False
            self._budget.release(self._most)


def most_tokens(text: str) -> int:
    """More tokens than any tokenizer makes of a text: its bytes, and a few for the chat's own marks."""
    return len(text.encode(errors="replace")) + 16
