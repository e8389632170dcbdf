"""How cost grows: with the number of streams (`streams`), and with the length of a prompt (`prompts`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TypeAlias

import ours
import workload
from peers import llama_tools, node_llama_cpp, server
from peers.llama_tools import LlamaTools
from peers.node_llama_cpp import NodeLlamaCpp
from pipe import Pipe
from table import Row

from groups.setting import Setting

STREAMS = (1, 2, 4, 8)
SEQUENCES = 16
"""Of the context, also for fewer streams."""

PROMPTS = (16, 128, 512)
LONGEST = 4096
"""Compared with llama-bench alone: on a slow processor such a prompt takes half a minute, so there are fewer
pairs of it there."""

LONG_CONTEXT = 4352
SECONDS = 60.0
"""At most, per comparison. The table says how many pairs that made."""

LONGEST_SECONDS = 180.0
"""The same for the longest prompt."""

STREAMS_WHAT, PROMPTS_WHAT = "streams: {}", "tokens in the prompt: {:,}"
SPEED = "tokens/s"
Readings: TypeAlias = "dict[str, Callable[[int], float]]"
"""Peer → its reading for a number of streams, or for a length of the prompt."""


def streams(setting: Setting) -> list[Row]:
    """Speed by the number of streams, on a context with SEQUENCES."""
    setting = setting.within(SECONDS)
    with ExitStack() as stack:
        pipe = ours.ready(setting.program, setting.model, SEQUENCES)
        stack.callback(pipe.close)
        readings: Readings = {}
        if tools := LlamaTools.find(setting.model):
            readings[llama_tools.BATCHED] = tools.stream_speed
        if running := server.start(setting.model, SEQUENCES, workload.STREAM_CONTEXT):
            readings[server.NAME] = partial(server.stream_speed, stack.enter_context(running))
        if node := None if setting.quick else NodeLlamaCpp.start(setting.model):
            stack.callback(node.close)
            readings[node_llama_cpp.NAME] = lambda count: node.stream_speed(count, SEQUENCES)
        return [
            setting.compare(
                STREAMS_WHAT.format(count),
                SPEED,
                peer,
                partial(ours.stream_speed, pipe, count),
                partial(read, count),
            )
            for count in STREAMS
            for peer, read in readings.items()
        ]


def prompts(setting: Setting) -> list[Row]:
    """Speed by the length of the prompt."""
    with ExitStack() as stack:
        pipe = ours.ready(setting.program, setting.model, 1, LONG_CONTEXT)
        stack.callback(pipe.close)
        readings: Readings = {}
        tools = LlamaTools.find(setting.model)
        if tools:
            readings[llama_tools.BENCH] = tools.prompt_speed
        if running := server.start(setting.model, 1, LONG_CONTEXT):
            readings[server.NAME] = partial(server.prompt_speed, stack.enter_context(running))
        if node := None if setting.quick else NodeLlamaCpp.start(setting.model):
            stack.callback(node.close)
            readings[node_llama_cpp.NAME] = lambda length: node.prompt_speed(
                workload.new_words(length), LONG_CONTEXT
            )
        asked = [(length, peer, read, SECONDS) for length in PROMPTS for peer, read in readings.items()]
        if tools and not setting.quick:
            asked.append((LONGEST, llama_tools.BENCH, tools.prompt_speed, LONGEST_SECONDS))
        return [
            setting.within(seconds).compare(
                PROMPTS_WHAT.format(length), SPEED, peer, partial(_ours, pipe, length), partial(read, length)
            )
            for length, peer, read, seconds in asked
        ]


def _ours(pipe: Pipe, length: int) -> float:
    return ours.prompt_speed(pipe, workload.new_words(length))
