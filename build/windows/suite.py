"""Pytest and the benchmark in Wine, with the Windows program from source, as folder or as one file.

`dev.py test --runtime=windows-…` and `dev.py bench --windows` run them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, Final

import provision
from checkout import ROOT
from steps import ensure
from windows import node, programs, python, tools, wine

PREFIX: Final = "windows-"

SECONDS: Final = 2400.0
"""Longest time of one run; its processes are ended then."""

WAIT_IN_WINE_S: Final = "180"
"""Longest time for one message of the program: a start takes half a minute where other programs are busy."""

FROM_SOURCE: Final = (
    "tests/test_transcripts.py",
    "tests/models",
    "tests/process",
    "tests/protocol",
    "tests/unit",
)
"""What the program from source runs besides the tests of a form."""

TESTS: Final = "tests/"
"""How the path of a test begins; other words belong to options, as in `-k name`."""

OF_LINUX: Final = "tests/process/test_old_processors.py"
"""Its emulator runs programs of Linux."""

OPTIONS: Final = ("--numprocesses=2", "--dist=worksteal", f"--ignore={OF_LINUX}")
"""Most tests wait for processes."""


def parts(runtime: str, tests: Sequence[str], options: Sequence[str]) -> dict[str, Callable[[], bool]]:
    """Name → what runs it and returns whether all passed: the tests that the options name, else `tests`.

    From source each suite is a part of its own: a suite that hangs does not keep the others from their turn. First
    `prepare` is to be called.
    """
    tests = [test for test in tests if test != OF_LINUX]
    paths = [option for option in options if option.startswith(TESTS)]
    others = [option for option in options if not option.startswith(TESTS)]
    chosen = {f"{PREFIX}{runtime}": paths or [*tests]}
    if runtime == "source" and not paths:
        rest = [test for test in tests if not test.startswith(FROM_SOURCE)]
        chosen = {**{suite: [suite] for suite in FROM_SOURCE}, "the rest of a form": rest}
    return {
        f"pytest in Wine, {name}": partial(_run, runtime, [*others, *which]) for name, which in chosen.items()
    }


def beside(runtime: str, options: Sequence[str], output: IO[bytes]) -> dict[str, Callable[[], bool]]:
    """What runs at the same time, its output in a file: the npm package's tests, if no path of a test is given.

    It runs with the folder, whose turn tries the one file, too: an app does not start the program from source.
    """
    if runtime != "onedir" or any(option.startswith(TESTS) for option in options):
        return {}
    return {f"npm test in Wine, {PREFIX}{runtime}": lambda: node.test(output)}


def prepare(runtime: str) -> None:
    """Makes the program that is to be tested, and what tests it."""
    tools.require()
    provision.everything()
    if runtime == "source":
        ensure(python.steps())
    else:
        programs.make()


def _run(runtime: str, arguments: Sequence[str]) -> bool:
    command = python.command("-m", "pytest", f"--runtime={runtime}", *OPTIONS, *arguments)
    with wine.screen() as screen:
        return wine.call(command, {**environment(), **screen}, SECONDS) == 0


def bench(arguments: Sequence[str]) -> bool:
    """Runs the benchmark in Wine; returns whether it ended well."""
    programs.make()
    command = python.command(ROOT / "tests" / "bench" / "run.py", *arguments)
    return wine.call(command, environment(), SECONDS) == 0


def environment() -> Mapping[str, str]:
    """Where the tests find the frozen programs, and how long they wait."""
    return {
        "LLAMA_SIDECAR_DIST": wine.windows_path(programs.DIST),
        "LLAMA_SIDECAR_TEST_WAIT_S": WAIT_IN_WINE_S,
    }
