"""The tasks of dev.py. Each installs what it needs, then does one thing."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

import models
import node
import provision
import suites
from checkout import BUILD, ROOT, VENV_PYTHON, Failed, call
from linux import programs as linux_programs
from linux import targets
from llama import packs
from ship import freeze
from windows import programs, suite, vulkan

TOOLS: Final = {"PYTHONPATH": str(BUILD)}
"""For `python -m` with a module of this folder."""

WINDOWS: Final = "--windows"

Commands = Mapping[str, Sequence[str]]
"""Name of a check → arguments of the environment's Python."""


class Task(NamedTuple):
    """What `dev.py NAME ARGUMENTS` does; returns whether it succeeded."""

    run: Callable[[Sequence[str]], bool]
    arguments: str
    summary: str


def setup(_arguments: Sequence[str]) -> bool:
    """Makes `.venv` and `.models`; every other task that needs them does this first."""
    provision.everything()
    return True


def demo(arguments: Sequence[str]) -> bool:
    """Runs the demo on the pinned model."""
    provision.everything([models.SMOLLM2])
    model = models.SMOLLM2.path
    return call([VENV_PYTHON, "-m", "sidecar", "demo", "--model", model, *arguments]) == 0


def test(arguments: Sequence[str]) -> bool:
    """Runs all tests, of pytest and of the npm package, or those that the arguments pick."""
    provision.everything()
    return suites.run(arguments)


def desktop(_arguments: Sequence[str]) -> bool:
    """Builds the desktop examples with the frozen program in them, and drives Tauri's window."""
    provision.everything()
    freeze.program()
    return node.test("test:desktop", freeze.ONE_FILE)


def check(arguments: Sequence[str]) -> bool:
    """Runs every check, also after one has failed; with --fix, first corrects what ruff can correct."""
    if set(arguments) - {"--fix"}:
        raise Failed("the only argument is --fix.")
    provision.everything()
    if arguments:
        call([VENV_PYTHON, "-m", "ruff", "check", "--quiet", "--fix-only"])
        call([VENV_PYTHON, "-m", "ruff", "format", "--quiet"])
    concise = ["--quiet", "--output-format", "concise"]
    mypy = ["-m", "mypy", "--no-error-summary"]
    linux: Commands = {"types": [*mypy, "--platform", "linux"]}
    others: Commands = {
        # For both families of platforms, so that every machine reports the same.
        "types on Windows": [*mypy, "--platform", "win32", "--cache-dir", "out/cache/mypy-win32"],
        "packages": ["-m", "pip", "check", "--quiet", "--disable-pip-version-check"],
        "format": ["-m", "ruff", "format", "--check", *concise],
        "lint": ["-m", "ruff", "check", *concise],
        "generated": ["-m", "contract.generate", "--check"],
        "rules": ["-m", "checks"],
    }
    env = {**node.with_packages().env, **TOOLS}

    def parts(commands: Commands, output: IO[bytes] | None = None) -> suites.Parts:
        return {
            name: functools.partial(_passes, [VENV_PYTHON, *command], env, output)
            for name, command in commands.items()
        }

    return suites.beside(parts(others), functools.partial(parts, linux))


def _passes(command: Sequence[str | Path], env: dict[str, str], output: IO[bytes] | None) -> bool:
    return call(command, env, output=output) == 0


def gen(_arguments: Sequence[str]) -> bool:
    """Writes what is generated from schema/."""
    provision.everything()
    return call([VENV_PYTHON, "-m", "contract.generate"], {**node.with_packages().env, **TOOLS}) == 0


def bench(arguments: Sequence[str]) -> bool:
    """Runs the benchmark; with --windows in Wine."""
    provision.everything()
    if WINDOWS in arguments:
        return suite.bench([argument for argument in arguments if argument != WINDOWS])
    return call([VENV_PYTHON, ROOT / "tests" / "bench" / "run.py", *arguments]) == 0


def stress(arguments: Sequence[str]) -> bool:
    """Runs the groups of hostile inputs, kills and long work."""
    provision.everything()
    return call([VENV_PYTHON, ROOT / "tests" / "stress" / "run.py", *arguments]) == 0


def frozen(arguments: Sequence[str]) -> bool:
    """Makes the program that needs no Python, or that of a target; with --again twice, and compares the bytes."""
    rest = [argument for argument in arguments if argument != "--again"]
    target = None
    if rest:
        if len(rest) != 2 or rest[0] != "--target":
            raise Failed("the arguments are --again and --target NAME.")
        target = targets.named(rest[1])
    provision.everything()
    again = "--again" in arguments
    if target is not None:
        linux_programs.run(target, again)
    elif again:
        freeze.again()
    else:
        freeze.program()
    return True


def windows(arguments: Sequence[str]) -> bool:
    """Makes the program for Windows, with Wine."""
    if set(arguments) - {"--again"}:
        raise Failed("the only argument is --again.")
    provision.everything()
    programs.run(arguments)
    return True


def pack(arguments: Sequence[str]) -> bool:
    """Builds a GPU's backend, for this system or for Windows."""
    backend, *target = arguments or [""]
    if target not in ([], ["--target", "windows"]):
        raise Failed("the arguments are BACKEND and --target windows.")
    provision.everything()
    packs.build(backend, vulkan.cross() if target else None)
    return True


def packages(arguments: Sequence[str]) -> bool:
    """Makes the npm packages, with the frozen program for this platform, and tests them as installed."""
    provision.everything()
    freeze.program()
    made = call([VENV_PYTHON, "-m", "ship.npm", *arguments], TOOLS) == 0
    return made and node.test("test:pack", freeze.PROGRAM)


TASKS = {
    "setup": Task(setup, "", "make .venv and .models; every other task does this first"),
    "demo": Task(demo, "[ARGUMENTS]", "chat with a real model through the real pipe"),
    "test": Task(
        test,
        "[--quick | ARGUMENTS]",
        "run all tests, or those that the arguments pick",
    ),
    "desktop": Task(desktop, "", "build the desktop examples and drive Tauri's window (Linux)"),
    "check": Task(check, "[--fix]", "format, lint, types, generated files, rules of the tree"),
    "gen": Task(gen, "", "write what is generated from schema/"),
    "bench": Task(bench, "[ARGUMENTS]", "measure the program through the pipe"),
    "stress": Task(
        stress,
        "[--minutes N] [--only GROUPS]",
        "hostile lines, damaged models, kills, long work: counts; hours without --minutes",
    ),
    "pack": Task(
        pack, "BACKEND [--target windows]", "build a GPU's backend (vulkan, cuda) for the frozen program"
    ),
    "freeze": Task(
        frozen,
        "[--again] [--target NAME]",
        "make the program that needs no Python, as a folder and as one file, in out/dist/",
    ),
    "windows": Task(
        windows,
        "[--again]",
        "make the program for Windows and its npm package, in out/dist-windows/ (Linux with Wine)",
    ),
    "npm": Task(packages, "[ARGUMENTS]", "make the npm packages in out/npm/, and test them as installed"),
}


def usage() -> str:
    """The list of tasks, one per line."""
    heads = {name: f"{name} {task.arguments}".strip() for name, task in TASKS.items()}
    width = max(map(len, heads.values()))
    lines = [f"  {heads[name]:<{width}}  {task.summary}" for name, task in TASKS.items()]
    return "\n".join(["usage: python build/dev.py TASK", "", *lines])


def main(arguments: Sequence[str]) -> int:
    """Runs the task that the command line names; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console may lack "…" or "≥"
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in TASKS:
        print(f"there is no task {name!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    task = TASKS[name]
    if rest and not task.arguments:
        print(f"dev.py {name} takes no arguments.", file=sys.stderr)
        return 2
    try:
        return 0 if task.run(rest) else 1
    except Failed as failure:
        print(f"dev.py {name}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
