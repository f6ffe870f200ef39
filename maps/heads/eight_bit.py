"""Matrices rounded to eight bits, with how far that may be off: products several times as fast that still bound scores.

y · u = (a q) · (s p) + (y − a q) · s p + y · (u − s p): the first term is exact in whole numbers, the others are no
larger than the lengths of what rounding left, which are measured.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MAX_INT8 = 127  # of an eight-bit number
FAST_INSTRUCTION_SETS = (
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
)  # what x86 processors multiply eight-bit matrices by faster than others


def normalise_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, d) in float64 at length 1, and their lengths (n,): float32 neither over- nor underflows on them."""
    lengths = rows.norm(dim=1)
    return rows / lengths.where(lengths > 0, 1)[:, None], lengths


class RoundedRows(NamedTuple):
    """Rows (n, d) at length 1, or 0, and rounded."""

    unit_rows: Tensor  # (n, d) float32: y / ‖y‖
    lengths: Tensor  # (n,) float64: ‖y‖, 1 where it is 0
    norms: Tensor  # (n,) float32: of `single`
    int8_rows: Tensor  # (n, d) int8: single ≈ step · coarse
    step: Tensor  # (n,) float32
    rounding_norms: Tensor  # (n,) float32: ‖single − step · coarse‖

    @classmethod
    def from_exact(cls, exact: Tensor) -> RoundedRows:
        """Rounds rows (n, d), float64."""
        unit, lengths = normalise_rows(exact)
        single = unit.float()
        step = (single.abs().amax(1) / MAX_INT8).clamp_min(torch.finfo(torch.float32).tiny)
        coarse = (single / step[:, None]).round_().to(torch.int8)
        off = (single - step[:, None] * coarse).norm(dim=1)
        return cls(single, lengths.where(lengths > 0, 1), single.norm(dim=1), coarse, step, off)

    def select(self, rows: slice) -> RoundedRows:
        """Some of the rows."""
        return RoundedRows(*(column[rows] for column in self))


class RoundedColumns(NamedTuple):
    """Columns (d, w) that are rounded together."""

    int8_columns: Tensor  # (d, w) int8: columns ≈ step · coarse
    step: float
    largest_rounding_norm: float  # largest norm of what rounding left of a column
    largest_norm: float  # largest norm of a rounded column

    @classmethod
    def from_float32(cls, columns: Tensor) -> RoundedColumns:
        """Rounds columns (d, w), float32."""
        step = float(columns.abs().max()) / MAX_INT8 or 1.0
        coarse = (columns / step).round_().to(torch.int8)
        rounded = step * coarse.float()
        return cls(coarse, step, float((columns - rounded).norm(dim=0).max()), float(rounded.norm(dim=0).max()))


def has_fast_int8(device: torch.device) -> bool:
    """Whether products of eight-bit matrices are there, fast and exact.

    Some processors saturate their sums; x86 ones without instructions for them take fifty times as long as in float32.
    """
    if device.type != "cpu":
        return False
    known = torch.cpu.get_capabilities()
    if known.get("architecture") == "x86_64" and not any(known.get(name) for name in FAST_INSTRUCTION_SETS):
        return False
    signs = torch.tensor([[1, 1], [-1, -1], [1, -1], [-1, 1]], dtype=torch.int8)  # pairs may saturate either way
    ends = (MAX_INT8 * signs).repeat(8, 32)  # (32, 64)
    wanted = ends.int() @ ends.int().T
    try:
        return torch.equal(torch._int_mm(ends, ends.T.contiguous()), wanted)
    except RuntimeError:
        return False
