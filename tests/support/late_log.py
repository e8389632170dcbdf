"""The log of a program that still runs. Its threads write it beside the answers, so that a line may come later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from driver import WAIT_S, Sidecar

TURN_S: Final = 0.01


def wait_log(sidecar: Sidecar, holds: Callable[[str], object]) -> str:
    """The log as soon as `holds` is true of it, after WAIT_S as it is."""
    deadline = time.monotonic() + WAIT_S
    while not holds(log := sidecar.log()) and time.monotonic() < deadline:
        time.sleep(TURN_S)
    return log
