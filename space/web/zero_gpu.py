"""ZeroGPU, the hardware that a free account may use. It ends a Space that declares no function for the GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def register_with_zero_gpu() -> bool:
    """Declares a function that nothing calls, so that ZeroGPU keeps the Space; False if the package is missing.

    The app needs no GPU: pages come from stored tables, and live questions take seconds on two cores.
    """
    if find_spec("spaces") is None:
        print(
            "This Space is on ZeroGPU without the package spaces, so it may be ended; deploy it again.",
            file=sys.stderr,
        )
        return False
    with block_torch_import():
        import spaces

    spaces.GPU(unused_gpu_function)
    return True


@contextmanager
def block_torch_import() -> Iterator[None]:
    """Keeps the package from importing and patching torch, which the server does not need."""
    before = sys.modules.pop("torch", None)
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
        if before is not None:
            sys.modules["torch"] = before


def unused_gpu_function() -> None:
    """The function that ZeroGPU finds."""
