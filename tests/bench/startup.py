"""Where start-up time goes: `dev.py bench --startup` shows each form, the imports and the libraries.

The forms are measured from outside. The router of the one-file program is a process of its own: its start time
shows how long unpacking took, and `uptimeMs` of `ping` shows how long it has served. Python itself measures the
imports, from source, with `-X importtime`.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
from pipe import Program, running

RUNS = 9
SHOWN_MODULES = 12
PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'
_ROW = re.compile(r"import time:\s+(?P<own>\d+) \|\s+\d+ \|\s+(?P<module>\S+)")


class Start(NamedTuple):
    """The stages of one start in milliseconds, each counted from the end of the one before."""

    unpack: float  # until the process that serves exists; the kernel's clock is exact to 10 ms
    interpreter: float  # and imports, until the router object exists
    answer: float  # until `ping` is answered
    engine: float  # until `init` is answered: a second process loads llama.cpp's libraries

    @property
    def ping(self) -> float:
        return self.unpack + self.interpreter + self.answer


def once(command: list[str]) -> Start:
    """Start the program, ping it, then init it."""
    with running(Program(command)) as pipe:
        uptime = float(pipe.call("ping")["uptimeMs"])
        pinged = 1000 * (time.perf_counter() - pipe.started)
        spawned = psutil.Process(pipe.process.pid)
        served = spawned.children() or [spawned]
        unpack = 1000 * (served[0].create_time() - spawned.create_time())
        begin = time.perf_counter()
        pipe.call("init", {})
        engine = 1000 * (time.perf_counter() - begin)
    return Start(unpack, pinged - uptime - unpack, uptime, engine)


def _bare_ms() -> float:
    """How long a Python takes that does nothing, from its start to its end."""
    begin = time.perf_counter()
    # With a pipe: without one, `run` looks for the end only now and then.
    subprocess.run([sys.executable, "-c", "pass"], check=True, timeout=60, stdout=subprocess.PIPE)
    return 1000 * (time.perf_counter() - begin)


def imports(arguments: list[str], stdin: bytes) -> dict[str, float]:
    """Module → milliseconds of its own import, without those it imports, in the order in which they end."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=60)
    return told(done.stderr.decode())


def told(log: str) -> dict[str, float]:
    """What `-X importtime` has written, as `imports` gives it."""
    rows = map(_ROW.match, log.splitlines())
    return {row["module"]: int(row["own"]) / 1000 for row in rows if row}


def router_imports() -> dict[str, float]:
    """What the router imports until it has answered a ping, without the modules that every Python start imports."""
    every = imports(["-c", "pass"], b"")
    return {name: ms for name, ms in imports(["-m", "sidecar"], PING).items() if name not in every}


def engine_imports() -> dict[str, float]:
    """What an engine imports until it is ready; this includes loading llama.cpp's libraries."""
    every = imports(["-c", "pass"], b"")
    return {n: ms for n, ms in imports(["-m", "sidecar", "--role", "engine"], b"").items() if n not in every}


def libraries() -> dict[str, float]:
    """Library that an engine loads → milliseconds, medians of RUNS."""
    command = [sys.executable, str(Path(__file__).with_name("libraries.py"))]
    runs = [json.loads(subprocess.check_output(command, timeout=60)) for _ in range(RUNS)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def show(programs: Mapping[str, Path]) -> None:
    """Measure and print everything."""
    commands = {"source": [sys.executable, "-m", "sidecar"]}
    commands |= {name: [str(path)] for name, path in programs.items() if path.is_file()}
    heads = f"{'unpack':>8} {'interpreter':>12} {'answer':>8} {'= ping':>8} {'+ init':>8}"
    print(f"{f'ms, medians of {RUNS}':30} {heads}")
    starts: dict[str, list[Start]] = {name: [] for name in commands}
    bare: list[float] = []
    for _ in range(RUNS + 1):  # in turn: the speed of a machine drifts
        bare.append(_bare_ms())
        for name, command in commands.items():
            starts[name].append(once(command))
    print(f"{'python -c pass, to its end':30} {statistics.median(bare[1:]):39.0f}")
    for name, found in starts.items():
        start = Start(*map(statistics.median, zip(*found[1:], strict=True)))
        cells = f"{start.unpack:8.0f} {start.interpreter:12.0f} {start.answer:8.1f}"
        print(f"{name:30} {cells} {start.ping:8.0f} {start.engine:8.0f}")
    for role, imported in (("router", router_imports()), ("engine", engine_imports())):
        print(
            f"\nthe {role} imports {len(imported)} modules in {sum(imported.values()):.1f} ms; the longest:"
        )
        for module in sorted(imported, key=lambda name: -imported[name])[:SHOWN_MODULES]:
            print(f"{imported[module]:8.1f}  {module}")
    print("\nof an engine's start, its libraries, in ms:")
    for name, ms in libraries().items():
        print(f"{ms:8.1f}  {name}")
