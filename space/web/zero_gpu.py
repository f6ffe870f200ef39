"""ZeroGPU: the hardware on which a free account may host. It wants to find a function that would use a GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def register_with_zero_gpu() -> bool:
    """Marks a function for ZeroGPU, which ends a Space without one; whether the package for it is there.

    Nothing here is computed on a GPU: pages come from stored tables, and live questions take seconds on two cores.
    """
    if find_spec("spaces") is None:
        print("This is ZeroGPU, but the package spaces is missing; the Space may be ended.", file=sys.stderr)
        return False
    with block_torch_import():
        import spaces

    spaces.GPU(unused_gpu_function)
    return True


@contextmanager
def block_torch_import() -> Iterator[None]:
    """Keeps torch from being imported: the package would load and change it, and the server has no use for it."""
    before = sys.modules.pop("torch", None)
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
        if before is not None:
            sys.modules["torch"] = before


def unused_gpu_function() -> None:
    """What ZeroGPU finds; nothing calls it."""
