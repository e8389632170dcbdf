"""A few of the calls that `dev.py stress` makes are read back equal, in every form."""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[4] / "stress"))
from calls import Trial
from made_calls import writers

CALLS = 6
"""Messages with calls for each template."""


def test_calls_are_read_back_as_they_were_written() -> None:
    trials = [Trial(writer) for writer in writers(every=False)]
    for trial in trials:
        for number in range(CALLS):
            trial.try_one(random.Random(f"{trial.writer.name} {number}"))
    assert [fault for trial in trials for fault in trial.faults] == []
    assert len(trials) >= 20
    assert sum(trial.writer.template is not None for trial in trials) >= 17
    assert sum(trial.read_back for trial in trials) > 0.7 * CALLS * len(trials)
