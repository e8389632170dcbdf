"""How fast the program is: one stream, eight streams, a prompt; and the memory of all processes."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import ours
import peers
import workload
from peers import llama_tools, node_llama_cpp
from peers.llama_tools import LlamaTools
from peers.node_llama_cpp import NodeLlamaCpp
from peers.script import Script
from pipe import Pipe, Program, memory_mb
from table import Row

from groups.setting import Setting

STREAMS = 8
ONE, EIGHT, PROMPT = "one stream", "eight streams, prompts included", "prompt of 441 tokens"
MEMORY = "memory of 8 × 1024 context"
ORDER = (ONE, EIGHT, PROMPT, MEMORY)
SPEED = "tokens/s"
BARE_LOOP = Path(peers.__file__).with_name("bare_loop.py")


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    with closing(ours.ready(setting.program, setting.model, STREAMS)) as pipe:
        found = _tools(setting, pipe) + _bare_loop(setting, pipe) + _node(setting, pipe)
    found.append(_memory(setting))
    return sorted(found, key=lambda row: ORDER.index(row.what))


def our_memory_mb(program: Program, model: str) -> float:
    """One reading of MEMORY, alone on the machine: pages of the model that others map, too, would count in part."""
    with closing(ours.ready(program, model, STREAMS)) as pipe:
        ours.stream_speed(pipe, STREAMS)
        return memory_mb(pipe.process.pid)


def our_prompt_speed(pipe: Pipe) -> float:
    """One reading of PROMPT."""
    return ours.prompt_speed(pipe, workload.long_prompt())


def _tools(setting: Setting, pipe: Pipe) -> list[Row]:
    tools = LlamaTools.find(setting.model)
    if tools is None:
        return []
    bench, batched = llama_tools.BENCH, llama_tools.BATCHED
    one, eight = (partial(ours.stream_speed, pipe, count) for count in (1, STREAMS))
    prompt = partial(tools.prompt_speed, workload.LONG_PROMPT_TOKENS)
    return [
        setting.compare(ONE, SPEED, bench, one, tools.one_stream_speed),
        setting.compare(EIGHT, SPEED, batched, eight, partial(tools.stream_speed, STREAMS)),
        setting.compare(PROMPT, SPEED, bench, partial(our_prompt_speed, pipe), prompt),
    ]


def _bare_loop(setting: Setting, pipe: Pipe) -> list[Row]:
    with Script([sys.executable, BARE_LOOP, setting.model, workload.THREADS]) as loop:
        return [
            setting.compare(
                ONE,
                SPEED,
                name,
                partial(ours.stream_speed, pipe, 1),
                partial(loop.ask, "loop", tokens=workload.STREAM_TOKENS, sampled=sampled),
            )
            for name, sampled in (("bare loop that samples", True), ("bare loop that does not", False))
        ]


def _node(setting: Setting, pipe: Pipe) -> list[Row]:
    node = None if setting.quick else NodeLlamaCpp.start(setting.model)
    if node is None:
        return []
    with closing(node):
        setting.say(f"{node_llama_cpp.NAME} is {node.build_type}")
        found = [
            setting.compare(
                what,
                SPEED,
                node_llama_cpp.NAME,
                partial(ours.stream_speed, pipe, streams),
                partial(node.stream_speed, streams, STREAMS),
            )
            for what, streams in ((ONE, 1), (EIGHT, STREAMS))
        ]
        found.append(
            setting.compare(
                PROMPT,
                SPEED,
                node_llama_cpp.NAME,
                partial(our_prompt_speed, pipe),
                lambda: node.prompt_speed(workload.long_prompt(), workload.STREAM_CONTEXT, STREAMS),
            )
        )
    return found


def _memory(setting: Setting) -> Row:
    setting.say(MEMORY)
    mine = our_memory_mb(setting.program, setting.model)
    node = None if setting.quick else NodeLlamaCpp.start(setting.model)
    if node is None:
        return Row(MEMORY, "MB", mine)
    with closing(node):
        node.stream_speed(STREAMS, STREAMS)
        return Row(MEMORY, "MB", mine, node_llama_cpp.NAME, node.memory_mb())
