"""What kinds of contexts cost, compared with the default one: one pool of tokens for all sequences, and the same text
on request."""

from __future__ import annotations

import time
from functools import partial

import ours
import workload
from pipe import Pipe
from table import Row

from groups.setting import Setting

CONVERSATIONS: dict[str, tuple[int, ...]] = {
    "1 conversation of 1,000 tokens": (1000,),
    "2 of 40 and 800": (40, 800),
    "4 of 20 to 640": (20, 40, 160, 640),
    "8 of 20 to 640": (20, 20, 20, 20, 40, 80, 160, 640),
    "8 of 130": (130,) * 8,
}
SEQUENCES = 8
PART = 1088
"""Tokens of a sequence: room for the longest conversation and its new tokens."""

TOKENS = 32
"""New tokens of each conversation in a reading."""

STREAMS, PROMPT = 4, 512
EACH_S = 30.0
"""Time for each comparison, at most."""


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    setting = setting.within(EACH_S)
    pipe = ours.ready(setting.program, setting.model, SEQUENCES, PART)
    try:
        pool = ours.add_context(pipe, contextSize=SEQUENCES * PART, sequences=SEQUENCES, kvUnified=True)
        found = [_pool(setting, pipe, pool, *each) for each in CONVERSATIONS.items()]
        same = ours.add_context(pipe, contextSize=PART, sequences=SEQUENCES, reproducible=True)
        return found + _reproducible(setting, pipe, same)
    finally:
        pipe.close()


def _pool(setting: Setting, pipe: Pipe, pool: str, name: str, lengths: tuple[int, ...]) -> Row:
    prompts = [workload.new_words(length) for length in lengths]
    readings = [partial(_speed, pipe, context, prompts, TOKENS) for context in (pool, "context-1")]
    for read in readings:
        read()  # from now on each has its sequence
    return setting.compare(f"{name}, one pool", "tokens/s", "parts", *readings)


def _reproducible(setting: Setting, pipe: Pipe, same: str) -> list[Row]:
    def prompt(context: str) -> float:
        return ours.prompt_speed(pipe, workload.new_words(PROMPT), context)

    def streams(context: str) -> float:
        return _speed(pipe, context, [workload.new_words(PROMPT // 16) for _ in range(STREAMS)], TOKENS)

    return [
        setting.compare(
            f"{what}, reproducible", "tokens/s", "not", partial(read, same), partial(read, "context-1")
        )
        for what, read in ((f"prompt of {PROMPT} tokens", prompt), (f"{STREAMS} streams", streams))
    ]


def _speed(pipe: Pipe, context: str, prompts: list[str], tokens: int) -> float:
    """Of all new tokens together, by the client's clock."""
    begin = time.perf_counter()
    answers = pipe.responses(
        {pipe.send("complete", ours.completion(prompt, tokens, context)) for prompt in prompts}
    )
    taken = time.perf_counter() - begin
    if wrong := [message for message, _ in answers.values() if "error" in message]:
        raise RuntimeError(f"complete: {wrong[0]['error']['message']}")
    return len(prompts) * tokens / taken
