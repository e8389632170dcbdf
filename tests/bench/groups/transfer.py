"""Compares downloads with `hf_hub_download`, over loopback, from the tests' hub in a process of its own.

Both write to the disk; ours is verified when it is answered.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
from pairs import paired
from pipe import Pipe, Program
from table import Row

from groups.latency import quantiles
from groups.setting import Setting
from groups.transfer_child import REPO

CHILD = Path(__file__).with_name("transfer_child.py")
PLAIN_MB = 256
SLOW_MB = 128
SLOW = {"latency_s": 0.02, "bytes_per_second": 20e6, "times": None}
"""A line on which each request takes 20 ms more, and a connection brings 20 MB/s at most."""

LINES: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("loopback", PLAIN_MB, {}),
    ("20 ms per request, 20 MB/s per connection", SLOW_MB, SLOW),
)
LARGE_MB = 4000
MODEL = Path(__file__).parents[3] / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SECONDS = 120.0
"""At most, per comparison."""

ABORTS, QUICK_ABORTS = 90, 15
"""Every third is of a download of which nothing is kept."""


def rows(setting: Setting) -> list[Row]:
    """All figures; the peer is huggingface_hub."""
    setting = setting.within(SECONDS)
    found = _downloads(setting)
    for name, size, fault in LINES:
        setting.say(f"the checksum's share, {name}")
        with hub(size, fault) as env, folder() as into:
            times = paired(
                lambda env=env, into=into: child(env, "fetch", into / "hash", "hash"),  # type: ignore[misc]
                lambda env=env, into=into: child(env, "fetch", into / "plain", "plain"),  # type: ignore[misc]
                setting.limits,
            )
        found.append(Row.of(f"seconds of a download, {name}", "s", "no checksum", times))
    if not setting.quick:
        setting.say(f"a model of {LARGE_MB / 1000:.0f} GB, in two goes")
        what = f"transfer process, {LARGE_MB / 1000:.0f} GB resumed in the middle, largest"
        found.append(Row(what, "MB", resumed_mb(setting.program)))
    setting.say("abort of a download")
    aborts = abort_ms(setting.program, QUICK_ABORTS if setting.quick else ABORTS)
    return [*found, *(row for what, times in aborts.items() for row in quantiles(what, times))]


def _downloads(setting: Setting) -> list[Row]:
    """Speed compared with hf_hub_download, and what our processes needed for it."""
    found: list[Row] = []
    runs: list[tuple[float, float, float]] = []
    numbers = itertools.count()
    for name, size, fault in LINES:
        with hub(size, fault) as env, folder() as into, closing(Pipe(setting.program, env)) as pipe:
            pipe.call("inspectModel", {"path": str(MODEL)})

            def mine(size: int = size, pipe: Pipe = pipe, into: Path = into) -> float:
                runs.append(ours(pipe, into / f"ours-{next(numbers)}"))
                return size / runs[-1][0]

            def theirs(size: int = size, env: dict[str, str] = env, into: Path = into) -> float:
                return size / child(env, "hf", into / f"hf-{next(numbers)}")

            found.append(setting.compare(f"download, {name}", "MB/s", "hf_hub_download", mine, theirs))
    seconds, processor_s, largest = zip(*runs, strict=True)
    found.append(Row("router's processor time in a download", "%", 100 * sum(processor_s) / sum(seconds)))
    found.append(Row("transfer process, largest", "MB", max(largest)))
    return found


@contextmanager
def hub(size: int, fault: dict[str, Any], head: Path | str = "") -> Iterator[dict[str, str]]:
    """A hub with one file of `size` MB that begins as `head`; yields the environment variables that lead to it."""
    command = [sys.executable, str(CHILD), "serve", str(size), json.dumps(fault), str(head)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        endpoint = server.stdout.readline().strip()
        with folder() as home:
            yield {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        server.stdin.close()


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def child(env: dict[str, str], *arguments: Any) -> float:
    """Seconds that a transfer_child.py needed, by its own clock."""
    run = subprocess.run(
        [sys.executable, CHILD, *map(str, arguments)],
        env={**os.environ, **env, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(arguments[1])
    return float(run.stdout.split()[-1])


def ours(pipe: Pipe, into: Path) -> tuple[float, float, float]:
    """Seconds from request to answer, the router's processor time in them, and the transfer's largest memory in MB."""
    router = psutil.Process(pipe.process.pid)
    used = sum(router.cpu_times()[:2])
    begin = time.perf_counter()
    with memory(router) as peak:
        request = pipe.send("downloadModel", {"model": f"hf:{REPO}", "modelsDirectory": str(into)})
        answer, at = pipe.responses({request})[request]
    assert "result" in answer, answer
    used = sum(router.cpu_times()[:2]) - used
    shutil.rmtree(into)
    return at - begin, used, peak[0]


def resumed_mb(program: Program) -> float:
    """The largest memory in MB of two transfer processes: one aborted in the middle of a model, one that ends it."""
    with hub(LARGE_MB, {}, MODEL) as env, folder() as into:
        pipe = Pipe(program, env)
        params = {"model": f"hf:{REPO}", "modelsDirectory": str(into)}
        with memory(psutil.Process(pipe.process.pid)) as peak:
            request = pipe.send("downloadModel", params)
            progress = 0.0
            while progress < 0.5:
                message, _ = pipe.receive()
                assert "error" not in message, message
                progress = message.get("params", {}).get("progress", progress)
            pipe.responses({request, pipe.send("abort", {"requestId": request})})
            result = pipe.call("downloadModel", params)
        pipe.close()
    assert result["resumedBytes"] > 0.4 * result["sizeBytes"], result
    return peak[0]


@contextmanager
def memory(router: psutil.Process) -> Iterator[list[float]]:
    """The one element of the list becomes the largest memory of a transfer process during the block, in MB."""
    peak, done = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(router, peak, done))
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _watch(router: psutil.Process, peak: list[float], done: threading.Event) -> None:
    while not done.wait(0.05):
        for process in router.children():
            try:
                if "transfer" in process.cmdline():
                    peak[0] = max(peak[0], process.memory_info().rss / 1e6)
            except psutil.Error:
                continue


def abort_ms(program: Program, aborts: int) -> dict[str, list[float]]:
    """From sending `abort` to the aborted request's response, at random moments; a third on a stalled line."""
    random.seed(1)
    times: dict[str, list[float]] = {"abort of download": [], "the same without keepPartial": []}
    with hub(SLOW_MB, {"stall_after": 3_000_000, "skip": 40, "times": None}) as env, folder() as into:
        pipe = Pipe(program, env)
        pipe.call("init")
        for number in range(aborts):
            what, keep = (
                ("the same without keepPartial", False) if number % 3 == 2 else ("abort of download", True)
            )
            params = {"model": f"hf:{REPO}", "modelsDirectory": str(into), "keepPartial": keep}
            target = pipe.send("downloadModel", params)
            time.sleep(random.uniform(0.002, 0.8))
            begin = time.perf_counter()
            abort = pipe.send("abort", {"requestId": target})
            found, at = pipe.responses({target, abort})[target]
            if "error" in found:
                times[what].append(1000 * (at - begin))
            else:
                pipe.call("deleteModel", {"path": found["result"]["path"], "modelsDirectory": str(into)})
        pipe.close()
    return times
