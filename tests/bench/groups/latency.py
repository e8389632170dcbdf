"""How soon the program reacts: abort, ping, exit; and what it uses when idle. It has no peer."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import ours
import workload
from ours import completion
from pipe import Message, Pipe, Program
from table import Row

from groups.setting import Setting

sys.path[:0] = [str(Path(__file__).parents[2] / "support")]
import gguf_files  # noqa: E402

ABORTED = -32800
ABORTS, QUICK_ABORTS = 60, 10
PINGS = 200
IDLE_S = 20.0
OPERATIONS = (
    "load", "createContext", "tokenize", "prompt", "generate", "embed", "rerank", "saveState", "restoreState",
)  # fmt: skip
"""What is aborted here; for downloads see transfer.py."""


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    found: list[Row] = []
    for operation in OPERATIONS:
        setting.say(f"abort of {operation}")
        aborts = QUICK_ABORTS if setting.quick else ABORTS
        found += quantiles(
            f"abort of {operation}", abort_ms(setting.program, setting.model, operation, aborts)
        )
    setting.say("ping beside streams")
    with closing(ours.ready(setting.program, setting.model, 8)) as pipe:
        found += quantiles("ping beside 8 streams", ping_ms_with_streams(pipe))
        setting.say("idle")
        found.append(Row("processor time when idle", "ms/min", idle_cpu_ms_per_minute(pipe)))
    what = "end of stdin while generating to all processes gone"
    found.append(Row(what, "ms", exit_ms(setting.program, setting.model)))
    return found


def quantiles(what: str, times: list[float]) -> list[Row]:
    """Median and 99th percentile as rows."""
    return [
        Row(f"{what}, {name} of {len(times)}", "ms", percentile(times, share))
        for share, name in ((0.5, "p50"), (0.99, "p99"))
    ]


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie, or the largest."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def abort_ms(program: Program, model: str, operation: str, aborts: int) -> list[float]:
    """From sending `abort` to the response of the aborted request, at random moments of the operation."""
    chance = random.Random(1)
    times: list[float] = []
    with closing(ours.ready(program, model, 1)) as pipe, tempfile.TemporaryDirectory() as folder:
        begin_operation, longest = _operation(pipe, model, operation, Path(folder))
        for attempt in range(4 * aborts):
            if len(times) == aborts:
                break
            target = begin_operation(attempt)
            time.sleep(chance.uniform(0.002, longest))
            begin = time.perf_counter()
            abort = pipe.send("abort", {"requestId": target})
            aborted, at = pipe.responses({target, abort})[target]
            if aborted.get("error", {}).get("code") == ABORTED:
                times.append(1000 * (at - begin))
            elif operation == "load":
                pipe.call("unloadModel", {"modelId": aborted["result"]["modelId"]})
            elif operation == "createContext":
                pipe.call("disposeContext", {"contextId": aborted["result"]["contextId"]})
            pipe.call("tokenize", {"modelId": "model-1", "text": ""})  # the aborted work has ended
    return times


def _operation(pipe: Pipe, model: str, operation: str, folder: Path) -> tuple[Callable[[int], int], float]:
    """(a function that begins the nth operation and returns its id, seconds until its abort at most)."""
    if operation == "load":
        return lambda _: pipe.send("loadModel", {"path": model}), 0.15
    if operation == "prompt":
        return lambda n: pipe.send("complete", completion(f"{n} {workload.LONGEST_PROMPT}", 1)), 0.5
    if operation == "generate":
        return lambda n: pipe.send("complete", completion(f"{n} Tell me a story", 900)), 0.5
    if operation == "embed":
        vectors = ours.add_context(pipe, embeddings=True, pooling="mean")
        texts = workload.texts(1024)
        return lambda _: pipe.send("embed", {"contextId": vectors, "input": texts}), 0.5
    if operation == "tokenize":
        text = {"modelId": "model-1", "text": workload.words(100_000, 0)}
        return lambda _: pipe.send("tokenize", text), 0.2
    if operation == "createContext":
        large = {"modelId": "model-1", "contextSize": 8192, "sequences": 2}
        return lambda _: pipe.send("createContext", large), 0.1
    if operation in ("saveState", "restoreState"):
        pipe.call("complete", completion(workload.LONGEST_PROMPT, 1))
        state = {"contextId": "context-1", "path": str(folder / "x.state")}
        pipe.call("saveState", state)
        return lambda _: pipe.send(operation, state), 0.02
    ranks = pipe.call("loadModel", {"path": gguf_files.hollow_reranker(folder / "reranker.gguf")})["modelId"]
    pipe.call("createContext", {"modelId": ranks, "embeddings": True})
    documents = [workload.words(60, n) for n in range(128)]  # one token per character: some 300 each
    params = {"contextId": "context-2", "query": "Where is the fox?", "documents": documents}
    return lambda _: pipe.send("rerank", params), 0.5


def ping_ms_with_streams(pipe: Pipe) -> list[float]:
    """Answer times of pings, one every 10 ms while 8 streams run."""
    ids = {pipe.send("complete", completion("Tell me a long story", 700)) for _ in range(8)}
    pipe.receive()
    times: list[float] = []
    ignored: list[Message] = []
    for _ in range(PINGS):
        time.sleep(0.01)
        begin = time.perf_counter()
        ping = pipe.send("ping")
        _, at = pipe.responses({ping}, lambda message, _: ignored.append(message))[ping]
        times.append(1000 * (at - begin))
    for request_id in ids:
        pipe.call("abort", {"requestId": request_id})
    return times


def idle_cpu_ms_per_minute(pipe: Pipe) -> float:
    """Processor time of all processes while no request runs."""
    tree = pipe.tree()

    def used() -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in tree))

    before = used()
    time.sleep(IDLE_S)
    return 1000 * (used() - before) * 60 / IDLE_S


def exit_ms(program: Program, model: str) -> float:
    """From the end of stdin, in the middle of a generation, until every process is gone."""
    pipe = ours.ready(program, model, 1)
    pipe.send("complete", completion("Tell me a story", 900))
    pipe.receive()
    return 1000 * pipe.close()
