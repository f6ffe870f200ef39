"""Weights that are stored in 8 or 4 bits beside their scales: FP8, and MXFP4 as gpt-oss has it."""

from __future__ import annotations

import torch
from torch import Tensor

FP8_DTYPES = (torch.float8_e4m3fn, torch.float8_e5m2)
SCALE_ENDINGS = ("_scale_inv", "_scale")  # of the names of an FP8 weight's scales
FP8_BLOCK = (128, 128)  # rows and columns that share a scale, if the configuration does not say
MXFP4_VALUES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # of the lower three bits; the fourth is the sign
ROWS = 1 << 14  # groups of 32 numbers that are unpacked at once


def unpack_fp8(weight: Tensor, scale: Tensor, block: tuple[int, int]) -> Tensor:
    """FP8 weights (n, m), or those of all experts (e, n, m), times their scales, in float32.

    `scale` has one number, one for each row (n, 1), or one for each block of rows and columns. Raises ValueError if it
    has another shape.
    """
    if weight.ndim == 3 and len(scale) == len(weight):
        return torch.stack([unpack_fp8(*each, block) for each in zip(weight, scale, strict=True)])
    if weight.ndim != 2:
        raise ValueError(
            f"weights of shape {tuple(weight.shape)} with scales of shape {tuple(scale.shape)} are not read"
        )
    n, m = weight.shape
    scale = scale.float()
    if scale.numel() == 1:
        return weight.float() * scale.flatten()[0]
    if scale.shape in ((n, 1), (n,)):
        return weight.float() * scale.view(n, 1)
    if scale.shape != (-(-n // block[0]), -(-m // block[1])):
        raise ValueError(f"scales of shape {tuple(scale.shape)} do not fit weights of shape {(n, m)}")
    rows = scale.repeat_interleave(block[0], 0)[:n]
    out = weight.float()
    for start in range(0, m, block[1]):
        out[:, start : start + block[1]] *= rows[:, start // block[1], None]
    return out


def unpack_mxfp4(blocks: Tensor, scales: Tensor) -> Tensor:
    """MXFP4 weights in bfloat16, which holds them exactly: (…, g, 16) bytes and (…, g) exponents to (…, 32 g).

    A byte has two numbers, the first in its lower four bits; every 32 numbers share a power of two. Raises ValueError
    if the shapes do not fit.
    """
    if blocks.shape[:-1] != scales.shape or blocks.shape[-1] != 16:
        raise ValueError(f"scales of shape {tuple(scales.shape)} do not fit weights of shape {tuple(blocks.shape)}")
    values = torch.tensor([*MXFP4_VALUES, *(-value for value in MXFP4_VALUES)], dtype=torch.bfloat16)
    flat, exponents = blocks.reshape(-1, 16), scales.reshape(-1, 1).int() - 127
    out = torch.empty(len(flat), 16, 2, dtype=torch.bfloat16)
    for start in range(0, len(flat), ROWS):
        part = flat[start : start + ROWS].int()
        numbers = torch.stack([values[part & 15], values[part >> 4]], 2)
        out[start : start + ROWS] = torch.ldexp(numbers, exponents[start : start + ROWS, :, None])
    return out.view(*scales.shape[:-1], -1)
