"""How many connections a download makes: more as long as that brings more bytes, fewer when it does not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from sidecar.models.download import connections
from sidecar.models.download.connections import GROW_INTERVAL_S, MAX_CONNECTIONS, TICK_S, _Growth


class Line:
    """A server, its network and its clock. `speed`: number of connections → bytes per second of all together."""

    def __init__(self, growth: _Growth) -> None:
        self.growth = growth
        self.now = 1000.0
        self.received = 0.0

    def run(self, intervals: float, speed: Callable[[int], float], late: int = 0) -> list[int]:
        """The limits one after the other. `late`: how many of the allowed connections are not there yet."""
        limits = [self.growth.limit]
        for _ in range(round(intervals * GROW_INTERVAL_S / TICK_S)):
            running = self.growth.limit - late
            self.growth.update(int(self.received), running)
            if self.growth.limit != limits[-1]:
                limits.append(self.growth.limit)
            self.now += TICK_S
            self.received += speed(running) * TICK_S
        return limits


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    made = Line(_Growth())
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def each(count: int) -> float:
    """Every connection brings the same."""
    return 1e6 * count


def test_twice_as_many_as_long_as_that_is_faster(line: Line) -> None:
    assert line.run(20, each) == [1, 2, 4, MAX_CONNECTIONS]


@pytest.mark.parametrize(("enough", "limits"), [(1, [1, 2, 1]), (2, [1, 2, 4, 2]), (4, [1, 2, 4, 8])])
def test_no_more_than_bring_more_speed(line: Line, enough: int, limits: list[int]) -> None:
    """`enough` connections fill the network. The last doubling is not measured, nor anything after it."""
    assert line.run(20, lambda count: each(min(count, enough))) == limits
    assert line.run(20, each) == limits[-1:]


@pytest.mark.parametrize(("gain", "most"), [(1.1, 1), (1.3, MAX_CONNECTIONS)])
def test_a_little_faster_is_not_worth_it(line: Line, gain: float, most: int) -> None:
    assert line.run(20, lambda count: 1e6 * gain ** (count.bit_length() - 1))[-1] == most


def test_connections_that_are_not_there_yet_are_waited_for(line: Line) -> None:
    line.run(2, each)
    assert line.growth.limit == 2
    assert line.run(20, each, late=1) == [2]
    assert line.run(20, each) == [2, 4, MAX_CONNECTIONS]


def test_nothing_is_decided_before_bytes_come(line: Line) -> None:
    assert line.run(20, lambda count: 0.0) == [1]
    assert line.run(20, each) == [1, 2, 4, MAX_CONNECTIONS]


def test_one_only_after_the_server_said_too_many(line: Line) -> None:
    line.run(2, each)
    assert line.growth.limit == 2
    line.growth.stop()
    assert line.run(20, each) == [1]
