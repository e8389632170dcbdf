"""`dev.py test --runtime=windows-…`: pytest in Wine, with the Windows program from source, as folder or as one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import provision
from steps import ensure
from windows import programs, python, tools, wine

PREFIX: Final = "windows-"

SECONDS: Final = 1500.0
"""Longest time of one run; its processes are ended then."""

FROM_SOURCE: Final = (
    "tests/test_transcripts.py",
    "tests/models",
    "tests/process",
    "tests/protocol",
    "tests/unit",
)
"""What the program from source runs besides the tests of a form."""

OPTIONS: Final = ("-rs", "--numprocesses=2", "--dist=worksteal")
"""-rs: how many tests were skipped for which reason."""


def run(runtime: str, tests: Sequence[str], options: Sequence[str]) -> bool:
    """Runs the tests that the options name, else `tests`; returns whether all passed."""
    tools.require()
    provision.everything()
    if runtime == "source":
        ensure(python.steps())
    else:
        programs.make()
    paths = [option for option in options if not option.startswith("-")]
    others = [option for option in options if option.startswith("-")]
    chosen = paths or ([*FROM_SOURCE] if runtime == "source" else tests)
    command = python.command("-m", "pytest", f"--runtime={runtime}", *OPTIONS, *others, *chosen)
    return wine.call(command, environment(), SECONDS) == 0


def environment() -> Mapping[str, str]:
    """Where the tests find the frozen programs."""
    return {"LLAMA_SIDECAR_DIST": wine.windows_path(programs.DIST)}
