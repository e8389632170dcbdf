"""`dev.py test --runtime=linux-…-onedir`: pytest with a target's program, in the oldest Debian or in an emulator.

In Debian pytest runs in the target's own Python, as this machine's needs a newer glibc. An emulator runs the program
only, so pytest is this machine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import provision
from checkout import VENV_PYTHON, call
from linux import debian, programs, python, tools
from linux.targets import TARGETS, Target
from steps import ensure

IN_AN_EMULATOR: Final = (
    "tests/test_transcripts.py",
    "tests/contract/test_command_line.py",
    "tests/process/test_frozen.py::test_the_manifest_lists_every_file_with_its_hash",
    "tests/process/test_frozen.py::test_the_manifest_says_what_the_program_is",
    "tests/process/test_frozen.py::test_every_component_is_listed_with_its_licence",
)
"""The rest waits for what an emulator takes twenty times as long for."""

WAIT_IN_AN_EMULATOR_S: Final = "600"
"""Longest time for one message of the program: a token of a real model takes seconds there."""

TESTS: Final = "tests/"
"""How the path of a test begins; other words belong to options, as in `-k name`."""

OPTIONS: Final = ("--numprocesses=2", "--dist=worksteal")


class Chosen(NamedTuple):
    """A target and the form of its program."""

    target: Target
    form: str


def chosen(runtime: str) -> Chosen | None:
    """The target and form that a value of --runtime names, if it names one."""
    for target in TARGETS:
        if runtime.startswith(f"{target.name}-"):
            return Chosen(target, runtime.removeprefix(f"{target.name}-"))
    return None


def run(which: Chosen, tests: Sequence[str], options: Sequence[str]) -> bool:
    """Runs the tests that the options name, else `tests`; returns whether all passed."""
    target = which.target
    tools.require(target, debian=True)
    provision.everything()
    programs.make(target)
    ensure([debian.step(target)])
    interpreter = VENV_PYTHON if target.foreign else python.program(target)
    named = [option for option in options if option.startswith(TESTS)]
    paths = named or (IN_AN_EMULATOR if target.foreign else tests)
    others = [option for option in options if not option.startswith(TESTS)]
    command: list[str | Path] = [
        interpreter,
        "-m",
        "pytest",
        f"--runtime={which.form}",
        *OPTIONS,
        *others,
        *paths,
    ]
    return call(debian.inside(target, command), environment(target)) == 0


def environment(target: Target) -> Mapping[str, str]:
    """Where the tests find the frozen programs, and how long they wait."""
    found = {"LLAMA_SIDECAR_DIST": str(programs.dist(target)), "LLAMA_SIDECAR_TRIPLE": target.triple}
    return {**found, "LLAMA_SIDECAR_TEST_WAIT_S": WAIT_IN_AN_EMULATOR_S} if target.foreign else found
