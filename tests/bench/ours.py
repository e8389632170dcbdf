"""Readings of our program through its pipe. Speeds are in tokens (or texts) per second, times in milliseconds."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from itertools import pairwise
from typing import Any, NamedTuple

import workload
from pipe import Message, Pipe, Program, running
from workload import THREADS


def ready(program: Program, model: str, sequences: int, context: int = workload.STREAM_CONTEXT) -> Pipe:
    """A program with the model, one context (`context` tokens per sequence), and a warm-up done."""
    pipe = Pipe(program)
    pipe.call("init", {"maxThreads": THREADS})
    pipe.call("loadModel", {"path": model})
    add_context(pipe, contextSize=context, sequences=sequences)
    pipe.call("complete", completion("warm up the engine", 8))
    return pipe


def add_context(pipe: Pipe, **params: Any) -> str:
    """Make one more context; returns its id."""
    context: str = pipe.call("createContext", {"modelId": "model-1", **params})["contextId"]
    return context


def completion(prompt: str, tokens: int, context: str = "context-1") -> Message:
    """Params of `complete` that always choose the most likely token."""
    return {
        "contextId": context,
        "prompt": prompt,
        "maxTokens": tokens,
        "temperature": 0,
        "ignoreEos": True,
    }


def note_text(message: Message, at: float, seen: list[float]) -> None:
    """Note when a piece of text arrived."""
    if message.get("params", {}).get("progressType") == "generate":
        seen.append(at)


# ---- start -------------------------------------------------------------------------------------------


def start_ms(program: Program, model: str) -> dict[str, float]:
    """One start. From the start of the process: `ping`, `init`, `first token` of a chat; and `load` by itself."""
    found = {}
    with running(program) as pipe:

        def note(name: str, since: float, at: float) -> None:
            found[name] = 1000 * (at - since)

        pipe.call("ping")
        note("ping", pipe.started, time.perf_counter())
        pipe.call("init", {"maxThreads": THREADS})
        begin = time.perf_counter()
        note("init", pipe.started, begin)
        pipe.call("loadModel", {"path": model})
        note("load", begin, time.perf_counter())
        add_context(pipe, contextSize=1024)
        seen: list[float] = []
        chat = {"contextId": "context-1", "messages": [{"role": "user", "content": "Hi"}], "maxTokens": 4}
        pipe.call("chat", chat, lambda message, at: note_text(message, at, seen))
        note("first token", pipe.started, seen[0])
    return found


def engine_start_ms(program: Program, runs: int) -> float:
    """Median time from the start of an engine process until it serves, by the router's clock."""
    with tempfile.TemporaryFile() as log:
        debug = program._replace(command=[*program.command, "--log-level", "debug"])
        for _ in range(runs):
            with running(debug, stderr=log) as pipe:
                pipe.call("init")
        log.seek(0)
        times = [json.loads(line)["ms"] for line in log if b" is ready" in line]
    return statistics.median(times)


# ---- speed -------------------------------------------------------------------------------------------


def prompt_speed(pipe: Pipe, prompt: str, context: str = "context-1") -> float:
    """Speed of evaluating a prompt of which nothing is cached, by the client's clock."""
    begin = time.perf_counter()
    usage = pipe.call("complete", completion(prompt, 1, context))["usage"]
    return float(usage["promptTokens"] - usage["cachedTokens"]) / (time.perf_counter() - begin)


def stream_speed(pipe: Pipe, streams: int) -> float:
    """Speed of all streams together, by the client's clock.

    Of one stream from its first piece to its last; of several over the whole time, prompts included.
    """
    seen: list[float] = []
    prompts = workload.stories(streams)
    begin = time.perf_counter()
    ids = {pipe.send("complete", completion(prompt, workload.STREAM_TOKENS)) for prompt in prompts}
    responses = pipe.responses(ids, lambda message, at: note_text(message, at, seen))
    end = max(at for _, at in responses.values())
    tokens = sum(message["result"]["usage"]["completionTokens"] for message, _ in responses.values())
    if streams == 1:
        return (tokens - 1) / (end - seen[0])
    return float(tokens / (end - begin))


def embed_speed(pipe: Pipe, texts: list[str], context: str) -> float:
    """Texts per second."""
    begin = time.perf_counter()
    pipe.call("embed", {"contextId": context, "input": texts})
    return len(texts) / (time.perf_counter() - begin)


# ---- conversations -----------------------------------------------------------------------------------


def turns(pipe: Pipe, context: str) -> dict[str, float]:
    """Time to the first token of each of workload.TURNS."""

    def ask(messages: list[Message]) -> tuple[float, Message]:
        seen: list[float] = []
        params = {
            "contextId": context,
            "messages": messages,
            "maxTokens": workload.TURN_TOKENS,
            "temperature": 0,
        }
        begin = time.perf_counter()
        answer = pipe.call("chat", params, lambda message, at: note_text(message, at, seen))
        return 1000 * (seen[0] - begin), answer["message"]

    def user(question: str) -> Message:
        return {"role": "user", "content": question}

    history = workload.history()
    cold, answer = ask(history)
    second, _ = ask([*history, answer, user(workload.QUESTIONS[1])])
    warm, _ = ask([history[0], user(workload.QUESTIONS[2])])
    return {"cold": cold, "second": second, "warm": warm}


class Beside(NamedTuple):
    """What came while a request arrived beside running streams."""

    begin: float
    """When the request was sent."""
    encoded: float
    """When its pictures were encoded."""
    first: float
    """When its first piece came."""
    streams: list[list[float]]
    """When each stream's pieces came."""

    def worst(self, since: float, until: float) -> float:
        """The longest time of a stream without a piece between two moments, in milliseconds."""
        return 1000 * max(worst_gap(arrivals, since, until) for arrivals in self.streams)


def gap(pipe: Pipe, context: str) -> dict[str, float]:
    """A long prompt arrives while streams run: their worst `gap`, and its time to the `first` token."""
    found = beside(pipe, context, "complete", completion(workload.new_words(workload.GAP_PROMPT), 1, context))
    return {"gap": found.worst(found.begin, found.first), "first": 1000 * (found.first - found.begin)}


def beside(pipe: Pipe, context: str, method: str, params: Message) -> Beside:
    """A request arrives while workload.GAP_STREAMS streams run."""
    arrivals: dict[int, list[float]] = {}
    encoded: list[float] = []
    for prompt in workload.requests(workload.GAP_STREAMS):
        arrivals[pipe.send("complete", completion(prompt, workload.GAP_TOKENS, context))] = []

    def note(message: Message, at: float) -> None:
        if "error" in message:
            raise RuntimeError(f"a stream: {message['error']['message']}")
        params = message.get("params", {})
        if params.get("progressType") == "generate":
            arrivals.setdefault(params["requestId"], []).append(at)
        elif params.get("progressType") == "encode" and params["encodedChunks"] == params["chunks"]:
            encoded.append(at)

    while any(len(times) < workload.GAP_PIECES for times in arrivals.values()):
        note(*pipe.receive())
    streams = list(arrivals)
    begin = time.perf_counter()
    asked = pipe.send(method, params)
    message, _ = pipe.responses({asked}, note)[asked]
    if "error" in message:
        raise RuntimeError(f"{method}: {message['error']['message']}")
    aborts = {pipe.send("abort", {"requestId": request}) for request in streams}
    pipe.responses(aborts)
    times = [arrivals[request] for request in streams]
    assert max(map(len, times)) < workload.GAP_TOKENS, "a stream ended before the request's first piece"
    return Beside(begin, encoded[0] if encoded else begin, arrivals[asked][0], times)


def worst_gap(arrivals: list[float], begin: float, end: float) -> float:
    """The longest time without a piece between two moments; it may begin before the first of them."""
    before = max(at for at in arrivals if at <= begin)
    points = [before, *(at for at in arrivals if begin < at < end), end]
    return max(later - earlier for earlier, later in pairwise(points))


def editing(pipe: Pipe) -> tuple[dict[str, float], bool]:
    """Speed of the editing task `without` and `with` prompt look-up, and whether both texts are the same."""
    speeds, texts = {}, []
    for name, speculation in (("without", "none"), ("with", "lookup")):
        params = {
            "contextId": "context-1",
            "messages": [{"role": "user", "content": workload.EDITING}],
            "maxTokens": workload.EDITED_TOKENS,
            "temperature": 0,
            "speculation": speculation,
        }
        seen: list[float] = []
        request = pipe.send("chat", params)
        answers = pipe.responses({request}, lambda message, at, seen=seen: note_text(message, at, seen))
        answer, at = answers[request]
        texts.append(answer["result"]["message"]["content"])
        speeds[name] = (answer["result"]["usage"]["completionTokens"] - 1) / (at - seen[0])
    speeds["speed-up"] = speeds["with"] / speeds["without"]
    return speeds, texts[0] == texts[1]
