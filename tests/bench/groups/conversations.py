"""What a conversation costs that was there before: its next turn, and a switch to it.

Compared with a new conversation, and with llama-server, which has its defaults. And what makes this possible: the
memory of a cache with sliding windows, and what checkpoints cost a stream.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count, cycle
from pathlib import Path

import ours
from peers import server
from peers.llama_server import LlamaServer
from pipe import Message, Pipe
from table import Row

from groups.setting import Setting

sys.path[:0] = [str(Path(__file__).parents[i] / folder) for i, folder in ((2, "support"), (3, "build"))]
import made_models  # noqa: E402
import model_memory  # noqa: E402

from models import GEMMA3  # noqa: E402

HISTORY = 2000
"""Tokens of the conversation whose next turn is read."""

CONVERSATIONS, SEQUENCES, LENGTH = 8, 2, 800
"""How many conversations take turns in how many sequences, and how many tokens each begins with."""

QUESTION = 8
"""New tokens of a turn."""

STREAM = 600
"""Tokens of a stream, which takes at least one checkpoint meanwhile."""

CONTEXT = 32_768
"""Tokens of the context whose memory is read."""

EACH_S = 60.0
"""Time for each comparison."""

Ask = Callable[[list[int]], tuple[float, int]]
"""Asks for one token after a text. Returns the milliseconds, and how many tokens of the text were evaluated."""


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    setting = setting.within(EACH_S)
    with tempfile.TemporaryDirectory() as folder:
        hybrid = made_models.hybrid(Path(folder) / "hybrid.gguf", 12, 512, made_models.talking_model)
        models = {"SmolLM2": setting.model, "Gemma 3, windows": str(GEMMA3.path), "made hybrid": hybrid}
        found = [_memory(setting)]
        for name, path in models.items():
            found += _next_turn(setting, name, path)
        found += [_stream(setting, name, path) for name, path in models.items() if name != "SmolLM2"]
    return [*found, *_switch(setting)]


def _memory(setting: Setting) -> Row:
    what = f"keys and values of {CONTEXT:,} tokens, Gemma 3, windows"
    setting.say(what)
    path = str(GEMMA3.path)
    taken = model_memory.run(path, [{"contextSize": CONTEXT}])["contexts"][0]["KV"]
    peer = server.start(path, 1, CONTEXT, "-lv", "4")
    if peer is None:
        return Row(what, "MiB", taken / 2**20)
    with peer:
        return Row(what, "MiB", taken / 2**20, server.NAME, model_memory.sizes_in(peer.log)["KV"] / 2**20)


def _next_turn(setting: Setting, name: str, path: str) -> list[Row]:
    what = f"first token of the next turn, {HISTORY} tokens before it, {name}"
    with _ready(setting, path, 1) as (pipe, tokens):
        history = tokens(HISTORY)
        ask = partial(_ask, pipe)
        ask(history)
        evaluated: list[int] = []

        def new() -> float:
            milliseconds, _ = ask(tokens(len(history)))
            ask(history)  # it has its sequence again
            return milliseconds

        turn = partial(_turn, ask, history, tokens, evaluated)
        found = [setting.compare(what, "ms", "a new conversation", turn, new)]
        counted = Row(f"tokens evaluated in it, {QUESTION} are new, at most, {name}", "", max(evaluated))
        peer = server.start(path, 1, 2 * HISTORY)
        if peer is None:
            return [*found, counted]
        with peer:
            theirs, theirs_evaluated = list(history), list[int]()
            ask_peer = partial(_ask_server, peer)
            ask_peer(theirs)
            their_turn = partial(_turn, ask_peer, theirs, tokens, theirs_evaluated)
            found.append(setting.compare(what, "ms", server.NAME, turn, their_turn))
        return [*found, counted._replace(peer=server.NAME, theirs=max(theirs_evaluated))]


def _stream(setting: Setting, name: str, path: str) -> Row:
    with _ready(setting, path, 1) as (pipe, tokens):
        without = ours.add_context(pipe, contextSize=2 * HISTORY, checkpointBytes=0)

        def speed(context: str) -> float:
            asked = {**ours.completion("", STREAM, context), "prompt": tokens(QUESTION)}
            timings = pipe.call("complete", asked)["timings"]
            return float(timings["tokensPerSecond"])

        what = f"stream of {STREAM} tokens, {name}"
        return setting.compare(
            what, "tokens/s", "one without checkpoints", lambda: speed("context-1"), lambda: speed(without)
        )


def _switch(setting: Setting) -> list[Row]:
    what = f"first token after a switch, {CONVERSATIONS} conversations in {SEQUENCES} sequences"
    with ExitStack() as stack:
        pipe, tokens = stack.enter_context(_ready(setting, setting.model, SEQUENCES))
        turn = _turns(partial(_ask, pipe), tokens)
        found = [
            setting.compare(what, "ms", "a new conversation", turn, lambda: _ask(pipe, tokens(LENGTH))[0])
        ]
        if peer := server.start(setting.model, SEQUENCES, 2 * HISTORY):
            their_turn = _turns(partial(_ask_server, stack.enter_context(peer)), tokens)
            found.append(setting.compare(what, "ms", server.NAME, turn, their_turn))
        return found


def _turns(ask: Ask, tokens: Callable[[int], list[int]]) -> Callable[[], float]:
    """Begin all conversations. Returns what asks the next one of them."""
    conversations = [tokens(LENGTH) for _ in range(CONVERSATIONS)]
    for conversation in conversations:
        ask(conversation)
    turns = cycle(conversations)
    return lambda: _turn(ask, next(turns), tokens, [])


@contextmanager
def _ready(setting: Setting, path: str, sequences: int) -> Iterator[tuple[Pipe, Callable[[int], list[int]]]]:
    """A program with the model, and a function that makes texts of as many tokens that were not there before."""
    seeds = count(1)
    with closing(ours.ready(setting.program, path, sequences, 2 * HISTORY)) as pipe:
        words = pipe.call(
            "tokenize", {"modelId": "model-1", "text": "the quick brown fox jumps over a lazy dog"}
        )
        known: list[int] = words["tokens"]
        yield pipe, lambda length: random.Random(next(seeds)).choices(known, k=length)


def _turn(
    ask: Ask, conversation: list[int], tokens: Callable[[int], list[int]], evaluated: list[int]
) -> float:
    """Ask a conversation, which grows by the question. Returns the milliseconds."""
    conversation += tokens(QUESTION)
    milliseconds, count = ask(conversation)
    evaluated.append(count)
    return milliseconds


def _ask(pipe: Pipe, prompt: list[int]) -> tuple[float, int]:
    """See Ask."""
    begin = time.perf_counter()
    result: Message = pipe.call("complete", {**ours.completion("", 1), "prompt": prompt})
    milliseconds = 1000 * (time.perf_counter() - begin)
    return milliseconds, result["usage"]["promptTokens"] - result["usage"]["cachedTokens"]


def _ask_server(peer: LlamaServer, prompt: list[int]) -> tuple[float, int]:
    """See Ask."""
    body = {**server.completion("", 1), "prompt": prompt, "cache_prompt": True}
    begin = time.perf_counter()
    timings = peer.call("/completion", body)["timings"]
    return 1000 * (time.perf_counter() - begin), timings["prompt_n"]
