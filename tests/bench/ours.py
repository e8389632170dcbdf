"""Measures the program through its pipe. Each function returns figures in the unit its name ends with."""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

from pipe import Message, Pipe, running

THREADS = 2
WORDS = "The quick brown fox jumps over the lazy dog and runs far away from the village toward the sea. "
LONG_PROMPT = WORDS * 22  # 441 tokens of the test model, as in llama-bench -p 441
LONGEST_PROMPT = WORDS * 45
GENERATED = 96
ABORTS = 60


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
            pipe.call("chat", chat, lambda message, at, seen=seen: _note_text(message, at, seen))
            firsts.append(seen[0] - pipe.started)
    figures = {"ping": pings, "init": inits, "load": loads, "firstToken": firsts}
    return {name: 1000 * statistics.median(values) for name, values in figures.items()}


def _note_text(message: Message, at: float, seen: list[float]) -> None:
    if message.get("params", {}).get("progressType") == "generate":
        seen.append(at)


def ready(command: list[str], model: str, sequences: int) -> Pipe:
    """A program with the model loaded, a context of `sequences` × 1024, and one warm-up done."""
    pipe = Pipe(command)
    pipe.call("init", {"maxThreads": THREADS})
    pipe.call("loadModel", {"path": model})
    pipe.call("createContext", {"modelId": "model-1", "contextSize": 1024, "sequences": sequences})
    pipe.call("complete", _completion("warm up the engine", 8))
    return pipe


def _completion(prompt: str, tokens: int) -> Message:
    return {
        "contextId": "context-1",
        "prompt": prompt,
        "maxTokens": tokens,
        "temperature": 0,
        "ignoreEos": True,
    }


def prompt_tokens_a_second(pipe: Pipe, run: int) -> float:
    """Of the long prompt, begun differently each time so that nothing is cached; seen by the client."""
    begin = time.perf_counter()
    result = pipe.call("complete", _completion(f"{run}: {LONG_PROMPT}", 1))
    usage = result["usage"]
    return float(usage["promptTokens"] - usage["cachedTokens"]) / (time.perf_counter() - begin)


def streams_tokens_a_second(pipe: Pipe, streams: int, run: int) -> float:
    """All streams together, by the client's clock: of one, from its first to its last delta."""
    seen: list[float] = []
    begin = time.perf_counter()
    prompts = [f"Story {run} number {i}: once upon a time in a land" for i in range(streams)]
    ids = {pipe.send("complete", _completion(prompt, GENERATED)) for prompt in prompts}
    responses = pipe.responses(ids, lambda message, at: _note_text(message, at, seen))
    end = max(at for _, at in responses.values())
    tokens = sum(message["result"]["usage"]["completionTokens"] for message, _ in responses.values())
    if streams == 1:
        return (tokens - 1) / (end - seen[0])
    return float(tokens / (end - begin))


def ping_ms_beside_streams(pipe: Pipe, pings: int = 200) -> list[float]:
    """Answer times of pings, sent every few milliseconds while 8 streams run."""
    params = _completion("Tell me a long story", 700)
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
    """Resident memory of all processes, in MB of 10^6 bytes."""
    return float(sum(process.memory_info().rss for process in pipe.tree()) / 1e6)


def idle_cpu_ms_a_minute(pipe: Pipe, seconds: float = 20) -> float:
    """Processor time of all processes while nothing is asked."""
    tree = pipe.tree()

    def used() -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in tree))

    before = used()
    time.sleep(seconds)
    return 1000 * (used() - before) * 60 / seconds


def abort_ms(command: list[str], model: str, operation: str) -> list[float]:
    """From sending `abort` to the aborted request's response, at random moments of the operation."""
    random.seed(1)
    times: list[float] = []
    pipe = ready(command, model, 1)
    attempt = 0
    while len(times) < ABORTS and attempt < 4 * ABORTS:
        attempt += 1
        if operation == "load":
            target, longest = pipe.send("loadModel", {"path": model}), 0.15
        elif operation == "prompt":
            target, longest = pipe.send("complete", _completion(f"{attempt} {LONGEST_PROMPT}", 1)), 0.5
        else:
            target, longest = pipe.send("complete", _completion(f"{attempt} Tell me a story", 900)), 0.5
        time.sleep(random.uniform(0.002, longest))
        begin = time.perf_counter()
        abort = pipe.send("abort", {"requestId": target})
        found = pipe.responses({target, abort})
        aborted, at = found[target]
        if "error" in aborted:
            times.append(1000 * (at - begin))
        elif operation == "load":
            pipe.call("unloadModel", {"modelId": aborted["result"]["modelId"]})
    pipe.close()
    return times


def exit_ms(command: list[str], model: str) -> float:
    """From the end of stdin, in the middle of a generation, until every process is gone."""
    pipe = ready(command, model, 1)
    pipe.send("complete", _completion("Tell me a story", 900))
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
