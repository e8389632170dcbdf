"""What is known of a chain before it chooses among some tokens only."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.core.sampling.sampler_chain import MINUS_INFINITY, kind_of
from sidecar.message_handler._wire import DEFAULTS

GREEDY = {"temperature": 0}


@pytest.mark.parametrize(
    ("params", "biases", "takes_likeliest", "counts_impossible"),
    [
        ({}, {}, False, False),
        (GREEDY, {}, True, False),
        (GREEDY, {5: MINUS_INFINITY}, True, False),
        (GREEDY, {5: 0.5}, False, False),
        ({**GREEDY, "repeatPenalty": 1.1}, {}, False, False),
        ({**GREEDY, "repeatPenalty": 1.1, "repeatLastN": 0}, {}, True, False),
        ({**GREEDY, "dryMultiplier": 0.8}, {}, False, False),
        ({**GREEDY, "xtcProbability": 0.5}, {}, False, False),
        ({**GREEDY, "typicalP": 0.5}, {}, False, True),
        ({**GREEDY, "dynatempRange": 0.5}, {}, False, True),
        ({"adaptiveTarget": 0.5}, {}, False, False),
        ({"mirostat": 2, "temperature": 0.5}, {}, False, False),
    ],
)
def test_kinds(params: Any, biases: dict[int, float], takes_likeliest: bool, counts_impossible: bool) -> None:
    options: Any = {**DEFAULTS["CompleteParams"], **params}
    assert kind_of(options, biases) == (takes_likeliest, counts_impossible)
