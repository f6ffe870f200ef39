"""Matrices rounded to eight bits: fast products that still bound the exact scores from above.

A row y is written as y = a q + (what rounding left), with whole numbers q from -127 to 127 and a step a; a column u as
u = s p + (what rounding left). Then

    y · u = (a q) · (s p)  +  (y − a q) · (s p)  +  y · (u − s p)

The first term is a product of whole numbers and exact. By Cauchy–Schwarz the others are at most ‖y − a q‖ ‖s p‖ and
‖y‖ ‖u − s p‖. All these norms are measured, not estimated, so the sum of the three is a true bound on y · u.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MAX_INT8 = 127  # largest absolute value used, so that the range is symmetric
FAST_INSTRUCTION_SETS = ("avx512_vnni", "avx_vnni", "amx_int8")  # x86 processors with one multiply eight-bit fast


def normalise_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, d) in float64 divided by their lengths, and the lengths (n,); rows of zeros stay.

    At length 1 the rows can go on in float32, which would overflow or underflow on very long or short ones.
    """
    lengths = rows.norm(dim=1)
    return rows / lengths.where(lengths > 0, 1)[:, None], lengths


class RoundedRows(NamedTuple):
    """Rows y (n, d) at length 1 (or 0), each rounded to eight bits with its own step."""

    unit_rows: Tensor  # (n, d) float32: y / ‖y‖
    lengths: Tensor  # (n,) float64: ‖y‖, or 1 where it is 0
    norms: Tensor  # (n,) float32: of `unit_rows`
    int8_rows: Tensor  # (n, d) int8: q, with unit_rows ≈ step · q
    step: Tensor  # (n,) float32: a
    rounding_norms: Tensor  # (n,) float32: ‖unit_rows − step · q‖

    @classmethod
    def from_exact(cls, exact: Tensor) -> RoundedRows:
        """Rounds rows (n, d) given in float64."""
        unit, lengths = normalise_rows(exact)
        single = unit.float()
        step = (single.abs().amax(1) / MAX_INT8).clamp_min(torch.finfo(torch.float32).tiny)
        coarse = (single / step[:, None]).round_().to(torch.int8)
        rounding_norms = (single - step[:, None] * coarse).norm(dim=1)
        return cls(single, lengths.where(lengths > 0, 1), single.norm(dim=1), coarse, step, rounding_norms)

    def select(self, rows: slice) -> RoundedRows:
        return RoundedRows(*(field[rows] for field in self))


class RoundedColumns(NamedTuple):
    """Columns u (d, w) rounded to eight bits with one step for all of them."""

    int8_columns: Tensor  # (d, w) int8: p, with u ≈ step · p
    step: float  # s
    largest_rounding_norm: float  # max ‖u − step · p‖
    largest_norm: float  # max ‖step · p‖

    @classmethod
    def from_float32(cls, columns: Tensor) -> RoundedColumns:
        """Rounds columns (d, w) given in float32."""
        step = float(columns.abs().max()) / MAX_INT8 or 1.0
        coarse = (columns / step).round_().to(torch.int8)
        rounded = step * coarse.float()
        return cls(coarse, step, float((columns - rounded).norm(dim=0).max()), float(rounded.norm(dim=0).max()))


def has_fast_int8(device: torch.device) -> bool:
    """Whether products of eight-bit matrices are both fast and exact on this device.

    x86 processors without the instructions take fifty times as long as in float32. Some processors saturate: they add
    pairs of products in 16 bits and cut off what exceeds them. A product of largest numbers, all signs, shows it.
    """
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    is_x86 = capabilities.get("architecture") == "x86_64"
    if is_x86 and not any(capabilities.get(name) for name in FAST_INSTRUCTION_SETS):
        return False
    signs = torch.tensor([[1, 1], [-1, -1], [1, -1], [-1, 1]], dtype=torch.int8)
    extremes = (MAX_INT8 * signs).repeat(8, 32)  # (32, 64)
    exact = extremes.int() @ extremes.int().T
    try:
        return torch.equal(torch._int_mm(extremes, extremes.T.contiguous()), exact)
    except RuntimeError:  # no such product on this processor
        return False
