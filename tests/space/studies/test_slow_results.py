"""Slow results: computed again beside the page, which shows the older ones until then; quick ones at once."""

from __future__ import annotations

import time
from threading import Event

import pytest

from maps.errors import MapsError
from space.studies.slow_results import MAX_RESULTS, SlowResults


def wait_until(is_done: Event) -> None:
    assert is_done.wait(10)
    time.sleep(0.05)  # the thread still has to hand its result over


def test_a_quick_result_is_always_of_the_newest_key() -> None:
    results = SlowResults[int, int](lambda key: 2 * key, slow_seconds=5)
    assert [results.get("a", key) for key in (1, 1, 2, 3)] == [(2, True), (2, True), (4, True), (6, True)]


def test_a_slow_result_is_computed_in_a_thread_while_the_older_one_is_given() -> None:
    is_done, may_go_on = Event(), Event()
    may_go_on.set()
    keys: list[int] = []

    def compute(key: int) -> int:
        keys.append(key)
        assert may_go_on.wait(10)
        is_done.set()
        return 2 * key

    results = SlowResults[int, int](compute, slow_seconds=0, delay=0)
    assert results.get("a", 1) == (2, True)
    may_go_on.clear()
    is_done.clear()
    assert [results.get("a", key) for key in (2, 3)] == [(2, False), (2, False)]
    may_go_on.set()
    wait_until(is_done)
    assert results.get("a", 2) == (4, True)
    assert keys == [1, 2]
    assert results.get("b", 3) == (6, True)  # another name has no older one


def test_a_computation_that_fails_in_its_thread_fails_for_whoever_asks_next() -> None:
    is_done = Event()

    def compute(key: int) -> int:
        if key > 1:
            is_done.set()
            raise MapsError("no")
        return key

    results = SlowResults[int, int](compute, slow_seconds=0, delay=0)
    results.get("a", 1)
    assert results.get("a", 2) == (1, False)
    wait_until(is_done)
    with pytest.raises(MapsError):
        results.get("a", 2)


def test_only_the_newest_results_are_kept() -> None:
    keys: list[int] = []
    results = SlowResults[int, None](keys.append, slow_seconds=5)
    for name in range(MAX_RESULTS + 1):
        results.get(name, name)
    results.get(MAX_RESULTS, MAX_RESULTS)
    results.get(0, 0)
    assert keys == [*range(MAX_RESULTS + 1), 0]
