"""Runs Windows programs on this machine, in a Wine of this checkout's own."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

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
PROGRAM_SECONDS: Final = 900.0
"""Longest time of a program whose output nobody sees meanwhile: PyInstaller takes a minute and a half."""

END_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 2.0
"""For the last output, when the program has ended."""


def windows_path(path: Path) -> str:
    r"""How a Windows program names a file of this machine: Z:\…"""
    return "Z:" + str(path).replace("/", "\\")


def step() -> Step:
    """Makes the prefix: Wine's own Windows 10, without what only a screen needs."""
    return Step(PREFIX / "stamp", lambda: digest(["win10", _version()]), _make)


def call(
    command: Sequence[str | Path], env: Mapping[str, str], seconds: float, output: IO[bytes] | None = None
) -> int:
    """Runs a Windows program for at most `seconds`; its output is on this terminal, or in a file.

    Returns its exit status.
    """
    if output is not None:
        return _run(command, env, seconds, lambda line: output.write(line.encode()))
    return _run(command, env, seconds, lambda line: print(line, end="", flush=True))


def quietly(
    command: Sequence[str | Path],
    what: str,
    env: Mapping[str, str] | None = None,
    seconds: float = PROGRAM_SECONDS,
) -> str:
    """Runs a Windows program and returns its output. Raises Failed, with the end of the output, if it fails."""
    lines: list[str] = []
    status = _run(command, env or {}, seconds, lines.append)
    output = "".join(lines)
    if status != 0:
        raise Failed(f"{what} failed in Wine (exit status {status}):\n{tail(output)}")
    return output


def _run(
    command: Sequence[str | Path], env: Mapping[str, str], seconds: float, on_line: Callable[[str], object]
) -> int:
    """Runs a Windows program; after `seconds` it ends every Windows program of this prefix, and so this one.

    Standard streams are pipes: on a regular file Python's own start fails in Wine with WinError 6. Wine's services
    may hold them longer than the program, so their end is not waited for.
    """
    settings = environment()
    for name in ("DISPLAY", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        settings.pop(name, None)
    settings |= {**SETTINGS, **env}
    process = subprocess.Popen(
        ["wine", *(str(part) for part in command)],
        cwd=ROOT,
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    reader = threading.Thread(target=_read, args=(process.stdout, on_line), daemon=True)
    reader.start()
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"Ending what still runs in Wine after {seconds:.0f} s.", flush=True)
        _end_all()
        try:
            status = process.wait(END_SECONDS) or 1
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait() or 1
    reader.join(DRAIN_SECONDS)
    return status


@contextmanager
def screen() -> Iterator[dict[str, str]]:
    """Wine's Vulkan wants a screen: the environment of a virtual one, which ends afterwards; {} without Xvfb."""
    if shutil.which("Xvfb") is None:
        yield {}
        return
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-nolisten", "tcp"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, pass_fds=[writing]) as server:
        os.close(writing)
        try:
            with os.fdopen(reading, encoding="ascii") as number:
                begun = select.select([number], [], [], END_SECONDS)[0]
                display = number.readline().strip() if begun else ""
            yield {"DISPLAY": f":{display}"} if display else {}
        finally:
            server.terminate()


def _read(output: IO[str], on_line: Callable[[str], object]) -> None:
    with output:
        for line in output:
            on_line(line)


def _end_all() -> None:
    """End all that runs in the prefix."""
    with suppress(subprocess.TimeoutExpired):  # then the caller kills what it has started
        subprocess.run(["wineserver", "-k"], env={**os.environ, **SETTINGS}, check=False, timeout=END_SECONDS)


def _version() -> str:
    done = subprocess.run(
        ["wine", "--version"], capture_output=True, text=True, check=False, timeout=END_SECONDS
    )
    return done.stdout.strip()


def _make() -> None:
    print("Making a Wine prefix …", flush=True)
    shutil.rmtree(PREFIX, ignore_errors=True)
    PREFIX.parent.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name, value in {**os.environ, **SETTINGS}.items() if name != "DISPLAY"}
    for command in (["wineboot", "-i"], ["wine", "winecfg", "-v", "win10"], ["wineserver", "-w"]):
        try:
            subprocess.run(
                command,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=PREFIX_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(command)} did not end within {PREFIX_SECONDS:.0f} s.") from None
    if not (PREFIX / "system.reg").is_file():
        raise Failed("Wine could not make its prefix; `wineboot -i` in a terminal says why.")
