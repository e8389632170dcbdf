"""How cost grows: with streams beside each other, and with the length of a prompt; of everybody that is here."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any, TypeAlias

import ours
import peers
import workload
from llama_server import LlamaServer
from table import Row
from workload import GENERATED, THREADS

STREAMS = (1, 2, 4, 8, 16)
PROMPTS = (16, 64, 256, 1024, 4096)
LONG_CONTEXT = 4352
ROUNDS = 3
"""In each, everybody runs for a moment. Medians are shown."""

READINGS = 2
"""Of streams in a round, for those that are not started anew for it; their mean counts."""

Curve: TypeAlias = "dict[int, float]"
"""Number of streams, or length of the prompt → tokens a second."""


class Growth:
    """Curves by who it was, a field of table.Row."""

    def __init__(self, streams: dict[str, Curve], prompts: dict[str, Curve]) -> None:
        self.streams = streams
        self.prompts = prompts

    def rows(self) -> list[Row]:
        """The curves as a table."""
        tables = ((self.streams, STREAMS, "streams"), (self.prompts, PROMPTS, "tokens in the prompt"))
        return [
            Row(f"{what}: {size}", "tokens/s", **{who: curve[size] for who, curve in curves.items()})
            for curves, sizes, what in tables
            for size in sizes
        ]


def measure(command: list[str], model: str, say: Callable[[str], None]) -> Growth:
    """Everything, in rounds."""
    rounds = []
    pipe = ours.ready(command, model, max(STREAMS))
    pipe.call("createContext", {"modelId": "model-1", "contextSize": LONG_CONTEXT})
    for run in range(ROUNDS):
        say(f"growth, round {run + 1} of {ROUNDS}")
        found = {"ours": (_our_streams(pipe, run), _our_prompts(pipe, run))}
        found |= _peers(model, run)
        rounds.append(found)
    pipe.close()
    return Growth(*({who: _medians([r[who][i] for r in rounds]) for who in rounds[0]} for i in (0, 1)))


def _medians(curves: list[Curve]) -> Curve:
    return {size: statistics.median(curve[size] for curve in curves) for size in curves[0]}


def _peers(model: str, run: int) -> dict[str, tuple[Curve, Curve]]:
    found = {}
    llama, server, node = peers.Llama.find(), peers.find_server(), peers.NodeLlamaCpp.find()
    if llama is not None:
        streams = llama.batched(model, THREADS, STREAMS, GENERATED)
        found["library"] = (streams, llama.bench(model, THREADS, PROMPTS))
    if server is not None:
        context = str(1024 * max(STREAMS))
        with LlamaServer(server, model, THREADS, "-np", str(max(STREAMS)), "-c", context) as running:
            streams = {count: _server_streams(running, count, run) for count in STREAMS}
        with LlamaServer(server, model, THREADS, "-np", "1", "-c", str(LONG_CONTEXT)) as running:
            found["server"] = (streams, _server_prompts(running, run))
    if node is not None:
        prompts = [_prompts(length, run) for length in PROMPTS]
        task = {"prompts": prompts, "contextSize": LONG_CONTEXT}
        figures = node.measure(
            model, THREADS, streams={"streams": STREAMS, "tokens": GENERATED}, prompts=task
        )
        streams = {int(count): rate for count, rate in figures["streams"].items()}
        found["node"] = (streams, dict(zip(PROMPTS, figures["prompts"], strict=True)))
    return found


def _prompts(length: int, run: int) -> list[str]:
    """Of this length, the shorter the more of them."""
    return [workload.words(length, 100 * run + each) for each in range(min(max(1024 // length, 1), 8))]


# ---- ours --------------------------------------------------------------------------------------------


def _our_streams(pipe: Any, run: int) -> Curve:
    return {
        count: statistics.fmean(
            ours.streams_tokens_a_second(pipe, count, 10 * run + each) for each in range(READINGS)
        )
        for count in STREAMS
    }


def _our_prompts(pipe: Any, run: int) -> Curve:
    return {
        length: statistics.fmean(
            ours.prompt_tokens_a_second(pipe, text, "context-2") for text in _prompts(length, run)
        )
        for length in PROMPTS
    }


# ---- llama-server ------------------------------------------------------------------------------------


def completion(prompt: str, tokens: int) -> dict[str, Any]:
    """Params of /completion, for the likeliest tokens. top_k 1 is its quickest way to those."""
    greedy = {"temperature": 0, "top_k": 1, "ignore_eos": True, "cache_prompt": False}
    return {"prompt": prompt, "n_predict": tokens, **greedy}


def _server_streams(server: LlamaServer, count: int, run: int) -> float:
    rates = []
    for each in range(READINGS):
        number = 10 * run + each
        prompts = [f"Story {number} number {i}: once upon a time in a land" for i in range(count)]
        streams = [server.begin("/completion", completion(prompt, GENERATED)) for prompt in prompts]
        server.follow(*streams)
        end = max(stream.arrivals[-1] for stream in streams)
        tokens = sum(stream.tokens for stream in streams)
        if count == 1:
            rates.append((tokens - 1) / (end - streams[0].arrivals[0]))
        else:
            rates.append(tokens / (end - streams[0].began))
    return statistics.fmean(rates)


def _server_prompts(server: LlamaServer, run: int) -> Curve:
    server.call("/completion", completion("warm up the engine", 8))
    curve = {}
    for length in PROMPTS:
        rates = []
        for text in _prompts(length, run):
            stream = server.begin("/completion", completion(text, 1))
            server.follow(stream)
            rates.append(length / (stream.arrivals[0] - stream.began))
        curve[length] = statistics.fmean(rates)
    return curve
