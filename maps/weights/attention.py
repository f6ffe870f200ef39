"""What attention has beside values and outputs: its biases, queries and keys."""

from __future__ import annotations

from torch import Tensor

from maps.weights.checkpoint import Checkpoint
from maps.weights.family import ROLES


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
