"""Measures downloads over loopback, from the tests' hub in a process of its own, beside `hf_hub_download`.

As a script it is one of its own children: `serve MB FAULT HEAD` is the hub, `hf FOLDER` is hf_hub_download,
`fetch FOLDER hash|plain` our own download without the program around it, with or without the checksum.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from pipe import Pipe
from table import Row

REPO, FILE = "bench/Model-GGUF", "Model-Q4_K_M.gguf"
PLAIN_MB = 512
SLOW_MB = 192
SLOW = {"latency_s": 0.02, "bytes_per_second": 20e6, "times": None}
"""A line on which each request takes 20 ms more, and a connection brings 20 MB/s at most."""

LARGE_MB = 4000
MODEL = Path(__file__).parents[2] / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
HEAD_BYTES = 2_000_000
"""More than the header of MODEL takes."""

ROUNDS = 3
HASH_ROUNDS = 5
ABORTS = 90
"""Every third is one of a download of which nothing is to be kept."""


def rows(command: list[str], say: Callable[[str], None]) -> list[Row]:
    """All figures, as run.py shows them; in place of llama.cpp stands huggingface_hub."""
    result: list[Row] = []
    took = used = peak = 0.0
    for name, size, fault in (
        ("loopback", PLAIN_MB, {}),
        ("20 ms a request, 20 MB/s each", SLOW_MB, SLOW),
    ):
        say(f"downloads, {name}")
        mine, theirs = [], []
        with hub(size, fault) as env, folder() as into:
            for round_ in range(ROUNDS):
                theirs.append(size / child(env, "hf", into / f"hf-{round_}"))
                seconds, processor_s, largest = ours(command, env, into / f"ours-{round_}")
                mine.append(size / seconds)
                took, used, peak = took + seconds, used + processor_s, max(peak, largest)
        result.append(Row(f"download, {name}", "MB/s", statistics.median(mine), statistics.median(theirs)))
    result.append(Row("router's processor time in a download", "%", 100 * used / took))
    result.append(Row("transfer process, largest", "MB", peak))
    say(f"a model of {LARGE_MB / 1000:.0f} GB, in two goes")
    what = f"transfer process, {LARGE_MB / 1000:.0f} GB resumed in the middle, largest"
    result.append(Row(what, "MB", resumed_mb(command)))
    for name, size, fault in (("loopback", PLAIN_MB, {}), ("the slower line", SLOW_MB, SLOW)):
        say(f"the checksum's share, {name}")
        with hub(size, fault) as env, folder() as into:
            hashed, plain = [], []
            for round_ in range(HASH_ROUNDS):
                plain.append(child(env, "fetch", into / f"plain-{round_}", "plain"))
                hashed.append(child(env, "fetch", into / f"hash-{round_}", "hash"))
        share = 100 * (statistics.median(hashed) / statistics.median(plain) - 1)
        result.append(Row(f"time that the checksum adds, {name}", "%", share))
    say("abort of download")
    for what, times in abort_ms(command).items():
        for quantile, name in ((0.5, "p50"), (0.99, "p99")):
            value = sorted(times)[min(int(quantile * len(times)), len(times) - 1)]
            result.append(Row(f"{what}, {name} of {len(times)}", "ms", value))
    return result


@contextmanager
def hub(size: int, fault: dict[str, Any], head: Path | str = "") -> Iterator[dict[str, str]]:
    """A hub with one file of `size` million bytes, that begins as `head`; yields the environment that leads to it."""
    command = [sys.executable, __file__, "serve", str(size), json.dumps(fault), str(head)]
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
    """Seconds that a child of this script says it took."""
    run = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        env={**os.environ, **env, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(arguments[1])
    return float(run.stdout.split()[-1])


def ours(command: list[str], env: dict[str, str], into: Path) -> tuple[float, float, float]:
    """Seconds from request to answer, of them the router's processor time, and the transfer's largest memory in MB."""
    pipe = Pipe(command, env)
    pipe.call("inspectModel", {"path": str(MODEL)})
    router = psutil.Process(pipe.process.pid)
    used = sum(router.cpu_times()[:2])
    begin = time.perf_counter()
    with memory(router) as peak:
        request = pipe.send("downloadModel", {"model": f"hf:{REPO}", "modelsDirectory": str(into)})
        answer, at = pipe.responses({request})[request]
    assert "result" in answer, answer
    used = sum(router.cpu_times()[:2]) - used
    pipe.close()
    shutil.rmtree(into)
    return at - begin, used, peak[0]


def resumed_mb(command: list[str]) -> float:
    """The largest memory in MB of two transfer processes: one aborted in the middle of a model, one that ends it."""
    with hub(LARGE_MB, {}, MODEL) as env, folder() as into:
        pipe = Pipe(command, env)
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
    """The one element of the list becomes the largest memory of a transfer process meanwhile, in MB."""
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


def abort_ms(command: list[str]) -> dict[str, list[float]]:
    """From sending `abort` to the aborted request's response, at random moments; a third on a stalled line."""
    random.seed(1)
    times: dict[str, list[float]] = {"abort of download": [], "the same without keepPartial": []}
    with hub(SLOW_MB, {"stall_after": 3_000_000, "skip": 40, "times": None}) as env, folder() as into:
        pipe = Pipe(command, env)
        pipe.call("init")
        for number in range(ABORTS):
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


# ---- the children ------------------------------------------------------------------------------------


def serve(size: str, fault: str, head: str) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    from hub import Content, Headed, Hub, Synthetic
    from hub.content import checksum

    content: Content = Synthetic(int(size) * 1_000_000, seed=1)
    if head:
        with Path(head).open("rb") as file:
            content = Headed(file.read(HEAD_BYTES), content.size)
        content = replace(content, sha256=checksum(content))
    with Hub(send_buffer=None) as served:
        served.add(REPO, {FILE: content})
        if json.loads(fault):
            served.fault(f"{REPO}/{FILE}", origin="cdn", **json.loads(fault))
        print(served.endpoint, flush=True)
        sys.stdin.read()


def hf(into: str) -> float:
    begin = time.perf_counter()  # ours begins with a process that imports it, too
    from huggingface_hub import hf_hub_download

    hf_hub_download(REPO, FILE, cache_dir=into)
    return time.perf_counter() - begin


def fetch(into: str, how: str) -> float:
    from types import SimpleNamespace

    from sidecar.models.download import download, partial_file
    from sidecar.models.hub import plan
    from sidecar.models.hub.client import Hub as Client
    from sidecar.models.store.store import Store

    client = Client(None, None)
    (wanted,) = plan.make(client, {"model": f"hf:{REPO}"}, 1 << 40).wanted
    silent: Any = SimpleNamespace(
        waited=False, **dict.fromkeys(("downloaded", "verified", "info"), lambda _: None)
    )
    if how == "plain":
        partial_file.PartialFile.sha256 = lambda *_: wanted.sha256  # type: ignore[method-assign]
    begin = time.perf_counter()
    download.Download(client.client, Store(into), wanted, silent).run(False)
    return time.perf_counter() - begin


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "serve":
        serve(*rest)
    else:
        print(hf(*rest) if task == "hf" else fetch(*rest))
