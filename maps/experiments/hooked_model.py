"""A model that transformers runs, with hooks that read its heads. No forward pass is our own.

A head's output is z W_O: z is the head's slice of the input of attention's output projection, W_O its slice of the
projection's weight. It includes the value bias; the output bias belongs to no head.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from maps.errors import MapsError, NotRunnableError
from maps.hub.errors import translate_hub_errors
from maps.mapping.model import Model
from maps.weights.bundled import BUNDLED_MODEL, bundled_file
from maps.weights.open import split_revision

MAX_BATCH_TOKENS = 4096  # tokens of all prompts in one pass


class HeadReads(NamedTuple):
    """The inputs z of W_O at the last position of n prompts, in float32, for all L layers."""

    with_context: Tensor  # (L, n, H, d_h)
    without_context: Tensor  # (L, n, KV, d_h), attending to the subject's last token alone


@dataclass(frozen=True, eq=False)
class HookedModel:
    """A model as MAPS reads it (`model`) and as transformers runs it (`network`, in float32)."""

    model: Model
    network: Any
    tokenizer: Any

    @classmethod
    def open(cls, model: Model) -> HookedModel:
        """Loads all weights; raises MapsError when transformers cannot, or when its weights differ from ours.

        NotRunnableError: this is not done with models whose layers differ.
        """
        if model.shape.head_layers is not None:
            raise NotRunnableError(f"{model.name} has layers without heads, and such models are read but not run.")
        if not model.checkpoint.family.is_run:
            raise NotRunnableError(
                f"{model.name} is of a family ({model.shape.architecture}) that is read but not run."
            )
        name, further = transformers_source(model)
        with silence_transformers(), translate_hub_errors("model", model.requested_name):
            network, tokenizer = load_network(name, further)
        hooked_model = cls(model, network.eval().to(model.device), tokenizer)
        hooked_model.check_weights()
        return hooked_model

    @cached_property
    def modules(self) -> dict[str, Any]:
        return dict(self.network.named_modules())

    def module(self, role: str, layer: int = 0) -> tuple[str, Any]:
        """The path and the module that contains the weight of a role, such as `output`."""
        names = self.model.checkpoint.family.hub.candidate_names(role, layer)
        paths = [name.removesuffix(".weight") for name in names]
        path = next((path for path in paths if path in self.modules), None)
        if path is None:
            raise MapsError(
                f"transformers builds {self.model.name} without {paths[0]}; install the latest transformers."
            )
        return path, self.modules[path]

    @cached_property
    def output_projections(self) -> list[Any]:
        return [self.module("output", layer)[1] for layer in range(self.model.shape.layers)]

    @cached_property
    def blocks(self) -> list[Any]:
        paths = [self.module("output", layer)[0] for layer in range(self.model.shape.layers)]
        return [self.modules[path[: path.index(f".{layer}.")] + f".{layer}"] for layer, path in enumerate(paths)]

    def mlp_reader(self, layer: int) -> Any:
        """The module that reads the stream for a block's MLP: its norm, or the MLP itself where it has none."""
        names = self.model.checkpoint.family.hub.names
        return self.module("mlp_norm" if "mlp_norm" in names else "mlp_up", layer)[1]

    def output_weights(self, layer: int) -> Tensor:
        """W_O of each head of a layer in float64, (H, d_h, d), as the reading's target side makes them."""
        layout = self.model.checkpoint.family.hub.output
        heads = layout.heads(self.output_projections[layer].weight.detach(), self.model.shape).double()
        return self.model.target_side(layer).apply(heads)

    def check_weights(self) -> None:
        """Raises MapsError when the output weights of the first or last layer differ from those that MAPS reads."""
        shape = self.model.shape
        for layer in (0, shape.layers - 1):
            weight = self.output_projections[layer].weight.detach()
            own = self.model.checkpoint.family.hub.output.heads(weight, shape).cpu()
            if not torch.equal(own, self.model.checkpoint.output_weights(layer)):
                raise MapsError(
                    f"transformers loads other weights of {self.model.name} than those that MAPS reads; "
                    "download the model again."
                )

    def encode(self, texts: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """The ids that the tokenizer puts in front of every text, and the ids of each text.

        Raises MapsError when the tokenizer of transformers splits a text in another way than the model's own file.
        """
        plain = [e.ids for e in self.model.vocabulary.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        theirs = [list(ids) for ids in self.tokenizer(list(texts)).input_ids]
        start = next((at for at in range(len(theirs[0])) if theirs[0][at : at + len(plain[0])] == plain[0]), 0)
        front = theirs[0][:start]
        for text, own, other in zip(texts, plain, theirs, strict=True):
            if other[: start + len(own)] != front + own:
                raise MapsError(
                    f"The tokenizer that transformers loads for {self.model.name} splits {text!r} in another way than "
                    "the model's own file; download the model again."
                )
        return front, plain

    def run(self, ids: Tensor, cache: Any = None) -> Any:
        """One pass over tokens (n, T) after those in the cache; its logits are of the last position only, (n, 1, V)."""
        return self._run(self.network, ids, cache, logits_to_keep=1)

    def run_body(self, ids: Tensor, cache: Any = None) -> None:
        """The same without logits, for hooks that look at the layers."""
        self._run(self.network.base_model, ids, cache)

    def run_attention(self, ids: Tensor, cache: Any = None) -> tuple[Tensor, ...]:
        """The attention of each layer in a pass over tokens (n, T): (n, H, T, T), from the third axis to the fourth."""
        weights: tuple[Tensor, ...] = self._run(self.network.base_model, ids, cache, output_attentions=True).attentions
        return weights

    def _run(self, module: Any, ids: Tensor, cache: Any, **further: Any) -> Any:
        before = 0 if cache is None else cache.get_seq_length()
        seen = torch.ones(len(ids), before + ids.shape[1], dtype=torch.long, device=ids.device)
        with torch.no_grad():
            return module(
                input_ids=ids, attention_mask=seen, past_key_values=cache, use_cache=cache is not None, **further
            )

    def effects_of_writes(self, ids: Tensor, writes: Sequence[tuple[int, Tensor]]) -> Tensor:
        """What writes change in the logits behind a prompt (T,): one row for each write, (w, V).

        Each write is a layer and a vector (d,), which is added to what the layer's attention writes at the last
        position; all else follows as the model computes it.
        """
        prompt = ids.expand(len(writes) + 1, -1)  # the last row stays without a write
        shared, cache = self.compute_shared_prefix(prompt, prompt.shape[1] - 1)
        rows_of_layer: dict[int, list[int]] = {}
        for row, (layer, _) in enumerate(writes):
            rows_of_layer.setdefault(layer, []).append(row)
        with ExitStack() as hooks:
            for layer, rows in rows_of_layer.items():
                vectors = torch.stack([writes[row][1] for row in rows]).float()

                def add(_module: nn.Module, _given: object, output: Tensor, rows: list[int], vectors: Tensor) -> Tensor:
                    return output.index_add(0, torch.tensor(rows, device=output.device), vectors[:, None])

                hook = partial(add, rows=rows, vectors=vectors)
                hooks.enter_context(self.output_projections[layer].register_forward_hook(hook))
            logits: Tensor = self.run(prompt[:, shared:], cache).logits[:, -1].float()
        return logits[:-1] - logits[-1]

    @contextmanager
    def record_head_inputs(self) -> Iterator[list[Tensor]]:
        """While it is open, a pass appends the input of each layer's output projection at the last position."""
        inputs: list[Tensor] = []

        def record(_module: nn.Module, positional: tuple[Tensor, ...]) -> None:
            inputs.append(positional[0][:, -1].detach().clone())  # (n, H d_h)

        with ExitStack() as hooks:  # removes them at the end
            for projection in self.output_projections:
                hooks.enter_context(projection.register_forward_pre_hook(record))
            yield inputs

    def compute_shared_prefix(self, ids: Tensor, max_length: int) -> tuple[int, Any]:
        """The number of tokens that all prompts (n, T) begin with, at most `max_length`, and their cache.

        The shared tokens are run once; the cache is expanded to all n prompts.
        """
        from transformers import DynamicCache

        differing = (ids != ids[0]).any(0).nonzero()[:, 0].tolist()
        shared = min([max_length, ids.shape[1] - 1, *differing])
        first: Any = DynamicCache()
        expanded = DynamicCache()
        if shared:
            self.run(ids[:1, :shared], first)
        for layer, cached in enumerate(first.layers):
            keys = cached.keys.expand(len(ids), -1, -1, -1)
            expanded.update(keys, cached.values.expand(len(ids), -1, -1, -1), layer)
        return shared, expanded

    def read_heads(self, ids: Tensor, subject_ends: Tensor) -> HeadReads:
        """The heads' inputs of W_O in prompts of equal length (n, T); `subject_ends` (n,) is the subject's last token.

        With context, z is what attention computes. Without context, z is the value of the subject's last token, taken
        from the cache of the same pass: each layer still reads the residual stream of the whole prompt.
        """
        step = max(1, MAX_BATCH_TOKENS // ids.shape[1])
        batches = zip(ids.split(step), subject_ends.split(step), strict=True)
        return concatenate_reads([self._read_batch(*batch) for batch in batches])

    def _read_batch(self, ids: Tensor, subject_ends: Tensor) -> HeadReads:
        shared, cache = self.compute_shared_prefix(ids, int(subject_ends.min()))
        with self.record_head_inputs() as inputs:
            self.run(ids[:, shared:], cache)
        rows, shape = torch.arange(len(ids), device=ids.device), self.model.shape
        values = torch.stack([cached.values[rows, :, subject_ends] for cached in cache.layers])
        if values.shape[2] != shape.kv_heads:  # some models keep a copy of a value for each head that shares it
            values = values[:, :, :: values.shape[2] // shape.kv_heads]
        return HeadReads(torch.stack(inputs).unflatten(2, (shape.heads, -1)), values)


def concatenate_reads(batches: Sequence[HeadReads]) -> HeadReads:
    return HeadReads(*(torch.cat(parts, 1) for parts in zip(*batches, strict=True)))


def transformers_source(model: Model) -> tuple[str, dict[str, Any]]:
    """The name by which transformers opens a model, and further arguments."""
    name = model.requested_name
    path = bundled_file() if name == BUNDLED_MODEL else Path(name).expanduser()
    if path.is_dir():
        return str(path), {"local_files_only": True}
    if not path.is_file():
        return split_revision(name)[0], {"revision": model.checkpoint.revision}
    if importlib.util.find_spec("accelerate") is None:
        raise NotRunnableError(
            "transformers reads .gguf files with the package accelerate: run `pip install accelerate`."
        )
    return str(path.parent), {"gguf_file": path.name, "local_files_only": True}


def load_network(name: str, extra: dict[str, Any]) -> tuple[Any, Any]:
    """The network and its tokenizer. Code that comes with a model is never run."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **extra)
        sees_images = type(AutoConfig.from_pretrained(name, **extra)) not in AutoModelForCausalLM._model_mapping
        kind: Any = AutoModelForImageTextToText if sees_images else AutoModelForCausalLM
        network = kind.from_pretrained(name, dtype=torch.float32, attn_implementation="eager", **extra)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise NotRunnableError(f"transformers cannot run {name}: {' '.join(str(error).split())[:300]}") from error
    return network, tokenizer


@contextmanager
def silence_transformers() -> Iterator[None]:
    """Hides the warnings and progress bars of transformers while it loads; the bar for a .gguf file remains."""
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
