"""What an engine is asked for beside speed: first tokens, fairness, vectors, look-up decoding, a cheap step."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import ours
import peers
import step_share
import workload
from growth import completion as server_completion
from llama_server import LlamaServer, Stream
from pipe import Message, Pipe
from table import Row
from workload import EDITED_TOKENS, THREADS, TURN_TOKENS

RUNS = 5
GAP_RUNS = 3
GAP_STREAMS = 3
GAP_TOKENS = 500
GAP_PROMPT = 3000
PIECES = 10
"""Of each stream, before the long prompt comes."""

CONTEXT = 4096
TURNS = ("cold", "second", "warm")
Figures = dict[str, float]


def rows(command: list[str], model: str, say: Callable[[str], None]) -> list[Row]:
    """All figures."""
    say("first tokens, a long prompt beside streams, vectors, an editing task")
    mine = _ours(command, model)
    say("the same of llama-server")
    server = _server(model)
    say("the same of node-llama-cpp")
    node = _node(model)

    def row(what: str, unit: str, name: str) -> Row:
        return Row(what, unit, mine.get(name), server=server.get(name), node=node.get(name))

    result = [
        row("first token, 1,000 tokens of history, cold", "ms", "cold"),
        row("first token of the second turn on it", "ms", "second"),
        row("first token of another chat, same system prompt", "ms", "warm"),
        row("second turn's first token, of the first's", "%", "second share"),
        row(f"worst gap of {GAP_STREAMS} streams, {GAP_PROMPT} tokens beside", "ms", "gap"),
        row("first token of those 3,000 beside the streams", "ms", "gap first"),
        row("short texts embedded", "texts/s", "texts"),
        row("an editing task", "tokens/s", "without"),
        row("the same with look-up decoding", "tokens/s", "with"),
        row("its speed-up", "×", "speed-up"),
        Row(f"its answers that are the same text, of {RUNS}", "", mine["same"]),
    ]
    for streams in (1, 8):
        say(f"a step's share outside llama.cpp, streams: {streams}")
        share = step_share.measure(model, THREADS, streams)
        what = "one stream" if streams == 1 else f"{streams} streams"
        result.append(Row(f"outside llama.cpp in a step of {what}", "%", share["percent"]))
        result.append(Row("the step itself", "ms", share["stepMs"]))
    return result


def _shares(found: Figures) -> Figures:
    """The figures with those that follow from them."""
    share = 100 * found["second"] / found["cold"]
    return {**found, "second share": share, "speed-up": found["with"] / found["without"]}


# ---- ours --------------------------------------------------------------------------------------------


def _ours(command: list[str], model: str) -> Figures:
    pipe = ours.ready(command, model, 1)
    context = {"modelId": "model-1", "contextSize": CONTEXT, "sequences": GAP_STREAMS + 1}
    pipe.call("createContext", context)  # context-2
    pipe.call("createContext", {"modelId": "model-1", "embeddings": True, "pooling": "mean"})  # context-3
    times: dict[str, list[float]] = {name: [] for name in TURNS}
    for run in range(RUNS):
        for name, value in _our_turns(pipe, run).items():
            times[name].append(value)
    found = {name: statistics.median(values) for name, values in times.items()}
    gaps = [_our_gap(pipe, run) for run in range(GAP_RUNS)]
    found |= {"gap": max(gap for gap, _ in gaps), "gap first": statistics.median(first for _, first in gaps)}
    rates = []
    for run in range(RUNS + 1):
        texts = workload.texts(run)
        begin = time.perf_counter()
        pipe.call("embed", {"contextId": "context-3", "input": texts})
        rates.append(len(texts) / (time.perf_counter() - begin))
    found["texts"] = statistics.median(rates[1:])
    found |= _our_lookup(pipe)
    pipe.close()
    return _shares(found)


def _our_turns(pipe: Pipe, run: int) -> Figures:
    """Milliseconds to the first token of each kind of turn."""

    def ask(messages: list[Message]) -> tuple[float, Message]:
        seen: list[float] = []
        begin = time.perf_counter()
        params = {"contextId": "context-2", "messages": messages, "maxTokens": TURN_TOKENS, "temperature": 0}
        answer = pipe.call("chat", params, lambda message, at: ours.note_text(message, at, seen))
        return 1000 * (seen[0] - begin), answer["message"]

    def said(question: str) -> Message:
        return {"role": "user", "content": question}

    history = workload.history(run)
    cold, answer = ask(history)
    second, _ = ask([*history, answer, said(workload.QUESTIONS[1])])
    warm, _ = ask([history[0], said(workload.QUESTIONS[2])])
    return {"cold": cold, "second": second, "warm": warm}


def _our_gap(pipe: Pipe, run: int) -> tuple[float, float]:
    """(worst gap of the streams while the long prompt is evaluated, its time to first token) in ms."""
    arrivals: dict[int, list[float]] = {}
    for i in range(GAP_STREAMS):
        params = ours.completion(f"Tell me story {run} {i}", GAP_TOKENS, "context-2")
        arrivals[pipe.send("complete", params)] = []

    def take(message: Message, at: float) -> None:
        params = message.get("params", {})
        if params.get("progressType") == "generate":
            arrivals.setdefault(params["requestId"], []).append(at)

    while any(len(times) < PIECES for times in arrivals.values()):
        take(*pipe.receive())
    running = list(arrivals)
    begin = time.perf_counter()
    long = pipe.send("complete", ours.completion(workload.words(GAP_PROMPT, run), 1, "context-2"))
    pipe.responses({long}, take)
    first = arrivals[long][0]
    for request in running:
        abort = pipe.send("abort", {"requestId": request})
        pipe.responses({abort, request})
    return 1000 * max(worst_gap(arrivals[request], begin, first) for request in running), 1000 * (
        first - begin
    )


def worst_gap(arrivals: list[float], begin: float, end: float) -> float:
    """The longest time from one piece to the next between two moments, the pieces around them included."""
    before = max(at for at in arrivals if at <= begin)
    points = [before, *(at for at in arrivals if begin < at < end), end]
    return max(later - earlier for earlier, later in pairwise(points))


def _our_lookup(pipe: Pipe) -> Figures:
    """Tokens a second of the editing task, without and with look-up, and how often the text was the same."""
    rates: dict[str, list[float]] = {"none": [], "lookup": []}
    same = 0
    for _ in range(RUNS + 1):
        texts = []
        for speculation, found in rates.items():
            params = {
                "contextId": "context-1",
                "messages": [{"role": "user", "content": workload.EDITING}],
                "maxTokens": EDITED_TOKENS,
                "temperature": 0,
                "speculation": speculation,
            }
            seen: list[float] = []
            request = pipe.send("chat", params)
            answers = pipe.responses(
                {request}, lambda message, at, seen=seen: ours.note_text(message, at, seen)
            )
            answer, at = answers[request]
            result = answer["result"]
            texts.append(result["message"]["content"])
            found.append((result["usage"]["completionTokens"] - 1) / (at - seen[0]))
        same += texts[0] == texts[1]
    without, with_ = (statistics.median(found[1:]) for found in rates.values())
    return {"without": without, "with": with_, "same": same - 1}


# ---- llama-server ------------------------------------------------------------------------------------


def _server(model: str) -> Figures:
    program = peers.find_server()
    if program is None:
        return {}
    sequences = GAP_STREAMS + 1
    with LlamaServer(
        program, model, THREADS, "-np", str(sequences), "-c", str(sequences * CONTEXT)
    ) as server:
        found = _server_chats(server)
        found["without"] = _server_edits(server)
    with LlamaServer(
        program, model, THREADS, "-np", "1", "-c", "1024", "--spec-type", "ngram-simple"
    ) as server:
        found["with"] = _server_edits(server)
    vectors = ("--embeddings", "--pooling", "mean", "-np", "32", "-c", "8192")
    with LlamaServer(program, model, THREADS, *vectors) as server:
        found["texts"] = _server_texts(server)
    return _shares(found)


def _server_chats(server: LlamaServer) -> Figures:
    server.call("/completion", server_completion("warm up the engine", 8))
    turns = [_server_turns(server, run) for run in range(RUNS)]
    found = {name: statistics.median(turn[name] for turn in turns) for name in TURNS}
    gaps = [_server_gap(server, run) for run in range(GAP_RUNS)]
    return found | {
        "gap": max(gap for gap, _ in gaps),
        "gap first": statistics.median(first for _, first in gaps),
    }


def _chat(server: LlamaServer, messages: list[Message], tokens: int) -> Stream:
    params = {"messages": messages, "max_tokens": tokens, "temperature": 0, "top_k": 1}
    stream = server.begin("/v1/chat/completions", params)
    server.follow(stream)
    return stream


def _server_turns(server: LlamaServer, run: int) -> Figures:
    history = workload.history(run)
    answer = _chat(server, history, TURN_TOKENS)
    said = [
        {"role": "assistant", "content": answer.text},
        {"role": "user", "content": workload.QUESTIONS[1]},
    ]
    second = _chat(server, [*history, *said], TURN_TOKENS)
    another = {"role": "user", "content": workload.QUESTIONS[2]}
    warm = _chat(server, [history[0], another], TURN_TOKENS)
    streams = zip(TURNS, (answer, second, warm), strict=True)
    return {name: 1000 * (stream.arrivals[0] - stream.began) for name, stream in streams}


def _server_gap(server: LlamaServer, run: int) -> tuple[float, float]:
    prompts = [f"Tell me story {run} {i}" for i in range(GAP_STREAMS)]
    running = [server.begin("/completion", server_completion(prompt, GAP_TOKENS)) for prompt in prompts]
    server.follow(*running, pieces=PIECES)
    long = server.begin("/completion", server_completion(workload.words(GAP_PROMPT, run), 1))
    server.follow(long)
    first = long.arrivals[0]
    for stream in running:
        if not stream.done:
            server.leave(stream)
    gaps = [worst_gap(stream.arrivals, long.began, first) for stream in running]
    return 1000 * max(gaps), 1000 * (first - long.began)


def _server_edits(server: LlamaServer) -> float:
    """Tokens a second of the editing task; with guesses several tokens come in a piece, so the server counts."""
    prompt = server.call("/apply-template", {"messages": [{"role": "user", "content": workload.EDITING}]})[
        "prompt"
    ]
    params = {**server_completion(prompt, EDITED_TOKENS), "ignore_eos": False, "cache_prompt": True}
    rates = []
    for _ in range(RUNS + 1):
        stream = server.begin("/completion", params)
        server.follow(stream)
        rates.append((stream.tokens - 1) / (stream.arrivals[-1] - stream.arrivals[0]))
    return statistics.median(rates[1:])


def _server_texts(server: LlamaServer) -> float:
    rates = []
    for run in range(RUNS + 1):
        texts = workload.texts(run)
        begin = time.perf_counter()
        server.call("/v1/embeddings", {"input": texts})
        rates.append(len(texts) / (time.perf_counter() - begin))
    return statistics.median(rates[1:])


# ---- node-llama-cpp ----------------------------------------------------------------------------------


def _node(model: str) -> Figures:
    node = peers.NodeLlamaCpp.find()
    if node is None:
        return {}
    tasks: dict[str, Any] = {
        "turns": {
            "turns": [workload.turns(run) for run in range(RUNS)],
            "tokens": TURN_TOKENS,
            "contextSize": CONTEXT,
        },
        "gaps": {
            "prompts": [workload.words(GAP_PROMPT, run) for run in range(GAP_RUNS)],
            "streams": GAP_STREAMS,
            "tokens": GAP_TOKENS,
            "contextSize": CONTEXT,
        },
        "texts": {"texts": [workload.texts(run) for run in range(RUNS)]},
        "lookup": {"prompt": workload.EDITING, "tokens": EDITED_TOKENS, "contextSize": 1024, "runs": RUNS},
    }
    figures = node.measure(model, THREADS, **tasks)
    gaps = {"gap": figures["gaps"]["worst"], "gap first": figures["gaps"]["first"]}
    return _shares({**figures["turns"], **gaps, "texts": figures["texts"], **figures["lookup"]})
