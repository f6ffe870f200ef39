"""What attention has beside values and outputs: its biases, queries and keys."""

from __future__ import annotations

from torch import Tensor

from maps.errors import MapsError
from maps.heads.query_key import Comparing
from maps.weights.checkpoint import Checkpoint
from maps.weights.family import ROLES, heads_of

NORMS = ("self_attn.q_norm.", "self_attn.q_layernorm.", "attn_q_norm.")  # how tensors of queries' norms are called


def bias(checkpoint: Checkpoint, role: str, layer: int) -> Tensor | None:
    """The bias of a layer's heads in float32: b_V (KV, d_h) for `value`, b_O (d,) for `output`.

    None where there is none; raises MapsError where it is missing in a family that always has it, or has another shape.
    """
    weight, layout = checkpoint.holding(role, layer)
    name, shape = weight.removesuffix("weight") + "bias", checkpoint.shape
    if name not in checkpoint.source.names():
        if checkpoint.family.biased:
            raise checkpoint.lacks(name)
        return None
    if role not in ROLES:
        return checkpoint.shaped(name, (shape.width,)).float()
    return checkpoint.shaped(name, (layout.size(role, shape),)).float()[layout.outputs(role, shape)]


def comparing(checkpoint: Checkpoint, layer: int) -> Comparing:
    """The queries and keys of a layer in float32, with the gains of their norms.

    Raises MapsError where a checkpoint norms them and its family is not known to.
    """
    normed = [f"{each}.{layer}.{name}" for each in ("layers", "blk") for name in NORMS]
    strays = [name for name in checkpoint.source.names() if any(norm in name for norm in normed)]
    if strays and "query_norm" not in checkpoint.place.names:
        raise MapsError(
            f"{checkpoint.model} norms its queries and keys ({min(strays)}), which is not known of "
            f"{checkpoint.shape.architecture} models, so that they cannot be read."
        )
    gains = []
    for role, norm in (("query", "query_norm"), ("key", "key_norm")):
        gain, width = checkpoint.gain(norm, layer), checkpoint.shape.head_width
        whole = heads_of(role, checkpoint.shape) * width
        if gain is not None and gain.shape not in ((width,), (whole,)):
            raise MapsError(f"The {role} norm of {checkpoint.model} has a shape that does not fit its heads.")
        gains.append(gain)
    return Comparing(checkpoint.heads("query", layer), checkpoint.heads("key", layer), *gains)
