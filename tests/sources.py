"""The rows that heads read, made from tensors instead of a checkpoint."""

from __future__ import annotations

from torch import Tensor

from maps.heads.mlp import Mlp
from maps.heads.source_rows import EmbeddingRows, FirstMlpRows
from maps.heads.sources import Sources


def make_sources(embedding: Tensor, mlp: Mlp | None = None, scale: float = 1.0) -> Sources:
    """The paper's reading: of layer 0 without an MLP, of later layers with it."""
    rows = EmbeddingRows(embedding, scale)
    return Sources(rows if mlp is None else FirstMlpRows(rows, mlp))
