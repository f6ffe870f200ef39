"""Heads removed one after the other, at a prompt's last position only, and what the model then says next.

Everything before the last position is computed once. Of the last position, a layer is computed once for every set of
heads that is removed below it or in it: the states of a nested list are the positions of one short sequence, each of
which sees the prompt and itself. The layers themselves are called as transformers calls them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from maps.experiments.hooked_model import Running
from maps.heads.rank_tests import among_highest
from maps.types import HeadId


class Call(NamedTuple):
    """What the model passes to a block at the last position: the residual stream (n, 1, d), and all else by name."""

    hidden: Tensor
    named: dict[str, Any]


@dataclass(frozen=True)
class LastPosition:
    """Prompts of equal length whose last position is still to be computed, again and again."""

    running: Running
    cache: Any  # of everything before the last position
    calls: list[Call]  # of every layer with nothing removed
    said: Tensor  # (n,) the next token with nothing removed, of those that the tokenizer knows

    @classmethod
    def of(cls, running: Running, ids: Tensor) -> LastPosition:
        """Computes what no removal changes, for prompts (n, T)."""
        shared, cache = running.begun(ids, ids.shape[1] - 1)
        if ids.shape[1] - 1 > shared:
            running.run(ids[:, shared:-1], cache)
        with watched(running) as calls:
            said = running.run(ids[:, -1:], copied(cache)).logits[:, -1, : running.model.vocabulary.size].argmax(1)
        return cls(running, cache, calls, said)

    def removed(self, order: Sequence[HeadId]) -> Tensor:
        """The next token with no head removed, the first, the first two, …: (1 + len(order), n)."""
        hidden, state = self.states(order)
        with torch.no_grad():
            logits = self.running.network.get_output_embeddings()(hidden)[..., : self.running.model.vocabulary.size]
        return torch.cat([self.said[None], logits.argmax(2).T[state]])

    def right(self, order: Sequence[HeadId], targets: Tensor) -> Tensor:
        """Whether the next token is each prompt's target (n,), as heads are removed: (1 + len(order), n).

        Where U is all there is between the final norm and the logits, by the rank test: few tokens need be looked at.
        A token that ties with another one for the highest is next too.
        """
        if getattr(self.running.network.get_output_embeddings(), "bias", None) is not None:
            return self.removed(order) == targets
        hidden, state = self.states(order)
        rows, wanted = hidden.transpose(0, 1).flatten(0, 1).double(), targets.repeat(hidden.shape[1])
        found = among_highest(rows, wanted, torch.ones_like(wanted), self.running.model.columns)
        return torch.cat([(self.said == targets)[None], found.view(-1, len(targets))[state]])

    def states(self, order: Sequence[HeadId]) -> tuple[Tensor, list[int]]:
        """What the final norm gives for every state but the first (n, c, d), and the place of each removal's state."""
        layers = self.running.model.shape.layers
        first = min((head.layer for head in order), default=layers)
        if first == layers:
            return self.calls[0].hidden[:, :0], []
        hidden, state = self.calls[first].hidden, [0] * (len(order) + 1)  # each condition's place among the states
        with torch.no_grad():
            for layer in range(first, layers):
                parents, state = split(state, order, layer)
                hidden = self.after(layer, hidden[:, parents], kept(parents, state, order, layer, self.running))
            changed = self.running.module("final_norm")[1](hidden[:, 1:])
        return changed, [place - 1 for place in state[1:]]

    def after(self, layer: int, hidden: Tensor, keep: Tensor | None) -> Tensor:
        """The residual stream after a layer for several states of the last position: (n, c, d) to (n, c, d).

        `keep` (c, H) is 0 for a head that is removed, and None where no state loses one here.
        """
        running, named = self.running, dict(self.calls[layer].named)
        states, held = hidden.shape[1], self.cache.layers[layer]
        named |= {name: spread(name, value, states) for name, value in named.items()}
        named["attention_mask"] = alone(self.calls[layer].named.get("attention_mask"), held.keys.shape[2], hidden)
        for name, value in named.items():
            if is_cache(value):
                named[name] = holding(held, layer)
        with masked(running.projections[layer], keep):
            found = running.blocks[layer](hidden_states=hidden, **named)
        return found[0] if isinstance(found, tuple) else found


def split(state: Sequence[int], order: Sequence[HeadId], layer: int) -> tuple[list[int], list[int]]:
    """The states that a layer's removals make of those before it: each one's parent, and each condition's new place.

    Condition i removes the first i heads, so that the conditions of one state stand side by side.
    """
    parents, places, last = [state[0]], [0], state[0]
    for i, head in enumerate(order, start=1):
        if state[i] != last or head.layer == layer:
            parents.append(state[i])
        last = state[i]
        places.append(len(parents) - 1)
    return parents, places


def kept(
    parents: Sequence[int], state: Sequence[int], order: Sequence[HeadId], layer: int, running: Running
) -> Tensor | None:
    """Which heads of a layer each state keeps, (states, H); None where that is all of them."""
    if all(head.layer != layer for head in order):
        return None
    keep = torch.ones(len(parents), running.model.shape.heads, device=running.model.device)
    for i, head in enumerate(order, start=1):
        if head.layer == layer:
            keep[state[i] :, head.head] = 0
    return keep


@contextmanager
def watched(running: Running) -> Iterator[list[Call]]:
    """While it is open, a pass leaves what every block is called with."""
    calls: list[Call] = []

    def note(block: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        bound = inspect.signature(block.forward).bind(*given, **named).arguments
        both = {**{name: value for name, value in bound.items() if name != "kwargs"}, **bound.get("kwargs", {})}
        calls.append(Call(both.pop("hidden_states").detach().clone(), both))

    hooks = [block.register_forward_pre_hook(note, with_kwargs=True) for block in running.blocks]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def masked(projection: nn.Module, keep: Tensor | None) -> Iterator[None]:
    """While it is open, heads that are not kept give nothing to the output projection; its bias stays."""
    if keep is None:
        yield
        return

    def mask(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        z = given[0]  # (n, c, H d_h)
        return (z * keep.repeat_interleave(z.shape[-1] // keep.shape[1], 1), *given[1:])

    hook = projection.register_forward_pre_hook(mask)
    try:
        yield
    finally:
        hook.remove()


def is_cache(value: object) -> bool:
    """Whether a value is a cache of keys and values."""
    from transformers import Cache

    return isinstance(value, Cache)


def copied(cache: Any) -> Any:
    """A cache that grows apart from the first."""
    from transformers import DynamicCache

    copy = DynamicCache()
    for layer, held in enumerate(cache.layers):
        copy.update(held.keys, held.values, layer)
    return copy


def holding(held: Any, layer: int) -> Any:
    """A cache of one layer's keys and values."""
    from transformers import DynamicCache

    cache = DynamicCache()
    cache.update(held.keys, held.values, layer)
    return cache


def spread(name: str, value: Any, states: int) -> Any:
    """What says where the last position is, for as many states of it: (n, 1) or (n, 1, r) to (1, c) or (1, c, r)."""
    if name == "position_ids" and value is not None:
        return value[:1].expand(1, states)
    if name == "position_embeddings" and value is not None:
        return tuple(part[:1].expand(1, states, -1) for part in value)
    return value


def alone(mask: Tensor | None, before: int, hidden: Tensor) -> Tensor:
    """The mask under which each state of the last position sees what that sees, and of the states itself alone.

    (n, 1, 1, T) or none to (1, 1, c, T - 1 + c).
    """
    states = hidden.shape[1]
    hides = torch.finfo(hidden.dtype).min
    own = torch.full((states, states), hides, device=hidden.device).fill_diagonal_(0)
    prompt = hidden.new_zeros(states, before) if mask is None else mask[0, 0, :, :before].expand(states, -1)
    return torch.cat([prompt, own], 1)[None, None]
