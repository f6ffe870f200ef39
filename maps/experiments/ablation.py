"""Removes heads one after the other at a prompt's last position, and finds the model's next token each time.

Nothing before the last position changes, so the prompt is run once and only its last position is run again. All
ablation variants go through a layer together, as positions of one short sequence: each sees the prompt and itself, but
none of the others. Variants that are still equal share one position, which is called a state here. For the order (L1H0,
L1H2, L3H1) in a model of four layers:

    layer 0    one state                                               nothing is removed yet
    layer 1    three states      {}   {L1H0}   {L1H0, L1H2}
    layer 2    three states
    layer 3    four states       {}   {L1H0}   {L1H0, L1H2}   {L1H0, L1H2, L3H1}

transformers computes the layers; this module only changes what it passes to them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from maps.experiments.hooked_model import HookedModel
from maps.heads.rank_tests import is_among_highest
from maps.types import HeadId


class BlockCall(NamedTuple):
    """The arguments of a block (layer) at the last position: the residual stream (n, 1, d), and the others by name."""

    hidden: Tensor
    arguments: dict[str, Any]


@dataclass(frozen=True)
class LastPosition:
    """n prompts of equal length T, everything before their last position computed once."""

    hooked_model: HookedModel
    cache: Any  # keys and values of the T - 1 positions before the last
    block_calls: list[BlockCall]  # one for each layer, with nothing removed
    next_tokens: Tensor  # (n,) with nothing removed; only tokens that the tokenizer knows

    @classmethod
    def prepare(cls, hooked_model: HookedModel, ids: Tensor) -> LastPosition:
        """Runs prompts (n, T) with nothing removed."""
        shared, cache = hooked_model.compute_shared_prefix(ids, ids.shape[1] - 1)
        if ids.shape[1] - 1 > shared:
            hooked_model.run(ids[:, shared:-1], cache)
        with record_block_calls(hooked_model) as calls:
            logits = hooked_model.run(ids[:, -1:], copy_cache(cache, range(len(cache.layers)))).logits  # (n, 1, V)
        next_tokens = logits[:, -1, : hooked_model.model.vocabulary.size].argmax(1)
        return cls(hooked_model, cache, calls, next_tokens)

    def next_tokens_after_removals(self, order: Sequence[HeadId]) -> Tensor:
        """The next tokens with no head removed, with the first, with the first two, …: (1 + len(order), n)."""
        hidden, state = self.states_after_removals(order)
        with torch.no_grad():
            logits = self.hooked_model.network.get_output_embeddings()(hidden)  # (n, states, V)
        tokens = logits[..., : self.hooked_model.model.vocabulary.size].argmax(2).T  # (states, n)
        return torch.cat([self.next_tokens[None], tokens[state]])

    def is_correct_after_removals(self, order: Sequence[HeadId], targets: Tensor) -> Tensor:
        """Whether the next token is each prompt's target (n,), as heads are removed: (1 + len(order), n).

        A target that ties with another token for the highest logit counts as correct.
        """
        if getattr(self.hooked_model.network.get_output_embeddings(), "bias", None) is not None:
            return self.next_tokens_after_removals(order) == targets
        # Without a bias, logits are rows times U: the rank test decides with a few columns of U instead of all.
        hidden, state = self.states_after_removals(order)  # (n, states, d)
        rows, wanted = hidden.transpose(0, 1).flatten(0, 1).double(), targets.repeat(hidden.shape[1])
        correct = is_among_highest(rows, wanted, torch.ones_like(wanted), self.hooked_model.model.unembedding)
        return torch.cat([(self.next_tokens == targets)[None], correct.view(-1, len(targets))[state]])

    def states_after_removals(self, order: Sequence[HeadId]) -> tuple[Tensor, list[int]]:
        """The outputs of the final norm for all states but the first (n, states - 1, d), and each removal's state."""
        layers = self.hooked_model.model.shape.layers
        first = min((head.layer for head in order), default=layers)
        if first == layers:
            return self.block_calls[0].hidden[:, :0], []
        hidden = self.block_calls[first].hidden  # (n, 1, d): nothing is removed below the first layer
        state = [0] * (len(order) + 1)  # the state of each variant; variant i removes the first i heads
        with torch.no_grad():
            for layer in range(first, layers):
                parents, state = split_states(state, order, layer)
                keep = kept_heads_mask(len(parents), state, order, layer, self.hooked_model)
                hidden = self.run_layer(layer, hidden[:, parents], keep)
            changed = self.hooked_model.module("final_norm")[1](hidden[:, 1:])
        return changed, [each - 1 for each in state[1:]]

    def run_layer(self, layer: int, hidden: Tensor, keep: Tensor | None) -> Tensor:
        """The residual stream after a layer for c states of the last position: (n, c, d) to (n, c, d).

        `keep` (c, H) is 0 for each head that a state lacks; None when no state lacks a head in this layer.
        """
        from transformers import Cache

        model, arguments = self.hooked_model, dict(self.block_calls[layer].arguments)
        states, before = hidden.shape[1], self.cache.layers[layer].keys.shape[2]
        mask = separate_states_mask(arguments.get("attention_mask"), before, hidden)
        for name, value in arguments.items():
            # The block appends the states' keys and values to its cache, so it gets a copy of its layer.
            copied = copy_cache(self.cache, [layer]) if isinstance(value, Cache) else value
            arguments[name] = expand_positions(name, copied, states)
        arguments["attention_mask"] = mask
        with mask_heads(model.output_projections[layer], keep):
            output = model.blocks[layer](hidden_states=hidden, **arguments)
        return output[0] if isinstance(output, tuple) else output


def split_states(state: Sequence[int], order: Sequence[HeadId], layer: int) -> tuple[list[int], list[int]]:
    """The states after a layer's removals: the parent of each among the states before, and each variant's new state.

    Variant i removes the first i heads, so the variants of one state are neighbours: a new state begins where the old
    state changes, or where the variant removes another head of this layer.
    """
    parents, new_state = [state[0]], [0]
    for i, head in enumerate(order, start=1):
        if state[i] != state[i - 1] or head.layer == layer:
            parents.append(state[i])
        new_state.append(len(parents) - 1)
    return parents, new_state


def kept_heads_mask(
    states: int, state: Sequence[int], order: Sequence[HeadId], layer: int, hooked_model: HookedModel
) -> Tensor | None:
    """1 for each head of a layer that a state keeps, 0 for the others: (states, H); None when all keep all heads."""
    if all(head.layer != layer for head in order):
        return None
    keep = torch.ones(states, hooked_model.model.shape.heads, device=hooked_model.model.device)
    for i, head in enumerate(order, start=1):
        if head.layer == layer:
            keep[state[i] :, head.head] = 0  # later states remove it too
    return keep


@contextmanager
def record_block_calls(hooked_model: HookedModel) -> Iterator[list[BlockCall]]:
    """While it is open, a pass of the model appends the arguments of every block."""
    calls: list[BlockCall] = []

    def record(block: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        arguments = dict(inspect.signature(block.forward).bind(*positional, **named).arguments)
        arguments |= arguments.pop("kwargs", {})
        calls.append(BlockCall(arguments.pop("hidden_states").detach().clone(), arguments))

    with ExitStack() as hooks:  # removes them at the end
        for block in hooked_model.blocks:
            hooks.enter_context(block.register_forward_pre_hook(record, with_kwargs=True))
        yield calls


def mask_heads(projection: nn.Module, keep: Tensor | None) -> AbstractContextManager[Any]:
    """While it is open, removed heads pass zeros to the output projection; its bias stays."""
    if keep is None:
        return nullcontext()

    def mask(_module: nn.Module, positional: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        z = positional[0]  # (n, c, H d_h)
        return (z * keep.repeat_interleave(z.shape[-1] // keep.shape[1], 1), *positional[1:])

    return projection.register_forward_pre_hook(mask)


def copy_cache(cache: Any, layers: Iterable[int]) -> Any:
    """A copy of the keys and values of some layers, which can grow without changing the original."""
    from transformers import DynamicCache

    copy = DynamicCache()
    for layer in layers:
        copy.update(cache.layers[layer].keys, cache.layers[layer].values, layer)
    return copy


def expand_positions(name: str, value: Any, states: int) -> Any:
    """Gives all c states the place of the last position: (n, 1) or (n, 1, r) to (1, c) or (1, c, r)."""
    if name == "position_ids" and value is not None:
        return value[:1].expand(1, states)
    if name == "position_embeddings" and value is not None:
        return tuple(part[:1].expand(1, states, -1) for part in value)
    if name == "alibi" and value is not None:  # what each key's position adds to the scores, (n H, 1, T)
        return torch.cat([value[..., :-1], value[..., -1:].expand(-1, -1, states)], 2)
    return value


def separate_states_mask(mask: Tensor | None, before: int, hidden: Tensor) -> Tensor:
    """The attention mask of c states: (n, 1, 1, T), or None, to (1, 1, c, T - 1 + c).

    A state sees itself and those of the T - 1 = `before` positions that the last position sees. For c = 3, with 0 for
    visible and -∞ (the lowest number) for hidden:

        prompt  | states
        0 0 … 0 |  0 -∞ -∞
        0 0 … 0 | -∞  0 -∞
        0 0 … 0 | -∞ -∞  0
    """
    states = hidden.shape[1]
    own = torch.full((states, states), torch.finfo(hidden.dtype).min, device=hidden.device).fill_diagonal_(0)
    prompt = hidden.new_zeros(states, before) if mask is None else mask[0, 0, :, :before].expand(states, -1)
    return torch.cat([prompt, own], 1)[None, None]
