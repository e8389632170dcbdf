"""Made-up output of a model, cut into pieces anywhere, and how a Reply splits it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from sidecar.core.output.calls.call_forms import CallForm
from sidecar.core.output.calls.tools import Tools
from sidecar.core.output.message_headers import NO_HEADERS, Headers
from sidecar.core.output.reasoning import FAMILIES, ReasoningMarks
from sidecar.core.output.reply import Reply

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "now"}},
]
CUTS = 25
"""Random ways in which each stream is cut."""

THINK = next(family for family in FAMILIES if family.start == "<think>")

Said = tuple[str, str, list[tuple[str, str]]]
"""Text, reasoning, calls."""


def pieces(stream: str) -> Iterator[list[str]]:
    """The stream in one piece, in single characters, and cut at random."""
    yield [stream]
    yield list(stream)
    chance = random.Random(stream)
    for _ in range(CUTS):
        cuts = sorted(chance.choices(range(len(stream) + 1), k=chance.randrange(1, 9)))
        yield [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def read(
    parts: list[str],
    reasoning: ReasoningMarks | None,
    form: CallForm | None,
    *,
    opened: bool = False,
    headers: Headers = NO_HEADERS,
    reason: str = "stop",
) -> tuple[Said, str]:
    """The texts of a reply to a stream, and its finish reason; the joined deltas must equal the final texts."""
    reply = Reply(reasoning, form, Tools(TOOLS, "auto") if form else None, headers)
    if opened:
        reply.begin_reasoning()
    deltas = []
    for part in parts:
        reply.feed(part)
        deltas += reply.take_deltas()
    reason = reply.end(reason)
    deltas += reply.take_deltas()
    message = reply.result()["message"]
    calls = message.get("toolCalls", [])
    joined: dict[Any, str] = {}
    for delta in deltas:
        assert delta.text
        key = (delta.segment, delta.call["index"] if delta.call else None)
        joined[key] = joined.get(key, "") + delta.text
        if delta.call and delta.call["index"] < len(calls):
            assert delta.call["id"] == calls[delta.call["index"]]["id"]
    assert joined.pop(("text", None), "") == message["content"]
    assert joined.pop(("reasoning", None), "") == message.get("reasoningContent", "")
    for index, call in enumerate(calls):
        assert joined.pop(("toolCall", index)) == call["function"]["arguments"]
    assert not joined or reason != "stop"
    said = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    return (message["content"], message.get("reasoningContent", ""), said), reason


OSLO = '{"city": "Oslo"}'
