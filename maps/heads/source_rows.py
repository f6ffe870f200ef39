"""How a reading makes the row that a head reads for each token. The parts are combined: a norm of a sum of others.

Every kind of rows exists twice: in float32 for all tokens, to search among them, and in float64 for the few tokens on
which a decision depends. What is costly to make in float32 is kept in memory, (V, d); what is costly in float64 is
kept for the tokens that were asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from threading import RLock
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.average_block import AverageBlock
from maps.heads.mixture import Mixture
from maps.heads.mlp import ROWS, Mlp
from maps.heads.norm import Norm, scale_to_root_width

EXACT_CACHE_BYTES = 1 << 28  # memory for float64 rows that are kept for later


class SourceRows(ABC):
    """One row for each token."""

    is_exact = False  # whether the float32 rows are those of float64, rounded at most once

    def __init__(self, vocabulary: int, width: int, device: torch.device) -> None:
        self.vocabulary, self.width, self.device = vocabulary, width, device

    @abstractmethod
    def rows(self, tokens: slice | Tensor) -> Tensor:
        """Some tokens' rows in float32, (n, d)."""

    @abstractmethod
    def exact_rows(self, ids: Tensor) -> Tensor:
        """Some tokens' rows in float64, (n,) to (n, d)."""

    def blocks(self) -> list[slice]:
        """All tokens, ROWS at a time."""
        return [slice(start, min(start + ROWS, self.vocabulary)) for start in range(0, self.vocabulary, ROWS)]


class EmbeddingRows(SourceRows):
    """scale · E. The embedding keeps the precision of the checkpoint."""

    is_exact = True

    def __init__(self, embedding: Tensor, scale: float = 1.0) -> None:
        super().__init__(len(embedding), embedding.shape[1], embedding.device)
        self.embedding, self.scale = embedding, scale

    def rows(self, tokens: slice | Tensor) -> Tensor:
        return self._scale(self.embedding[tokens].float())

    def exact_rows(self, ids: Tensor) -> Tensor:
        return self._scale(self.embedding[ids].double())

    def _scale(self, rows: Tensor) -> Tensor:
        return rows if self.scale == 1 else rows * self.scale


class KeptRows(SourceRows):
    """Rows that are kept once they are made: in float32 all at the first use, in float64 those that were asked for."""

    def __init__(self, vocabulary: int, width: int, device: torch.device) -> None:
        super().__init__(vocabulary, width, device)
        self._place = torch.full((vocabulary,), -1, device=device)  # of each token's exact row; -1: none
        self._exact = torch.empty(0, width, dtype=torch.float64, device=device)  # with room for more
        self._exact_count = 0
        self._lock = RLock()  # several threads may ask

    @cached_property
    def _rows(self) -> Tensor:
        return self.compute_all()

    def compute_all(self) -> Tensor:
        """All tokens' rows in float32, (V, d)."""
        rows = torch.empty(self.vocabulary, self.width, device=self.device)
        for block in self.blocks():
            rows[block] = self.compute(block)
        return rows

    @abstractmethod
    def compute(self, tokens: slice | Tensor) -> Tensor:
        """Rows in float32, (n, d)."""

    @abstractmethod
    def compute_exactly(self, ids: Tensor) -> Tensor:
        """Rows in float64, (n,) to (n, d)."""

    def settle(self, rows: Tensor, tokens: slice | Tensor, is_unsure: Tensor | None) -> Tensor:
        """Tokens' rows in float32 (n, d), with those of float64 where float32 is not sure which experts they go to."""
        if is_unsure is not None and is_unsure.any():
            ids = torch.arange(self.vocabulary, device=self.device)[tokens]
            rows[is_unsure] = self.exact_rows(ids[is_unsure]).float()
        return rows

    def rows(self, tokens: slice | Tensor) -> Tensor:
        with self._lock:
            if isinstance(tokens, Tensor) and "_rows" not in vars(self):
                return self.compute(tokens)  # a few tokens do not pay for all
            return self._rows[tokens]

    def release(self) -> None:
        """Frees the float32 rows; they are made again when they are needed."""
        with self._lock:
            vars(self).pop("_rows", None)

    def exact_rows(self, ids: Tensor) -> Tensor:
        with self._lock:
            return self._kept_exact_rows(ids)

    def _kept_exact_rows(self, ids: Tensor) -> Tensor:
        new = ids[self._place[ids] < 0].unique()
        most = max(len(ids), EXACT_CACHE_BYTES // (8 * self.width))
        if self._exact_count + len(new) > most:
            self._place.fill_(-1)  # there is no room for more: start again
            self._exact_count, new = 0, ids.unique()
        if len(new):
            start, end = self._exact_count, self._exact_count + len(new)
            if end > len(self._exact):  # room for twice as many, so that rows are seldom copied
                larger = self._exact.new_empty(min(most, max(2 * len(self._exact), end)), self.width)
                larger[:start] = self._exact[:start]
                self._exact = larger
            self._exact[start:end] = self.compute_exactly(new)
            self._place[new] = torch.arange(start, end, device=self.device)
            self._exact_count = end
        return self._exact[self._place[ids]]


class FirstMlpRows(KeptRows):
    """MLP₀(norm(e)) with e the embedding's rows."""

    def __init__(self, embedding: SourceRows, mlp: Mlp | Mixture) -> None:
        self.embedding, self.mlp = embedding, mlp
        super().__init__(embedding.vocabulary, embedding.width, embedding.device)

    def compute(self, tokens: slice | Tensor) -> Tensor:
        read = self.embedding.rows(tokens)
        return self.settle(self.mlp.apply(read), tokens, self.mlp.find_unsure(read))

    def compute_exactly(self, ids: Tensor) -> Tensor:
        return self.mlp.apply(self.embedding.exact_rows(ids))


class BlockRows(KeptRows):
    """Rows behind a block in an average context. Of several in a row, only the last one's are kept in memory."""

    def __init__(self, previous: SourceRows, block: AverageBlock) -> None:
        self.previous, self.block = previous, block
        super().__init__(previous.vocabulary, previous.width, previous.device)

    @cached_property
    def _rows(self) -> Tensor:
        rows = self.compute_all()
        if isinstance(self.previous, KeptRows):
            self.previous.release()
        return rows

    def compute(self, tokens: slice | Tensor) -> Tensor:
        read = self.previous.rows(tokens)
        return self.settle(self.block.apply(read), tokens, self.block.find_unsure(read))

    def compute_exactly(self, ids: Tensor) -> Tensor:
        return self.block.apply(self.previous.exact_rows(ids))


class SumRows(SourceRows):
    """The sum of two rows for each token."""

    def __init__(self, embedding: SourceRows, further: SourceRows) -> None:
        super().__init__(embedding.vocabulary, embedding.width, embedding.device)
        self.embedding, self.further = embedding, further

    def rows(self, tokens: slice | Tensor) -> Tensor:
        return self.embedding.rows(tokens) + self.further.rows(tokens)

    def exact_rows(self, ids: Tensor) -> Tensor:
        return self.embedding.exact_rows(ids) + self.further.exact_rows(ids)


class StreamMap(NamedTuple):
    """A linear map from a token's features to the direction of the residual stream that a layer reads at this token.

    The features are rows of length √d, one kind next to the other, so that f has m = d or m = 2 d entries.
    """

    weight: Tensor  # (m, d)
    offset: Tensor  # (d,)

    def to(self, device: torch.device) -> StreamMap:
        return StreamMap(self.weight.to(device), self.offset.to(device))

    def apply(self, features: Sequence[Tensor]) -> Tensor:
        """Features of n tokens, (n, d) each, to the stream's predicted directions (n, d), in their precision."""
        x = torch.cat([scale_to_root_width(rows) for rows in features], 1)
        return torch.addmm(self.offset.to(x.dtype), x, self.weight.to(x.dtype))


class MappedRows(KeptRows):
    """Features of a token, mapped to what a layer's heads were seen to read."""

    def __init__(self, features: Sequence[SourceRows], stream_map: StreamMap) -> None:
        self.features, self.map = features, stream_map
        super().__init__(features[0].vocabulary, len(stream_map.offset), features[0].device)

    def compute(self, tokens: slice | Tensor) -> Tensor:
        return self.map.apply([rows.rows(tokens) for rows in self.features])

    def compute_exactly(self, ids: Tensor) -> Tensor:
        return self.map.apply([rows.exact_rows(ids) for rows in self.features])


class NormedRows(SourceRows):
    """Rows through a norm."""

    def __init__(self, inner: SourceRows, norm: Norm) -> None:
        super().__init__(inner.vocabulary, inner.width, inner.device)
        self.inner, self.norm = inner, norm

    def rows(self, tokens: slice | Tensor) -> Tensor:
        return self.norm.apply(self.inner.rows(tokens))

    def exact_rows(self, ids: Tensor) -> Tensor:
        return self.norm.apply(self.inner.exact_rows(ids))
