"""What one token more costs in a step, learned from made-up step times."""

from __future__ import annotations

import random

import pytest

from sidecar.core.context.step_cost import MAX_COST, StepCost
from sidecar.core.context.thread_count import MAX_TOKENS


def learned(alone_s: float, further_s: float, sizes: list[int], noise: float = 0.0) -> StepCost:
    chance, cost = random.Random(1), StepCost()
    for size in sizes:
        cost.record(size, (alone_s + further_s * (size - 1)) * (1 + noise * chance.random()))
    return cost


@pytest.mark.parametrize("further", [0.0, 0.0005, 0.004])
@pytest.mark.parametrize("streams", [1, 4])
def test_it_is_the_slope_of_the_line_relative_to_the_mean_cost(further: float, streams: int) -> None:
    cost = learned(0.01, further, [streams, streams, streams + 6, streams, streams + 2] * 20)
    each = (0.01 + further * (streams - 1)) / streams
    assert cost.of_one_more(streams) == pytest.approx(further / each)


def test_times_that_vary_matter_little() -> None:
    cost = learned(0.01, 0.002, [1, 1, 7, 1, 3] * 40, noise=0.2)
    assert cost.of_one_more(1) == pytest.approx(0.2, abs=0.08)


def test_as_long_as_all_steps_have_one_size_nothing_is_known() -> None:
    assert StepCost().of_one_more(1) == 0
    assert learned(0.01, 0.002, [1] * 100).of_one_more(1) == 0


def test_a_machine_that_changes_is_noticed() -> None:
    cost = learned(0.01, 0.0001, [1, 7] * 200)
    for _ in range(150):
        cost.record(1, 0.01)
        cost.record(7, 0.01 + 6 * 0.008)
    assert cost.of_one_more(1) == pytest.approx(0.8, abs=0.05)


def test_it_stays_within_bounds() -> None:
    assert learned(0.001, 0.01, [1, 7] * 10).of_one_more(1) == MAX_COST
    assert learned(0.01, -0.001, [1, 7] * 10).of_one_more(1) == 0
    cost = learned(0.01, 0.002, [1, 7] * 10)
    before = cost.of_one_more(1)
    cost.record(MAX_TOKENS + 1, 9.0)
    assert cost.of_one_more(1) == before
