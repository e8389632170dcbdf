"""This checkout compared with another one, in alternating readings: what a change costs or gains.

The other checkout needs its own `.venv` (`python build/dev.py setup` in it). Both use the same model file.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path

import ours
from pairs import Limits, paired_figures
from pipe import Pipe, Program
from table import Row

from groups import speed
from groups.setting import Setting
from groups.speed import EIGHT, MEMORY, ONE, PROMPT, SPEED, STREAMS

MEMORY_PAIRS = 3
START = {
    "ping": "start to ping answered",
    "init": "start to init answered",
    "load": "loadModel",
    "first token": "start to first token of a chat",
}


def program(checkout: Path) -> Program:
    """The program of a checkout, from source, or a frozen one. Raises SystemExit if there is none."""
    if checkout.is_file():
        return Program([str(checkout)])
    for python in (checkout / ".venv" / "bin" / "python", checkout / ".venv" / "Scripts" / "python.exe"):
        if python.is_file():
            return Program([str(python), "-m", "sidecar"], checkout)
    raise SystemExit(f"{checkout} has no .venv; run `python build/dev.py setup` in it first.")


def start(setting: Setting, other: Program, name: str) -> list[Row]:
    """Times from the start of the process."""
    setting.say(f"start, compared with {name}")
    found = paired_figures(
        partial(ours.start_ms, setting.program, setting.model),
        partial(ours.start_ms, other, setting.model),
        setting.limits,
    )
    return [Row.of(what, "ms", name, found[key]) for key, what in START.items()]


def speeds(setting: Setting, other: Program, name: str) -> list[Row]:
    """One stream, eight streams, a prompt, memory."""
    with (
        closing(ours.ready(setting.program, setting.model, STREAMS)) as mine,
        closing(ours.ready(other, setting.model, STREAMS)) as theirs,
    ):
        found = [
            setting.compare(what, SPEED, name, partial(read, mine), partial(read, theirs))
            for what, read in (
                (ONE, partial(_streams, 1)),
                (EIGHT, partial(_streams, STREAMS)),
                (PROMPT, speed.our_prompt_speed),
            )
        ]
    few = setting._replace(limits=Limits(MEMORY_PAIRS))
    mine_mb, theirs_mb = (
        partial(speed.our_memory_mb, each, setting.model) for each in (setting.program, other)
    )
    return [*found, few.compare(MEMORY, "MB", name, mine_mb, theirs_mb)]


def _streams(count: int, pipe: Pipe) -> float:
    return ours.stream_speed(pipe, count)
