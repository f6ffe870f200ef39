"""How much work mapping is, in operations: for plans, and for the time that is left.

    heads of a layer   ≈ 2 V (d KV d_h + H d_h² + d H N)    values, saliency, targets of N salient tokens
    an MLP             ≈ 2 V m                              m weights; a calibrated reading runs several
    maps of a layer    ≈ 2 V d²                             of a calibration

The work on heads takes about `OVERHEAD` times as long as these operations in a plain product of matrices on the same
machine: relations are scored too, tokens sorted, weights unpacked. `benchmarks.mapping_plan` compares plans with runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from maps.mapping.reading import Reading
from maps.weights.checkpoint import Checkpoint, is_of_mlp

OVERHEAD = 2.2  # from GPT-2 xl's and Llama-3.1 70B's shapes in benchmarks/results/map_speed.json: 2.3 and 1.9
PRODUCT_OVERHEAD = 1.2  # of products as large as these; assumed
SALIENT_TOKENS = 60  # of each head, the held-out ones included


def operations_by_layer(
    checkpoint: Checkpoint, reading: Reading, blocks: int, layers: Sequence[int]
) -> tuple[float, ...]:
    """The work on each of these layers in this order: on its heads, and on the tokens that it is the first to read.

    `blocks`: how many of the first blocks a calibrated reading runs on all tokens.
    """
    mlp = 2.0 * checkpoint.vocabulary.size * weights_of_first_mlp(checkpoint)
    calibrated = 2.0 * checkpoint.vocabulary.size * checkpoint.shape.width**2 if reading.source == "calibrated" else 0
    operations, mlps_so_far = list[float](), 0
    for layer in layers:
        mlps = max(mlps_so_far, mlps_in_front(layer, reading, blocks))
        products = calibrated + (mlps - mlps_so_far) * mlp
        operations.append(OVERHEAD * operations_of_heads(checkpoint, layer) + PRODUCT_OVERHEAD * products)
        mlps_so_far = mlps
    return tuple(operations)


def mlps_in_front(layer: int, reading: Reading, blocks: int) -> int:
    """How many MLPs run on all tokens before a layer's heads can read them."""
    most = blocks if reading.source == "calibrated" else int(reading.reads_first_mlp)
    return min(layer, most)


def operations_of_heads(checkpoint: Checkpoint, layer: int) -> float:
    """Of a layer's heads: values, saliency, and the targets of salient tokens."""
    vocabulary, own = checkpoint.vocabulary.size, checkpoint.shape.in_layer(layer)
    values = own.width * own.kv_heads * own.head_width
    return 2.0 * vocabulary * (values + own.heads * own.head_width**2 + own.width * own.heads * SALIENT_TOKENS)


def weights_of_first_mlp(checkpoint: Checkpoint) -> int:
    roles = [role for role in checkpoint.layout.names if is_of_mlp(role)]
    found = [checkpoint.find_tensor_name(role, checkpoint.shape.first_mlp) for role in roles]
    return sum(math.prod(checkpoint.source.shape(name)) for name in found if name is not None)
