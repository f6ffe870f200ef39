"""Reads the parts of attention that mapping does not use: biases, queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.heads.query_key import QueryKeyWeights
from maps.weights.checkpoint import Checkpoint
from maps.weights.family import ATTENTION_ROLES, head_count

QUERY_NORM_NAMES = ("self_attn.q_norm.", "self_attn.q_layernorm.", "attn_q_norm.")  # in names of the norms' tensors


def read_attention_bias(checkpoint: Checkpoint, role: str, layer: int) -> Tensor | None:
    """The bias of a layer's heads in float32: b_V (KV, d_h) for role `value`, b_O (d,) for `output`; None without one.

    Raises MapsError if its shape is wrong, or if it is missing in a family that always has biases.
    """
    weight, layout = checkpoint.locate_head_weights(role, layer)
    name, shape = weight.removesuffix("weight") + "bias", checkpoint.shape.in_layer(layer)
    if name not in checkpoint.source.names():
        if checkpoint.family.has_biases:
            raise checkpoint.missing_tensor_error(name)
        return None
    if role not in ATTENTION_ROLES:
        return shape.scale(role, checkpoint.read_with_shape(name, (shape.width,)).float())
    bias = checkpoint.read_with_shape(name, (layout.output_count(role, shape),)).float()
    return bias[layout.output_indices(role, shape)]


def read_query_key_weights(checkpoint: Checkpoint, layer: int) -> QueryKeyWeights:
    """W_Q and W_K of a layer in float32, with the gains of their norms.

    Raises MapsError if the checkpoint has such norms but its family declares none: they would be left out silently;
    and for families whose keys are made in another way.
    """
    if checkpoint.family.key_obstacle:
        raise MapsError(f"{checkpoint.model} {checkpoint.family.key_obstacle}, so its attention cannot be read.")
    norm_names = [f"{prefix}.{layer}.{name}" for prefix in ("layers", "blk") for name in QUERY_NORM_NAMES]
    norms = [name for name in checkpoint.source.names() if any(norm in name for norm in norm_names)]
    if norms and "query_norm" not in checkpoint.layout.names:
        raise MapsError(
            f"{checkpoint.model} normalises its queries and keys ({min(norms)}), which is not supported for "
            f"{checkpoint.shape.architecture} models, so its attention cannot be read."
        )
    gains = []
    for role, norm in (("query", "query_norm"), ("key", "key_norm")):
        shape = checkpoint.shape.in_layer(layer)
        place = layer if role == "query" else checkpoint.shape.values_from(layer)
        gain, width = checkpoint.norm_gain(norm, place), shape.head_width
        gain = torch.ones(width) if checkpoint.family.norms_heads else gain
        whole = head_count(role, shape) * width
        if gain is not None and gain.shape not in ((width,), (whole,)):
            raise MapsError(f"The {role} norm of {checkpoint.model} has a shape that does not fit its heads.")
        gains.append(gain)
    return QueryKeyWeights(checkpoint.head_weights("query", layer), checkpoint.head_weights("key", layer), *gains)
