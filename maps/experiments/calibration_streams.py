"""The streams that a calibration is fitted to: which tokens stand behind which prompt, run once and kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from maps.experiments.hooked_model import HookedModel
from maps.experiments.streams import CALIBRATION_PROMPTS, evaluation_count, prompt_ids, read_streams, token_order
from maps.files.atomic import write_file
from maps.files.run_folder import RunFolder
from maps.heads.norm import scale_to_root_width
from maps.mapping.model import Model
from maps.types import Progress

BATCH = 256  # tokens in one pass
BLOCKS = 4  # the first blocks that the features run through


class TokenBatch(NamedTuple):
    """Tokens that stand behind one prompt."""

    prompt: int
    start: int  # index of the first among the tokens of the prompt
    tokens: Tensor  # (n,)

    @property
    def name(self) -> str:
        return f"streams-{self.prompt:02d}-{self.start:06d}"


@dataclass(frozen=True)
class CalibrationParts:
    """What an unfinished calibration has done: the streams of each batch of tokens, the maps of each layer."""

    run: RunFolder

    def path(self, name: str) -> Path:
        return self.run.folder / f"{name}.safetensors"

    def has(self, name: str) -> bool:
        return self.path(name).exists()

    def store(self, name: str, tensors: dict[str, Tensor]) -> None:
        content = save({key: tensor.cpu().contiguous() for key, tensor in tensors.items()})
        write_file(self.path(name), content)

    def read(self, name: str) -> dict[str, Tensor]:
        with safe_open(self.path(name), "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not iterable)

    def read_layer(self, batches: Sequence[TokenBatch], layer: int) -> Tensor:
        """The stream in front of a layer, or behind the last one for L, of all batches: (n, d) float32."""
        return (
            self._read_slices(batches, "directions", layer).float()
            * self._read_slices(batches, "scales", layer)[:, None]
        )

    def read_attention(self, batches: Sequence[TokenBatch], layer: int) -> Tensor:
        """What the attention of one of the first blocks adds to the stream, of all batches: (n, d) float32."""
        return self._read_slices(batches, "attention", layer)

    def _read_slices(self, batches: Sequence[TokenBatch], key: str, layer: int) -> Tensor:
        """A layer's part of a tensor, of all batches one after the other."""
        parts = []
        for batch in batches:
            with safe_open(self.path(batch.name), "pt") as file:
                parts.append(file.get_slice(key)[layer])
        return torch.cat(parts)

    def is_parallel(self, batch: TokenBatch) -> bool:
        """Whether attention and MLP of the first blocks read the same."""
        with safe_open(self.path(batch.name), "pt") as file:
            return bool(file.get_tensor("is_parallel"))

    def remove(self) -> None:
        for path in self.run.folder.iterdir():
            path.unlink()
        self.run.folder.rmdir()


def split_tokens(model: Model, count: int) -> list[TokenBatch]:
    """The tokens of the calibration, those that are fitted first, shared among the prompts in turn."""
    order, added = token_order(model.vocabulary.size), model.vocabulary.added_ids
    usable = [token for token in order[evaluation_count(len(order)) :].tolist() if token not in added][:count]
    prompts = len(CALIBRATION_PROMPTS)
    return [
        TokenBatch(prompt, start, torch.tensor(usable[prompt::prompts][start : start + BATCH]))
        for prompt in range(prompts)
        for start in range(0, len(usable[prompt::prompts]), BATCH)
    ]


def run_model(model: Model, batches: Sequence[TokenBatch], parts: CalibrationParts, progress: Progress[str]) -> None:
    """Runs the model on the batches that are missing, and stores the streams of each."""
    todo = {batch.name: batch for batch in batches if not parts.has(batch.name)}
    if not todo:
        return
    hooked_model = HookedModel.open(model)
    prefixes = prompt_ids(hooked_model, CALIBRATION_PROMPTS)
    for name in progress(list(todo), len(batches) - len(todo)):
        batch = todo[name]
        streams = read_streams(hooked_model, prefixes[batch.prompt], batch.tokens, block_count(model))
        scales = streams.layers.square().mean(2).sqrt()
        directions = scale_to_root_width(streams.layers.flatten(0, 1)).view_as(streams.layers)
        # Float16 keeps three digits of a direction, far more than a linear map predicts.
        part = {"directions": directions.half(), "scales": scales, "attention": streams.attention}
        parts.store(batch.name, part | {"is_parallel": torch.tensor(streams.is_parallel)})


def block_count(model: Model) -> int:
    """How many of the first blocks the features run through: those in front of a layer."""
    return min(BLOCKS, model.shape.layers - 1)
