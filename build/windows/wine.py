"""Runs Windows programs on this machine, in a Wine of this checkout's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from checkout import OUT, ROOT, Failed, environment, tail
from steps import Step, digest

PREFIX: Final = OUT / "windows" / "prefix"
SETTINGS: Final = {
    "WINEPREFIX": str(PREFIX),
    "WINEARCH": "win64",
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree,mshtml=",  # else it asks to install .NET and a browser
}
PREFIX_SECONDS: Final = 600.0


def windows_path(path: Path) -> str:
    r"""How a Windows program names a file of this machine: Z:\…"""
    return "Z:" + str(path).replace("/", "\\")


def step() -> Step:
    """Makes the prefix: Wine's own Windows 10, without what only a screen needs."""
    return Step(PREFIX / "stamp", lambda: digest(["win10", _version()]), _make)


def call(command: Sequence[str | Path], env: Mapping[str, str], seconds: float) -> int:
    """Runs a Windows program, its output on this terminal; returns its exit status.

    After `seconds` it ends every Windows program of this prefix, and so this one.
    """
    end = threading.Timer(seconds, _end_all, [seconds])
    end.daemon = True
    with _start(command, env) as process:
        end.start()
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
    end.cancel()
    return process.returncode


def _end_all(seconds: float) -> None:
    print(f"Ending what still runs in Wine after {seconds:.0f} s.", flush=True)
    subprocess.run(["wineserver", "-k"], env={**os.environ, **SETTINGS}, check=False)


def quietly(command: Sequence[str | Path], what: str, env: Mapping[str, str] | None = None) -> str:
    """Runs a Windows program and returns its output. Raises Failed, with the end of the output, if it fails."""
    with _start(command, env) as process:
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode != 0:
        raise Failed(f"{what} failed in Wine (exit status {process.returncode}):\n{tail(output)}")
    return output


def _start(command: Sequence[str | Path], env: Mapping[str, str] | None) -> subprocess.Popen[str]:
    """Standard streams are pipes: on a regular file Python's own start fails in Wine with WinError 6."""
    settings = {**environment(), **SETTINGS, **(env or {})}
    for name in ("DISPLAY", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        settings.pop(name, None)
    return subprocess.Popen(
        ["wine", *(str(part) for part in command)],
        cwd=ROOT,
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def _version() -> str:
    done = subprocess.run(["wine", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _make() -> None:
    print("Making a Wine prefix …", flush=True)
    shutil.rmtree(PREFIX, ignore_errors=True)
    PREFIX.parent.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name, value in {**os.environ, **SETTINGS}.items() if name != "DISPLAY"}
    for command in (["wineboot", "-i"], ["wine", "winecfg", "-v", "win10"], ["wineserver", "-w"]):
        subprocess.run(
            command,
            env=settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PREFIX_SECONDS,
        )
    if not (PREFIX / "system.reg").is_file():
        raise Failed("Wine could not make its prefix; `wineboot -i` in a terminal says why.")
