"""The small model of a family, run by transformers with hooks."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from maps.experiments.hooked_model import HookedModel
from maps.mapping.model import Model
from tests.families import build_model


def open_family(family: str, folder: Path) -> HookedModel:
    """Builds a family's small model in a folder and opens it."""
    build_model(family, folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return HookedModel.open(Model.open(str(folder)))


def bias_of_values(hooked_model: HookedModel, layer: int) -> Tensor:
    """The value bias of each value head of a layer: (KV, d_h)."""
    s, names = hooked_model.model.shape, ("v_proj.bias", "c_attn.bias", "query_key_value.bias")
    parameters = hooked_model.blocks[layer].named_parameters()
    bias = next((each for name, each in parameters if name.endswith(names)), None)
    if bias is None:
        return torch.zeros(s.kv_heads, s.head_width)
    layout = hooked_model.model.checkpoint.family.hub.attention
    return bias.detach()[layout.output_indices("value", s)]
