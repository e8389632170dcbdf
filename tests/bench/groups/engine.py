"""First tokens, a long prompt during streams, embeddings, prompt look-up, and the scheduler's share of a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import ours
import step_share
import workload
from pairs import Figures
from peers import node_llama_cpp, server
from peers.llama_server import LlamaServer
from peers.node_llama_cpp import NodeLlamaCpp
from pipe import Pipe
from table import Row

from groups.setting import Setting

TURNS_S, GAP_S, TEXTS_S, EDITING_S = 75.0, 90.0, 45.0, 60.0
"""Seconds per comparison, at most; all together end within 10 minutes on a slow processor."""

TEXTS = 16
EMBED = "short texts embedded"
SHARE_STREAMS = (1, 8)
CHATS, VECTORS = "context-2", "context-3"

TURNS = {
    "cold": (f"first token after {workload.HISTORY} tokens of history", "ms"),
    "second": ("first token of the second turn on it", "ms"),
    "warm": ("first token of another chat, same system prompt", "ms"),
}
GAP = {
    "gap": (f"worst gap of {workload.GAP_STREAMS} streams, {workload.GAP_PROMPT} tokens arrive", "ms"),
    "first": (f"first token of those {workload.GAP_PROMPT} tokens", "ms"),
}
EDITING = {
    "without": ("an editing task", "tokens/s"),
    "with": ("the same with prompt look-up", "tokens/s"),
    "speed-up": ("speed with look-up to speed without", "×"),
}


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    with _ours(setting) as pipe:
        same: list[bool] = []
        found = _server(setting, pipe, same) + _node(setting, pipe, same)
        if same:
            found.append(Row(f"same text with and without look-up, of {len(same)}", "", sum(same)))
    for streams in SHARE_STREAMS:
        setting.say(f"a step's share outside llama.cpp, streams: {streams}")
        share = step_share.measure(setting.model, workload.THREADS, streams)
        what = "one stream" if streams == 1 else f"{streams} streams"
        found.append(Row(f"outside llama.cpp in a step of {what}", "%", share["percent"]))
        found.append(Row(f"a step of {what}", "ms", share["stepMs"]))
    return found


@contextmanager
def _ours(setting: Setting) -> Iterator[Pipe]:
    pipe = ours.ready(setting.program, setting.model, 1)
    sequences = workload.GAP_STREAMS + 1
    assert ours.add_context(pipe, contextSize=workload.CHAT_CONTEXT, sequences=sequences) == CHATS
    assert ours.add_context(pipe, embeddings=True, pooling="mean") == VECTORS
    try:
        yield pipe
    finally:
        pipe.close()


def _editing(pipe: Pipe, same: list[bool]) -> Figures:
    figures, is_same = ours.editing(pipe)
    same.append(is_same)
    return figures


def _server(setting: Setting, pipe: Pipe, same: list[bool]) -> list[Row]:
    name, found = server.NAME, []
    with ExitStack() as stack:
        chats = server.start(setting.model, workload.GAP_STREAMS + 1, workload.CHAT_CONTEXT)
        lookup = server.start(setting.model, 1, 1024, *server.LOOKUP)
        vectors = server.start(setting.model, 32, 256, *server.EMBEDDING)
        if chats is None or lookup is None or vectors is None:
            return []
        for each in (chats, lookup, vectors):
            stack.enter_context(each)
        found += setting.within(TURNS_S).compare_figures(
            TURNS, name, partial(ours.turns, pipe, CHATS), partial(server.turns, chats)
        )
        found += setting.within(GAP_S).compare_figures(
            GAP, name, partial(ours.gap, pipe, CHATS), partial(server.gap, chats)
        )
        found.append(
            setting.within(TEXTS_S).compare(
                EMBED,
                "texts/s",
                name,
                lambda: ours.embed_speed(pipe, workload.texts(TEXTS), VECTORS),
                lambda: server.embed_speed(vectors, workload.texts(TEXTS)),
            )
        )
        found += setting.within(EDITING_S).compare_figures(
            EDITING, name, partial(_editing, pipe, same), partial(_server_editing, chats, lookup)
        )
    return found


def _server_editing(plain: LlamaServer, lookup: LlamaServer) -> Figures:
    found = {"without": server.editing_speed(plain), "with": server.editing_speed(lookup)}
    return {**found, "speed-up": found["with"] / found["without"]}


def _node(setting: Setting, pipe: Pipe, same: list[bool]) -> list[Row]:
    node = None if setting.quick else NodeLlamaCpp.start(setting.model)
    if node is None:
        return []
    name, found = node_llama_cpp.NAME, []
    with ExitStack() as stack:
        stack.callback(node.close)
        found += setting.within(TURNS_S).compare_figures(
            TURNS, name, partial(ours.turns, pipe, CHATS), node.turns
        )
        found += setting.within(GAP_S).compare_figures(GAP, name, partial(ours.gap, pipe, CHATS), node.gap)
        found.append(
            setting.within(TEXTS_S).compare(
                EMBED,
                "texts/s",
                name,
                lambda: ours.embed_speed(pipe, workload.texts(TEXTS), VECTORS),
                lambda: node.embed_speed(workload.texts(TEXTS)),
            )
        )
        found += setting.within(EDITING_S).compare_figures(
            EDITING, name, partial(_editing, pipe, same), node.editing
        )
    return found
