"""What a conversation costs that was there before: its next turn, and a switch to it. Compared with a new one.

And what the checkpoints that make this possible cost a stream. Compared with a context that takes none.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count, cycle
from pathlib import Path

import ours
from pipe import Message, Pipe
from table import Row

from groups.setting import Setting

sys.path[:0] = [str(Path(__file__).parents[i] / folder) for i, folder in ((2, "support"), (3, "build"))]
import made_models  # noqa: E402

from models import GEMMA3  # noqa: E402

HISTORY = 2000
"""Tokens of the conversation whose next turn is read."""

CONVERSATIONS, SEQUENCES, LENGTH = 8, 2, 800
"""How many conversations take turns in how many sequences, and how many tokens each begins with."""

QUESTION = 8
"""New tokens of a turn."""

STREAM = 600
"""Tokens of a stream, which takes at least one checkpoint meanwhile."""

EACH_S = 120.0
"""Time for each comparison."""


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    setting = setting.within(EACH_S)
    with tempfile.TemporaryDirectory() as folder:
        hybrid = made_models.hybrid(Path(folder) / "hybrid.gguf", 12, 512, made_models.talking_model)
        models = {"SmolLM2": setting.model, "Gemma 3, windows": str(GEMMA3.path), "made hybrid": hybrid}
        found = [_next_turn(setting, name, path) for name, path in models.items()]
        found += [_stream(setting, name, path) for name, path in models.items() if name != "SmolLM2"]
    return [*found, _switch(setting)]


def _next_turn(setting: Setting, name: str, path: str) -> Row:
    with _ready(setting, path, 1) as (pipe, tokens):
        history = tokens(HISTORY)
        _first_token(pipe, history)

        def next_turn() -> float:
            return _turn(pipe, history, tokens)

        def new() -> float:
            text = tokens(len(history))
            seconds = _first_token(pipe, text)
            _first_token(pipe, history)  # it has its sequence again
            return seconds

        what = f"first token of the next turn, {HISTORY} tokens before it, {name}"
        return setting.compare(what, "ms", "a new conversation", next_turn, new)


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


def _switch(setting: Setting) -> Row:
    with _ready(setting, setting.model, SEQUENCES) as (pipe, tokens):
        conversations = [tokens(LENGTH) for _ in range(CONVERSATIONS)]
        for conversation in conversations:
            _first_token(pipe, conversation)
        turns = cycle(conversations)
        what = f"first token after a switch, {CONVERSATIONS} conversations in {SEQUENCES} sequences"
        return setting.compare(
            what,
            "ms",
            "a new conversation",
            lambda: _turn(pipe, next(turns), tokens),
            lambda: _first_token(pipe, tokens(LENGTH)),
        )


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


def _turn(pipe: Pipe, conversation: list[int], tokens: Callable[[int], list[int]]) -> float:
    """Ask a conversation, which grows by the question. Raises AssertionError if it was evaluated again."""
    conversation += tokens(QUESTION)
    seen: list[Message] = []
    elapsed = _first_token(pipe, conversation, seen)
    assert seen[0]["usage"]["cachedTokens"] >= len(conversation) - 3 * QUESTION, seen
    return elapsed


def _first_token(pipe: Pipe, prompt: list[int], seen: list[Message] | None = None) -> float:
    """Milliseconds until the answer of one token."""
    begin = time.perf_counter()
    result = pipe.call("complete", {**ours.completion("", 1), "prompt": prompt})
    if seen is not None:
        seen.append(result)
    return 1000 * (time.perf_counter() - begin)
