"""Alternating readings: their ratio and spread are right, also on a machine that drifts."""

from __future__ import annotations

import itertools
import math
import random
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import pairs
import pipe
import table
from pairs import LEAST_PAIRS, Limits, compare, paired, paired_figures
from peers import llama_server, script


class Machine:
    """A machine whose speed changes with each reading; `speed`: number of the reading → factor."""

    def __init__(self, speed: Callable[[int], float]) -> None:
        self._speed = speed
        self._readings = itertools.count()
        self.order: list[str] = []

    def program(self, name: str, rate: float) -> Callable[[], float]:
        """What reads a program of this rate on this machine."""

        def read() -> float:
            self.order.append(name)
            return rate * self._speed(next(self._readings))

        return read


def test_readings_are_made_in_turn() -> None:
    machine = Machine(lambda _: 1.0)
    found = paired(machine.program("ours", 90), machine.program("theirs", 100), Limits(3))
    assert machine.order == ["ours", "theirs", "ours", "theirs", "ours", "theirs", "ours"]
    assert found == (90, 100, pytest.approx(0.9), pytest.approx(0.9), pytest.approx(0.9), 0, 3)


@pytest.mark.parametrize("per_reading", [0.9, 1.001, 1.05])
def test_a_machine_that_drifts_does_not_move_the_ratio(per_reading: float) -> None:
    machine = Machine(lambda reading: per_reading**reading)
    found = paired(machine.program("ours", 90), machine.program("theirs", 100))
    assert [found.low, found.ratio, found.high] == pytest.approx([0.9] * 3)
    assert found.swing > abs(per_reading - 1)


def test_a_machine_that_changes_once_does_not_move_the_ratio() -> None:
    """Another program takes half of the machine in the middle of the run."""
    machine = Machine(lambda reading: 1.0 if reading < 14 else 0.5)
    found = paired(machine.program("ours", 90), machine.program("theirs", 100))
    assert [found.low, found.ratio, found.high] == pytest.approx([0.9] * 3)


def test_noise_shows_in_the_quartiles() -> None:
    chance = random.Random(1)
    machine = Machine(lambda _: math.exp(chance.gauss(0, 0.05)))
    found = paired(machine.program("ours", 90), machine.program("theirs", 100), Limits(200))
    assert found.ratio == pytest.approx(0.9, rel=0.02)
    assert 0.85 < found.low < found.ratio < found.high < 0.95
    assert found.swing == pytest.approx(0.05 * 0.674, rel=0.3)  # quartiles of a normal distribution


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_reading_that_hangs_ends_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> float:
        time.sleep(600)
        return 1.0

    def ours() -> float:
        monkeypatch.setattr(pairs, "READING_S", 0.01)  # from the next reading on
        return 1.0

    with pytest.raises(TimeoutError, match=r"a reading of the peer's did not end within 0\.01 s"):
        paired(ours, hang)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_server_that_says_nothing_more_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_server, "ANSWER_S", 0.01)
    server = llama_server.LlamaServer.__new__(llama_server.LlamaServer)
    near, far = socket.socketpair()
    with near, far, selectors.DefaultSelector() as server._selector:
        stream = llama_server.Stream(near)
        server._selector.register(near, selectors.EVENT_READ, stream)
        far.sendall(b'data: {"content": "a"}\n')
        with pytest.raises(TimeoutError, match="llama-server did not answer"):
            server.follow(stream)
    assert stream.text == "a"


def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = [sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(600)"]
    for module in (pipe, script):
        monkeypatch.setattr(module, "END_S", 0.01)
    for hanging in (pipe.Pipe(pipe.Program(hang)), script.Script(hang)):
        with pytest.raises(subprocess.TimeoutExpired):
            hanging.close()
        assert hanging.process.wait(60) != 0


def test_quartiles_of_the_ratios_and_the_swing() -> None:
    found = compare([1.0] * 6, [1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert (found.low, found.ratio, found.high) == pytest.approx((2, 3, 4))
    assert found.swing == pytest.approx((1 / 2 - 1 / 4) / 2 / (1 / 3))


def test_one_pair_has_no_spread() -> None:
    found = compare([4.0, 1.0], [1.0])
    assert (found.low, found.ratio, found.high, found.swing, found.pairs) == (2, 2, 2, 0, 1)


def test_figures_that_both_find() -> None:
    found = paired_figures(lambda: {"a": 1.0, "mine": 1.0}, lambda: {"a": 2.0, "theirs": 1.0}, Limits(3))
    assert list(found) == ["a"]
    assert found["a"].ratio == 0.5


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, LEAST_PAIRS), (10.5, 5), (1000.0, 15), (math.inf, 15)]
)
def test_time_ends_a_comparison(monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int) -> None:
    """A reading takes one second here: five pairs end after eleven."""
    machine = Machine(lambda _: 1.0)
    now = SimpleNamespace(perf_counter=lambda: float(len(machine.order)))
    monkeypatch.setattr(pairs, "time", now)
    assert (
        paired(machine.program("ours", 1), machine.program("theirs", 1), Limits(15, seconds)).pairs
        == expected
    )


def test_limits_of_a_group() -> None:
    assert Limits(15, 60).within(36) == (15, 36)
    assert Limits(5, 4).within(36) == (5, 4)
    assert Limits(40, math.inf).within(36) == (40, math.inf)


def test_a_table_shows_ratio_quartiles_and_swing(capsys: pytest.CaptureFixture[str]) -> None:
    result = compare([99.0] * 6, [110.0, 100.0, 110.0, 99.0, 90.0])
    rows = [
        table.Row.of("one stream", "tokens/s", "llama-bench", result),
        table.Row("memory", "MB", 390, "node-llama-cpp", 572),
        table.Row("idle", "ms/min", 0.0),
    ]
    table.show(rows)
    head, stream, memory, idle, *_, swing = capsys.readouterr().out.rstrip().splitlines()
    assert head.split() == ["sidecar", "peer", "its", "figure", "ratio", "quartiles", "swing", "pairs"]
    assert stream.split()[2:] == [
        "tokens/s",
        "99.0",
        "llama-bench",
        "100",
        "0.99",
        "0.90",
        "to",
        "1.00",
        "±6",
        "%",
        "5",
    ]
    assert memory.split() == ["memory", "MB", "390", "node-llama-cpp", "572", "0.68"]
    assert idle.split() == ["idle", "ms/min", "0.00"]
    assert swing == "llama-bench itself swung by up to ±6 % (quartiles) during the run."
    objects = table.as_json(rows)
    assert objects[0]["ratio"] == pytest.approx(0.99) and objects[0]["paired"]["pairs"] == 5
    assert objects[2] == {
        "what": "idle", "unit": "ms/min", "ours": 0.0, "peer": "", "theirs": None, "paired": None, "ratio": None
    }  # fmt: skip


def test_a_table_of_a_busy_machine_says_so() -> None:
    quiet, busy = (compare([1.0] * 4, [1.0, 1.0 + swing, 1.0 - swing]) for swing in (0.02, 0.5))
    rows = [table.Row.of("x", "ms", name, found) for name, found in (("a", quiet), ("b", busy))]
    assert [line.endswith("The machine was busy: repeat it.") for line in table.swings(rows)] == [False, True]
