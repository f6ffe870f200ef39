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

from maps.experiments.hooked_model import HookedModel
from maps.heads.rank_tests import is_among_highest
from maps.types import HeadId


class BlockCall(NamedTuple):
    """What the model passes to a block at the last position: the residual stream (n, 1, d), and all else by name."""

    hidden: Tensor
    arguments: dict[str, Any]


@dataclass(frozen=True)
class LastPosition:
    """Prompts of equal length whose last position is still to be computed, again and again."""

    hooked_model: HookedModel
    cache: Any  # of everything before the last position
    block_calls: list[BlockCall]  # of every layer with nothing removed
    next_tokens: Tensor  # (n,) the next token with nothing removed, of those that the tokenizer knows

    @classmethod
    def prepare(cls, hooked_model: HookedModel, ids: Tensor) -> LastPosition:
        """Computes what no removal changes, for prompts (n, T)."""
        shared, cache = hooked_model.compute_shared_prefix(ids, ids.shape[1] - 1)
        if ids.shape[1] - 1 > shared:
            hooked_model.run(ids[:, shared:-1], cache)
        with record_block_calls(hooked_model) as calls:
            said = (
                hooked_model.run(ids[:, -1:], copy_cache(cache))
                .logits[:, -1, : hooked_model.model.vocabulary.size]
                .argmax(1)
            )
        return cls(hooked_model, cache, calls, said)

    def next_tokens_after_removals(self, order: Sequence[HeadId]) -> Tensor:
        """The next token with no head removed, the first, the first two, …: (1 + len(order), n)."""
        hidden, state = self.states_after_removals(order)
        with torch.no_grad():
            logits = self.hooked_model.network.get_output_embeddings()(hidden)[
                ..., : self.hooked_model.model.vocabulary.size
            ]
        return torch.cat([self.next_tokens[None], logits.argmax(2).T[state]])

    def is_correct_after_removals(self, order: Sequence[HeadId], targets: Tensor) -> Tensor:
        """Whether the next token is each prompt's target (n,), as heads are removed: (1 + len(order), n).

        Where U is all there is between the final norm and the logits, by the rank test: few tokens need be looked at.
        A token that ties with another one for the highest is next too.
        """
        if getattr(self.hooked_model.network.get_output_embeddings(), "bias", None) is not None:
            return self.next_tokens_after_removals(order) == targets
        hidden, state = self.states_after_removals(order)
        rows, wanted = hidden.transpose(0, 1).flatten(0, 1).double(), targets.repeat(hidden.shape[1])
        found = is_among_highest(rows, wanted, torch.ones_like(wanted), self.hooked_model.model.unembedding)
        return torch.cat([(self.next_tokens == targets)[None], found.view(-1, len(targets))[state]])

    def states_after_removals(self, order: Sequence[HeadId]) -> tuple[Tensor, list[int]]:
        """What the final norm gives for every state but the first (n, c, d), and the place of each removal's state."""
        layers = self.hooked_model.model.shape.layers
        first = min((head.layer for head in order), default=layers)
        if first == layers:
            return self.block_calls[0].hidden[:, :0], []
        hidden, state = (
            self.block_calls[first].hidden,
            [0] * (len(order) + 1),
        )  # each condition's place among the states
        with torch.no_grad():
            for layer in range(first, layers):
                parents, state = split_states(state, order, layer)
                hidden = self.run_layer(
                    layer, hidden[:, parents], kept_heads_mask(parents, state, order, layer, self.hooked_model)
                )
            changed = self.hooked_model.module("final_norm")[1](hidden[:, 1:])
        return changed, [place - 1 for place in state[1:]]

    def run_layer(self, layer: int, hidden: Tensor, keep: Tensor | None) -> Tensor:
        """The residual stream after a layer for several states of the last position: (n, c, d) to (n, c, d).

        `keep` (c, H) is 0 for a head that is removed, and None where no state loses one here.
        """
        running, named = self.hooked_model, dict(self.block_calls[layer].arguments)
        states, held = hidden.shape[1], self.cache.layers[layer]
        named |= {name: expand_positions(name, value, states) for name, value in named.items()}
        named["attention_mask"] = separate_states_mask(
            self.block_calls[layer].arguments.get("attention_mask"), held.keys.shape[2], hidden
        )
        for name, value in named.items():
            if is_cache(value):
                named[name] = single_layer_cache(held, layer)
        with mask_heads(running.output_projections[layer], keep):
            found = running.blocks[layer](hidden_states=hidden, **named)
        return found[0] if isinstance(found, tuple) else found


def split_states(state: Sequence[int], order: Sequence[HeadId], layer: int) -> tuple[list[int], list[int]]:
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


def kept_heads_mask(
    parents: Sequence[int], state: Sequence[int], order: Sequence[HeadId], layer: int, hooked_model: HookedModel
) -> Tensor | None:
    """Which heads of a layer each state keeps, (states, H); None where that is all of them."""
    if all(head.layer != layer for head in order):
        return None
    keep = torch.ones(len(parents), hooked_model.model.shape.heads, device=hooked_model.model.device)
    for i, head in enumerate(order, start=1):
        if head.layer == layer:
            keep[state[i] :, head.head] = 0
    return keep


@contextmanager
def record_block_calls(hooked_model: HookedModel) -> Iterator[list[BlockCall]]:
    """While it is open, a pass leaves what every block is called with."""
    calls: list[BlockCall] = []

    def note(block: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        bound = inspect.signature(block.forward).bind(*given, **named).arguments
        both = {**{name: value for name, value in bound.items() if name != "kwargs"}, **bound.get("kwargs", {})}
        calls.append(BlockCall(both.pop("hidden_states").detach().clone(), both))

    hooks = [block.register_forward_pre_hook(note, with_kwargs=True) for block in hooked_model.blocks]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def mask_heads(projection: nn.Module, keep: Tensor | None) -> Iterator[None]:
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


def copy_cache(cache: Any) -> Any:
    """A cache that grows apart from the first."""
    from transformers import DynamicCache

    copy = DynamicCache()
    for layer, held in enumerate(cache.layers):
        copy.update(held.keys, held.values, layer)
    return copy


def single_layer_cache(cached_layer: Any, layer: int) -> Any:
    """A cache of one layer's keys and values."""
    from transformers import DynamicCache

    cache = DynamicCache()
    cache.update(cached_layer.keys, cached_layer.values, layer)
    return cache


def expand_positions(name: str, value: Any, states: int) -> Any:
    """What says where the last position is, for as many states of it: (n, 1) or (n, 1, r) to (1, c) or (1, c, r)."""
    if name == "position_ids" and value is not None:
        return value[:1].expand(1, states)
    if name == "position_embeddings" and value is not None:
        return tuple(part[:1].expand(1, states, -1) for part in value)
    return value


def separate_states_mask(mask: Tensor | None, before: int, hidden: Tensor) -> Tensor:
    """The mask under which each state of the last position sees what that sees, and of the states itself alone.

    (n, 1, 1, T) or none to (1, 1, c, T - 1 + c).
    """
    states = hidden.shape[1]
    hides = torch.finfo(hidden.dtype).min
    own = torch.full((states, states), hides, device=hidden.device).fill_diagonal_(0)
    prompt = hidden.new_zeros(states, before) if mask is None else mask[0, 0, :, :before].expand(states, -1)
    return torch.cat([prompt, own], 1)[None, None]
