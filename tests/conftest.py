"""What every test may use: a Hub on loopback. The client moves large files over plain HTTP."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

# Torch reads it once. Threads of several processes on the same cores would wait for each other, spinning.
os.environ.setdefault(
    "OMP_NUM_THREADS",
    str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))),
)
os.environ["HF_HUB_DISABLE_XET"] = "1"  # both are read when huggingface_hub is imported
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from tests.hub.loopback import LoopbackHub, loopback_hub

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so do its children


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """A Hub of its own for one test."""
    with loopback_hub() as served:
        yield served
