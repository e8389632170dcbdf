"""Where things are in this checkout, and how commands are run in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OUT = ROOT / "out"  # everything that tools write, ignored by git
VENV = ROOT / ".venv"
VENV_BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
VENV_PYTHON = VENV_BIN / ("python.exe" if os.name == "nt" else "python")
MODELS = ROOT / ".models"
NPM_PACKAGE = ROOT / "package.json-shim"

TAIL_LINES = 30


class Failed(Exception):
    """A task cannot go on. The message is one sentence for the person who ran it."""


def tail(text: str) -> str:
    """The last lines of a log, indented."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-TAIL_LINES:])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for commands: the virtual environment's programs come first on the PATH."""
    env = dict(os.environ)
    env["PATH"] = os.pathsep.join([str(VENV_BIN), env.get("PATH", "")])
    env["VIRTUAL_ENV"] = str(VENV)
    env["PIP_USER"] = "0"  # a person's own pip configuration may ask for --user
    env.pop("PYTHONHOME", None)
    env.update(extra or {})
    return env


def call(
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    output: IO[bytes] | None = None,
) -> int:
    """Runs a command on this terminal, or with its output in a file; returns its exit status."""
    errors = None if output is None else subprocess.STDOUT
    parts = [str(part) for part in command]
    return subprocess.call(parts, cwd=cwd, env=environment(env), stdout=output, stderr=errors)


QUIET_SECONDS: Final = 3600.0
"""The longest time of a command whose output is not shown. Compiling for another processor takes most of it."""


def quietly(
    command: Sequence[str | Path],
    what: str,
    env: Mapping[str, str] | None = None,
    seconds: float = QUIET_SECONDS,
) -> str:
    """Runs a command and returns its output. Raises Failed, with the end of the output, if it fails or does not end."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{what} did not end within {seconds:.0f} s.") from None
    if done.returncode != 0:
        raise Failed(f"{what} failed (exit status {done.returncode}):\n{tail(done.stdout)}")
    return done.stdout
