"""Measures the program through its pipe. Each function returns figures in the unit its name ends with."""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import workload
from pipe import Message, Pipe, running
from workload import GENERATED, LONGEST_PROMPT, THREADS

sys.path[:0] = [str(Path(__file__).parents[1] / "support")]
import gguf_files  # noqa: E402

ABORTS = 60
ABORTED = -32800


def start_up_ms(command: list[str], model: str, runs: int = 10) -> dict[str, float]:
    """Medians from the start of the process: ping answered, init answered, first token of a chat."""
    pings, inits, loads, firsts = [], [], [], []
    for _ in range(runs):
        with running(command) as pipe:
            pipe.call("ping")
            pings.append(time.perf_counter() - pipe.started)
        with running(command) as pipe:
            pipe.call("init", {"maxThreads": THREADS})
            inits.append(time.perf_counter() - pipe.started)
            begin = time.perf_counter()
            pipe.call("loadModel", {"path": model})
            loads.append(time.perf_counter() - begin)
            pipe.call("createContext", {"modelId": "model-1", "contextSize": 1024})
            seen: list[float] = []
            chat = {
                "contextId": "context-1",
                "messages": [{"role": "user", "content": "Hi"}],
                "maxTokens": 4,
            }
            pipe.call("chat", chat, lambda message, at, seen=seen: note_text(message, at, seen))
            firsts.append(seen[0] - pipe.started)
    figures = {"ping": pings, "init": inits, "load": loads, "firstToken": firsts}
    return {name: 1000 * statistics.median(values) for name, values in figures.items()}


def engine_start_ms(command: list[str], runs: int = 10) -> float:
    """Median from the start of an engine's process until it serves, by the router's clock."""
    with tempfile.TemporaryFile() as log:
        for _ in range(runs):
            with running([*command, "--log-level", "debug"], stderr=log) as pipe:
                pipe.call("init")
        log.seek(0)
        times = [json.loads(line)["ms"] for line in log if b" is ready" in line]
    return statistics.median(times)


def note_text(message: Message, at: float, seen: list[float]) -> None:
    """Note when a piece of text came."""
    if message.get("params", {}).get("progressType") == "generate":
        seen.append(at)


def ready(command: list[str], model: str, sequences: int) -> Pipe:
    """A program with the model loaded, a context of `sequences` × 1024, and one warm-up done."""
    pipe = Pipe(command)
    pipe.call("init", {"maxThreads": THREADS})
    pipe.call("loadModel", {"path": model})
    pipe.call("createContext", {"modelId": "model-1", "contextSize": 1024, "sequences": sequences})
    pipe.call("complete", completion("warm up the engine", 8))
    return pipe


def completion(prompt: str, tokens: int, context: str = "context-1") -> Message:
    """Params of `complete`, for the likeliest tokens."""
    return {
        "contextId": context,
        "prompt": prompt,
        "maxTokens": tokens,
        "temperature": 0,
        "ignoreEos": True,
    }


def prompt_tokens_a_second(pipe: Pipe, prompt: str, context: str = "context-1") -> float:
    """Of a prompt that begins as none before it, so that nothing is cached; seen by the client."""
    begin = time.perf_counter()
    result = pipe.call("complete", completion(prompt, 1, context))
    usage = result["usage"]
    return float(usage["promptTokens"] - usage["cachedTokens"]) / (time.perf_counter() - begin)


def streams_tokens_a_second(pipe: Pipe, streams: int, run: int) -> float:
    """All streams together, by the client's clock: of one, from its first to its last delta."""
    seen: list[float] = []
    begin = time.perf_counter()
    prompts = [f"Story {run} number {i}: once upon a time in a land" for i in range(streams)]
    ids = {pipe.send("complete", completion(prompt, GENERATED)) for prompt in prompts}
    responses = pipe.responses(ids, lambda message, at: note_text(message, at, seen))
    end = max(at for _, at in responses.values())
    tokens = sum(message["result"]["usage"]["completionTokens"] for message, _ in responses.values())
    if streams == 1:
        return (tokens - 1) / (end - seen[0])
    return float(tokens / (end - begin))


def ping_ms_beside_streams(pipe: Pipe, pings: int = 200) -> list[float]:
    """Answer times of pings, sent every few milliseconds while 8 streams run."""
    params = completion("Tell me a long story", 700)
    ids = {pipe.send("complete", params) for _ in range(8)}
    pipe.receive()
    times: list[float] = []
    ignored: list[Message] = []
    for _ in range(pings):
        time.sleep(0.01)
        begin = time.perf_counter()
        ping = pipe.send("ping")
        _, at = pipe.responses({ping}, lambda message, _: ignored.append(message))[ping]
        times.append(1000 * (at - begin))
    for request_id in ids:
        pipe.call("abort", {"requestId": request_id})
    return times


def memory_mb(pipe: Pipe) -> float:
    """Memory of all processes, in MB of 10^6 bytes; on Linux a page that two of them share counts once."""
    kind = "pss" if sys.platform == "linux" else "rss"
    return float(sum(getattr(process.memory_full_info(), kind) for process in pipe.tree()) / 1e6)


def idle_cpu_ms_a_minute(pipe: Pipe, seconds: float = 20) -> float:
    """Processor time of all processes while nothing is asked."""
    tree = pipe.tree()

    def used() -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in tree))

    before = used()
    time.sleep(seconds)
    return 1000 * (used() - before) * 60 / seconds


ABORTABLE = (
    "load", "createContext", "tokenize", "prompt", "generate", "embed", "rerank", "saveState", "restoreState",
)  # fmt: skip
"""What `abort_ms` knows to begin. A download is aborted in transfer.py."""


def abort_ms(command: list[str], model: str, operation: str) -> list[float]:
    """From sending `abort` to the aborted request's response, at random moments of the operation."""
    chance = random.Random(1)
    times: list[float] = []
    pipe = ready(command, model, 1)
    with tempfile.TemporaryDirectory() as folder:
        begin_operation, longest = _operation(pipe, model, operation, Path(folder))
        for attempt in range(4 * ABORTS):
            if len(times) == ABORTS:
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
            pipe.call("tokenize", {"modelId": "model-1", "text": ""})  # what it was at has ended
        pipe.close()
    return times


def _operation(pipe: Pipe, model: str, operation: str, folder: Path) -> tuple[Callable[[int], int], float]:
    """(what begins the nth of its kind and returns its id, after how many seconds to abort it at most)."""
    if operation == "load":
        return lambda _: pipe.send("loadModel", {"path": model}), 0.15
    if operation == "prompt":
        return lambda n: pipe.send("complete", completion(f"{n} {LONGEST_PROMPT}", 1)), 0.5
    if operation == "generate":
        return lambda n: pipe.send("complete", completion(f"{n} Tell me a story", 900)), 0.5
    if operation == "embed":
        pipe.call("createContext", {"modelId": "model-1", "embeddings": True, "pooling": "mean"})
        texts = workload.texts(1, 1024)
        return lambda _: pipe.send("embed", {"contextId": "context-2", "input": texts}), 0.5
    if operation == "tokenize":
        text = {"modelId": "model-1", "text": workload.words(100_000, 0)}
        return lambda _: pipe.send("tokenize", text), 0.2
    if operation == "createContext":
        large = {"modelId": "model-1", "contextSize": 8192, "sequences": 2}
        return lambda _: pipe.send("createContext", large), 0.1
    if operation in ("saveState", "restoreState"):
        pipe.call("complete", completion(LONGEST_PROMPT, 1))
        state = {"contextId": "context-1", "path": str(folder / "x.state")}
        pipe.call("saveState", state)
        return lambda _: pipe.send(operation, state), 0.02
    ranks = pipe.call("loadModel", {"path": gguf_files.hollow_reranker(folder / "reranker.gguf")})["modelId"]
    pipe.call("createContext", {"modelId": ranks, "embeddings": True})
    documents = [workload.words(60, n) for n in range(128)]  # a token a character: some 300 each
    params = {"contextId": "context-2", "query": "Where is the fox?", "documents": documents}
    return lambda _: pipe.send("rerank", params), 0.5


def exit_ms(command: list[str], model: str) -> float:
    """From the end of stdin, in the middle of a generation, until every process is gone."""
    pipe = ready(command, model, 1)
    pipe.send("complete", completion("Tell me a story", 900))
    pipe.receive()
    return 1000 * pipe.close()


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie, or the largest."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def versions(command: list[str]) -> Any:
    """What init says of the program."""
    with running(command) as pipe:
        return pipe.call("init", {"maxThreads": THREADS})
