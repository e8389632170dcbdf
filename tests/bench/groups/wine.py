"""The Windows program's folder in Wine, read from Linux: its start beside a Windows Python that does nothing,
one stream beside this system's program, and aborts. `dev.py windows` makes it; without it there is nothing to read.
Standard error must not be a regular file, with which no Python starts in Wine: `2>&1 | cat`.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from contextlib import closing
from functools import partial

import ours
from pipe import Program, running
from table import Row

from groups import latency
from groups.against import START
from groups.setting import Setting
from groups.speed import ONE, SPEED
from windows import programs, python, wine

BARE = "python.exe -c pass, to its end"
IMPORTS = "import collections, contextlib, functools, json, queue, re, signal, threading, typing"
IMPORTING = "python.exe that imports json, queue, re, signal, threading, typing"
"""A part of what every start imports before it can answer, and what that takes alone."""

STARTING = "python.exe that imports these and starts one that imports them and ctypes"
STARTS = f"{IMPORTS}, subprocess, sys; subprocess.run([sys.executable, '-I', '-c', '{IMPORTS}, ctypes'])"
"""A part of what every `init` takes: a second process, which also imports ctypes."""

LINUX = "the program for this system"
ABORTS = 100
END_S = 60.0


def rows(setting: Setting) -> list[Row]:
    """All figures; none if the Windows program has not been made."""
    if not (programs.PROGRAM.is_file() and python.PROGRAM.is_file()):
        setting.say("nothing: `dev.py windows` has not been run")
        return []
    program = Program(in_wine(str(programs.PROGRAM)))
    found = setting.compare_figures(
        {name: (f"in Wine: {START[name]}", "ms") for name in ("ping", "init")},
        BARE,
        partial(_start_ms, program),
        partial(_python_ms, "pass"),
    )
    found += setting.compare_figures(
        {"ping": (f"in Wine: {START['ping']}", "ms")},
        IMPORTING,
        partial(_start_ms, program),
        partial(_python_ms, IMPORTS),
    )
    found += setting.compare_figures(
        {"init": (f"in Wine: {START['init']}", "ms")},
        STARTING,
        partial(_start_ms, program),
        partial(_python_ms, STARTS),
    )
    with (
        closing(ours.ready(program, setting.model, 1)) as mine,
        closing(ours.ready(setting.program, setting.model, 1)) as theirs,
    ):
        stream = ours.stream_speed
        found.append(
            setting.compare(
                f"in Wine: {ONE}", SPEED, LINUX, partial(stream, mine, 1), partial(stream, theirs, 1)
            )
        )
    for where, each in (("in Wine", program), ("here", setting.program)):
        setting.say(f"aborts {where}")
        times = latency.abort_ms(each, setting.model, "generate", ABORTS)
        found += latency.quantiles(f"{where}: abort of generate", times)
    return found


def in_wine(*command: str) -> list[str]:
    """The command line that runs a Windows program in the checkout's own Wine."""
    return [
        "env",
        "-u",
        "DISPLAY",
        *(f"{name}={value}" for name, value in wine.SETTINGS.items()),
        "wine",
        *command,
    ]


def _start_ms(program: Program) -> dict[str, float]:
    """One start: until `ping` is answered, and from the same moment until `init` is."""
    with running(program) as pipe:
        found = {}
        for method in ("ping", "init"):
            pipe.call(method)
            found[method] = 1000 * (time.perf_counter() - pipe.started)
    return found


def _python_ms(code: str) -> dict[str, float]:
    """What a Python in the same Wine takes for this, to its end; both figures are compared with it."""
    begin = time.perf_counter()
    quiet = subprocess.DEVNULL
    command = in_wine(str(python.PROGRAM), "-I", "-c", code)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as process:
        try:
            # Popen.wait looks after 64, 114 and 164 ms: a Python of 115 ms would take 164.
            select.select([os.pidfd_open(process.pid)], [], [], END_S)
            took = 1000 * (time.perf_counter() - begin)
            assert process.poll() == 0
        finally:
            process.kill()
    return {"ping": took, "init": took}
