"""The tasks of dev.py. Each makes sure of what it needs, then does one thing."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import models
import node
import provision
from checkout import BUILD, ROOT, VENV_PYTHON, Failed, call
from llama import packs
from ship import freeze

WAITING: Final = ("-m", "not real", "--numprocesses=6", "--dist=worksteal")
"""Arguments of pytest for the tests that mostly wait for other processes."""

TWO_HALVES: Final = ("--numprocesses=2", "--dist=worksteal") if sys.platform == "linux" else ()
DECODING: Final = ("-m", "real", *TWO_HALVES)
"""The same for those that decode. On Linux half of the processors decode for one and half for the other: two
threads for one small model are not twice as fast as one. Elsewhere a process cannot be kept to its half."""

HALVES: Final = {"pytest": WAITING, "pytest, real models": DECODING}

OF_A_PROGRAM: Final = (
    "tests/test_transcripts.py",
    "tests/contract/test_command_line.py",
    "tests/models/test_resume.py",
    "tests/models/test_tls.py",
    "tests/process",
    "tests/real",
)
"""What a frozen program must pass as its source does: the contract, downloads, processes, models, each library."""


TOOLS: Final = {"PYTHONPATH": str(BUILD)}
"""For `python -m` with a module of this folder."""


class Task(NamedTuple):
    """What `dev.py NAME ARGUMENTS` does; returns whether that went well."""

    run: Callable[[Sequence[str]], bool]
    arguments: str
    summary: str


def setup(_arguments: Sequence[str]) -> bool:
    """Makes `.venv` and `.models`; every other task that needs them begins with this."""
    provision.everything()
    return True


def demo(arguments: Sequence[str]) -> bool:
    """Runs the demo on the pinned model."""
    provision.everything([models.SMOLLM2])
    model = models.SMOLLM2.path
    return call([VENV_PYTHON, "-m", "sidecar", "demo", "--model", model, *arguments]) == 0


def test(arguments: Sequence[str]) -> bool:
    """Runs all tests, of pytest and of the npm package; with `--runtime=…` and no path those of that program."""
    provision.everything()
    pytest: list[str | Path] = [VENV_PYTHON, "-m", "pytest"]
    of_a_program = any(argument.startswith("--runtime=") for argument in arguments)
    if of_a_program and all(argument.startswith("--") for argument in arguments):
        ran = {
            name: call([*pytest, *OF_A_PROGRAM, *arguments, *which]) == 0 for name, which in HALVES.items()
        }
        return _all_well(ran)
    if arguments:
        return _all_well({"pytest": call([*pytest, *arguments]) == 0})
    return _all_well(
        {
            **{name: call([*pytest, *which]) == 0 for name, which in HALVES.items()},
            "npm test": node.test("test", None),
        }
    )


def desktop(_arguments: Sequence[str]) -> bool:
    """Builds the desktop examples with the frozen program in them, and drives Tauri's window."""
    provision.everything()
    freeze.program()
    return node.test("test:desktop", freeze.ONE_FILE)


def check(arguments: Sequence[str]) -> bool:
    """Runs every check, also after one has failed; with --fix, mends what ruff can mend first."""
    if set(arguments) - {"--fix"}:
        raise Failed("the only argument is --fix.")
    provision.everything()
    if arguments:
        call([VENV_PYTHON, "-m", "ruff", "check", "--quiet", "--fix-only"])
        call([VENV_PYTHON, "-m", "ruff", "format", "--quiet"])
    concise = ["--quiet", "--output-format", "concise"]
    mypy = ["-m", "mypy", "--no-error-summary"]
    commands = {
        "packages": ["-m", "pip", "check", "--quiet", "--disable-pip-version-check"],
        "format": ["-m", "ruff", "format", "--check", *concise],
        "lint": ["-m", "ruff", "check", *concise],
        # For both families of platforms, so that every machine finds the same.
        "types": [*mypy, "--platform", "linux"],
        "types on Windows": [*mypy, "--platform", "win32", "--cache-dir", "out/cache/mypy-win32"],
        "generated": ["-m", "contract.generate", "--check"],
        "rules": ["-m", "checks"],
    }
    env = {**node.with_packages().env, **TOOLS}
    results = {}
    for name, command in commands.items():
        started = time.monotonic()
        results[name] = call([VENV_PYTHON, *command], env) == 0
        seconds = time.monotonic() - started
        print(f"{'ok    ' if results[name] else 'FAILED'} {name} ({seconds:.1f} s)", flush=True)
    return _all_well(results)


def gen(_arguments: Sequence[str]) -> bool:
    """Writes what is generated from schema/."""
    provision.everything()
    return call([VENV_PYTHON, "-m", "contract.generate"], {**node.with_packages().env, **TOOLS}) == 0


def bench(arguments: Sequence[str]) -> bool:
    """Runs the benchmark."""
    provision.everything()
    return call([VENV_PYTHON, ROOT / "tests" / "bench" / "run.py", *arguments]) == 0


def frozen(arguments: Sequence[str]) -> bool:
    """Makes the program that needs no Python; with --again twice, to see that the bytes are the same."""
    if set(arguments) - {"--again"}:
        raise Failed("the only argument is --again.")
    provision.everything()
    if arguments:
        freeze.again()
    else:
        freeze.program()
    return True


def pack(arguments: Sequence[str]) -> bool:
    """Builds a GPU's backend."""
    provision.everything()
    for backend in arguments:
        packs.build(backend)
    return bool(arguments)


def packages(arguments: Sequence[str]) -> bool:
    """Makes the npm packages, with the frozen program for this platform, and tests such, installed."""
    provision.everything()
    freeze.program()
    made = call([VENV_PYTHON, "-m", "ship.npm", *arguments], TOOLS) == 0
    return made and node.test("test:pack", freeze.PROGRAM)


TASKS = {
    "setup": Task(setup, "", "make .venv and .models; every other task begins with this"),
    "demo": Task(demo, "[ARGUMENTS]", "chat with a real model through the real pipe"),
    "test": Task(test, "[PYTEST ARGUMENTS]", "run all tests, or those that the arguments pick"),
    "desktop": Task(desktop, "", "build the desktop examples and drive Tauri's window (Linux)"),
    "check": Task(check, "[--fix]", "format, lint, types, generated files, rules of the tree"),
    "gen": Task(gen, "", "write what is generated from schema/"),
    "bench": Task(bench, "[ARGUMENTS]", "measure the program through the pipe"),
    "pack": Task(pack, "BACKEND", "build a GPU's backend (vulkan, cuda) for the frozen program"),
    "freeze": Task(
        frozen,
        "[--again]",
        "make the program that needs no Python, as a folder and as one file, in out/dist/",
    ),
    "npm": Task(packages, "[ARGUMENTS]", "make the npm packages in out/npm/, and test such, installed"),
}


def usage() -> str:
    """The list of tasks, a line each."""
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
        print(f"dev.py knows no task {name!r}.\n\n{usage()}", file=sys.stderr)
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


def _all_well(results: dict[str, bool]) -> bool:
    failed = [name for name, well in results.items() if not well]
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr, flush=True)
    return not failed
