"""A model that transformers runs, and the taps that read its heads while it runs. No forward pass is our own.

A head's output is its slice of what the attention's output projection is given, times its slice of that projection's
weight: the value bias is in it, and the output bias is in no head.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from maps.errors import MapsError
from maps.hub.errors import translate_hub_errors
from maps.mapping.model import Model
from maps.weights.bundled import BUNDLED_MODEL, bundled_file

MAX_BATCH_TOKENS = 4096  # of prompts that go through the model at once


class HeadReads(NamedTuple):
    """What heads give to W_O at the last position of n prompts, in float32."""

    with_context: Tensor  # (L, n, H, d_h)
    without_context: Tensor  # (L, n, KV, d_h): as if the last position attended to the subject's last token alone


@dataclass(frozen=True, eq=False)
class HookedModel:
    """A model as MAPS reads it, beside the same one as transformers runs it, in float32."""

    model: Model
    network: Any
    tokenizer: Any

    @classmethod
    def open(cls, model: Model) -> HookedModel:
        """Loads the model's whole weights; raises MapsError where transformers cannot, or loads others than MAPS."""
        name, further = transformers_source(model)
        with silence_transformers(), translate_hub_errors("model", model.requested_name):
            network, tokenizer = load_network(name, further)
        running = cls(model, network.eval().to(model.device), tokenizer)
        running.check_weights()
        return running

    @cached_property
    def modules(self) -> dict[str, Any]:
        """The network's modules by their paths."""
        return dict(self.network.named_modules())

    def module(self, role: str, layer: int = 0) -> tuple[str, Any]:
        """The module that holds the weight of a role, and its path."""
        names = self.model.checkpoint.family.hub.candidate_names(role, layer)
        paths = [name.removesuffix(".weight") for name in names]
        path = next((path for path in paths if path in self.modules), None)
        if path is None:
            raise MapsError(f"transformers builds {self.model.name} without {paths[0]}; take its latest version.")
        return path, self.modules[path]

    @cached_property
    def output_projections(self) -> list[Any]:
        """The output projection of every layer's attention."""
        return [self.module("output", layer)[1] for layer in range(self.model.shape.layers)]

    @cached_property
    def blocks(self) -> list[Any]:
        """The blocks, one a layer."""
        paths = [self.module("output", layer)[0] for layer in range(self.model.shape.layers)]
        return [self.modules[path[: path.index(f".{layer}.")] + f".{layer}"] for layer, path in enumerate(paths)]

    def output_weights(self, layer: int) -> Tensor:
        """W_O of every head of a layer in float64, with the final norm's gain where that was asked for: (H, d_h, d)."""
        layout, gain = self.model.checkpoint.family.hub.output, self.model.final_norm_gain
        heads = layout.heads(self.output_projections[layer].weight.detach(), self.model.shape).double()
        return heads if gain is None else heads * gain

    def check_weights(self) -> None:
        """Raises MapsError where transformers has other output weights than MAPS reads."""
        shape = self.model.shape
        for layer in (0, shape.layers - 1):
            weight = self.output_projections[layer].weight.detach()
            own = self.model.checkpoint.family.hub.output.heads(weight, shape).cpu()
            if not torch.equal(own, self.model.checkpoint.output_weights(layer)):
                raise MapsError(
                    f"transformers loads other weights of {self.model.name} than those that MAPS reads; "
                    "get a sound copy of the model."
                )

    def encode(self, texts: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """What the tokenizer puts in front of every text, and each text's ids.

        Raises MapsError where the tokenizer of transformers splits a text in another way than the one that MAPS reads.
        """
        plain = [e.ids for e in self.model.vocabulary.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        theirs = [list(ids) for ids in self.tokenizer(list(texts)).input_ids]
        start = next((at for at in range(len(theirs[0])) if theirs[0][at : at + len(plain[0])] == plain[0]), 0)
        front = theirs[0][:start]
        for text, own, other in zip(texts, plain, theirs, strict=True):
            if other[: start + len(own)] != front + own:
                raise MapsError(
                    f"The tokenizer that transformers loads for {self.model.name} splits {text!r} in another way than "
                    "the model's own file; take a complete copy of the model."
                )
        return front, plain

    def run(self, ids: Tensor, cache: Any = None) -> Any:
        """One pass over tokens (n, T) that follow those in the cache; its logits are of the last position (n, 1, V)."""
        before = 0 if cache is None else cache.get_seq_length()
        seen = torch.ones(len(ids), before + ids.shape[1], dtype=torch.long, device=ids.device)
        with torch.no_grad():
            return self.network(
                input_ids=ids, attention_mask=seen, past_key_values=cache, use_cache=cache is not None, logits_to_keep=1
            )

    @contextmanager
    def record_head_inputs(self) -> Iterator[list[Tensor]]:
        """While it is open, a pass leaves what each layer's output projection is given at the last position."""
        taken: list[Tensor] = []

        def take(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
            taken.append(given[0][:, -1].detach().clone())  # (n, H d_h)

        hooks = [each.register_forward_pre_hook(take) for each in self.output_projections]
        try:
            yield taken
        finally:
            for hook in hooks:
                hook.remove()

    def compute_shared_prefix(self, ids: Tensor, max_length: int) -> tuple[int, Any]:
        """How many tokens all prompts (n, T) begin with alike, of so many at most, and a cache of these for each."""
        from transformers import DynamicCache

        differing = (ids != ids[0]).any(0).nonzero()[:, 0].tolist()
        shared = min([max_length, ids.shape[1] - 1, *differing])
        one: Any = DynamicCache()
        every = DynamicCache()
        if shared:
            self.run(ids[:1, :shared], one)
        for layer, held in enumerate(one.layers):
            keys, values = (x.expand(len(ids), -1, -1, -1) for x in (held.keys, held.values))
            every.update(keys, values, layer)
        return shared, every

    def read_heads(self, ids: Tensor, subject_ends: Tensor) -> HeadReads:
        """What the heads read in prompts of equal length (n, T) whose subject's last token stands at `subject_ends` (n,).

        Tokens that all prompts begin with go through the model once. Without context z is the value of the subject's
        last token, as it stands in the cache of the same pass: every layer sees the clean residual stream.
        """
        step = max(1, MAX_BATCH_TOKENS // ids.shape[1])
        parts = [self._read_batch(*part) for part in zip(ids.split(step), subject_ends.split(step), strict=True)]
        return HeadReads(*(torch.cat(each, 1) for each in zip(*parts, strict=True)))

    def _read_batch(self, ids: Tensor, subject_ends: Tensor) -> HeadReads:
        shared, cache = self.compute_shared_prefix(ids, int(subject_ends.min()))
        with self.record_head_inputs() as taken:
            self.run(ids[:, shared:], cache)
        rows = torch.arange(len(ids), device=ids.device)
        values = torch.stack([held.values[rows, :, subject_ends] for held in cache.layers])
        return HeadReads(torch.stack(taken).unflatten(2, (self.model.shape.heads, -1)), values)


def transformers_source(model: Model) -> tuple[str, dict[str, Any]]:
    """What transformers calls a model by, and what else it is told."""
    name = model.requested_name
    path = bundled_file() if name == BUNDLED_MODEL else Path(name).expanduser()
    if path.is_dir():
        return str(path), {"local_files_only": True}
    if not path.is_file():
        return name, {"revision": model.checkpoint.revision}
    if importlib.util.find_spec("accelerate") is None:
        raise MapsError("transformers reads .gguf files with the package accelerate: run `pip install accelerate`.")
    return str(path.parent), {"gguf_file": path.name, "local_files_only": True}


def load_network(name: str, further: dict[str, Any]) -> tuple[Any, Any]:
    """The network and its tokenizer; no code that comes with a model is ever run."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **further)
        network = AutoModelForCausalLM.from_pretrained(
            name, dtype=torch.float32, attn_implementation="eager", **further
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        said = " ".join(str(error).split())[:300]
        raise MapsError(f"transformers cannot run {name}: {said}") from error
    return network, tokenizer


@contextmanager
def silence_transformers() -> Iterator[None]:
    """Keeps the warnings of transformers' loading from the terminal, and its bars but for the one over a .gguf file."""
    from transformers import utils

    logging: Any = utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
