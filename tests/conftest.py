"""What every test may use: a Hub on loopback. The Hub's client moves large files over plain HTTP here.

A test that is slow without a marker fails the fast run, which must stay fast.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator, Iterator

import pytest

# Torch reads it once. Threads of several processes on the same cores would wait for each other, spinning.
os.environ.setdefault(
    "OMP_NUM_THREADS",
    str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))),
)
os.environ["MAPS_LOAD_AT_START"] = "false"  # of apps that tests start, as most answer no question from weights
os.environ["HF_HUB_DISABLE_XET"] = "1"  # both are read when huggingface_hub is imported
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from tests.hub.loopback import LoopbackHub, loopback_hub

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so do its children


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with loopback_hub() as served:
        yield served


SLOW_MARKERS = ("process", "browser", "ray", "transformers", "exhaustive", "slow", "long", "canary")
MAX_SECONDS = 2.0  # of processor time, children included
MAX_WAIT = 15.0  # seconds from start to end
NOISE = 2.5  # how much longer the same test takes now and then, beside others or on a slower machine
REFERENCE_SECONDS = 0.08  # what the loop below takes on an idle machine of two cores


def slowness() -> float:
    """How many times as long as on an idle machine the processor takes now; at least `NOISE`."""
    start = time.process_time()
    total = 0
    for i in range(1_000_000):
        total += i * i % 7
    return max(NOISE, (time.process_time() - start) / REFERENCE_SECONDS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fails a test of the fast run that takes too long and says by no marker why.

    In the full run (`-m ""`) tests stand beside others that take all cores and memory, so times say nothing there.
    """
    if not item.config.getoption("markexpr"):
        return (yield)
    start, start_times = time.monotonic(), os.times()
    result = yield
    seconds = sum(os.times()[:4]) - sum(start_times[:4])
    waited = time.monotonic() - start
    is_marked = any(item.get_closest_marker(name) for name in SLOW_MARKERS)
    if not is_marked and (seconds > MAX_SECONDS or waited > MAX_WAIT):
        factor = slowness()
        if seconds > MAX_SECONDS * factor or waited > MAX_WAIT * factor:
            pytest.fail(
                f"This test took {seconds:.1f} s of processor time and {waited:.1f} s in all; {factor:.1f} times "
                f"{MAX_SECONDS:.0f} s and {MAX_WAIT:.0f} s are allowed on this machine now. Make it faster, or mark it "
                "with what makes it slow (see the markers in pyproject.toml).",
                pytrace=False,
            )
    return result
