"""Which connections are closed: those that have been idle too long, and the oldest idle ones over the limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from space.web.connections import FILES_KEPT_FREE, MAX_CONNECTIONS, ConnectionLimits, connection_limit


@dataclass
class Cycle:
    response_complete: bool


@dataclass(eq=False)
class Connection:
    """A connection as the server keeps it."""

    cycle: Cycle | None = None
    closed: bool = False
    transport: Any = field(init=False)

    def __post_init__(self) -> None:
        self.transport = self

    def close(self) -> None:
        self.closed = True


def test_only_what_answers_nothing_is_closed_and_only_after_a_while() -> None:
    now = [0.0]
    limits = ConnectionLimits(100, 15.0, lambda: now[0])
    fresh, answering, answered = Connection(), Connection(Cycle(False)), Connection(Cycle(True))
    everything = {fresh, answering, answered}
    limits.close_idle(everything)
    now[0] = 15.0
    limits.close_idle(everything)
    assert [each.closed for each in (fresh, answering, answered)] == [False] * 3
    now[0] = 15.1
    limits.close_idle(everything)
    assert [each.closed for each in (fresh, answering, answered)] == [True, False, True]


def test_a_request_in_between_starts_the_time_anew() -> None:
    now = [0.0]
    limits = ConnectionLimits(100, 15.0, lambda: now[0])
    connection = Connection()
    limits.close_idle({connection})
    now[0], connection.cycle = 10.0, Cycle(False)
    limits.close_idle({connection})
    now[0], connection.cycle = 20.0, Cycle(True)
    limits.close_idle({connection})
    assert not connection.closed


def test_over_the_limit_the_longest_idle_go_first() -> None:
    now = [0.0]
    limits = ConnectionLimits(3, 1000.0, lambda: now[0])
    connections = []
    for second in range(5):
        now[0] = float(second)
        connections.append(Connection(Cycle(second != 0)))
        limits.close_idle(set(connections))
        connections = [each for each in connections if not each.closed]
    assert [each.cycle for each in connections] == [Cycle(False), Cycle(True), Cycle(True)]


def test_files_stay_free_for_the_rest() -> None:
    assert 0 < connection_limit() <= MAX_CONNECTIONS
    assert FILES_KEPT_FREE > 0
