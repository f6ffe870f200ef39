"""Calibrations with random maps, for tests of what is computed with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from maps.mapping.calibration import FEATURES, FORMAT_VERSION, METADATA_KEY, Calibration
from maps.weights.checkpoint import Checkpoint

BLOCKS = 2


def save_random_calibration(path: Path, checkpoint: Checkpoint, seed: int = 0) -> Calibration:
    """A calibration of a model with all features, as `maps calibrate` would write it, with normal entries."""
    generator, d, layers = torch.Generator().manual_seed(seed), checkpoint.shape.width, checkpoint.shape.layers
    tensors, blocks = {}, min(BLOCKS, layers - 1)
    for layer in range(blocks):
        tensors[f"attention.{layer}.own"] = torch.rand(checkpoint.shape.heads, generator=generator)
        tensors[f"attention.{layer}.constant"] = torch.randn(d, generator=generator)
    for layer in range(1, layers):
        weight = torch.randn(len(FEATURES) * d, d, generator=generator) / d**0.5
        tensors[f"source.{layer}.weight"] = weight.half()
        tensors[f"source.{layer}.offset"] = torch.randn(d, generator=generator)
    for layer in range(layers - 1):
        tensors[f"target.{layer}"] = (torch.randn(d, d, generator=generator) / d**0.5).half()
    info: dict[str, Any] = {"format_version": FORMAT_VERSION, "model": checkpoint.model, **checkpoint.identity}
    info |= {"layers": layers, "features": list(FEATURES), "blocks": blocks, "parallel": False}
    save_file(tensors, path, {METADATA_KEY: json.dumps(info)})
    return Calibration.open(path)
