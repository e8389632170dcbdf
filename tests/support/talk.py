"""A conversation in tokens with one model: what it says, what it reuses, and what a context without a past says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import made_models
import pytest
from driver import Message, Sidecar
from process_work import made_contexts

from models import GEMMA3, SMOLLM2

SIZE = 2048
STEP = 64
"""Tokens per step where a test asks for small ones."""

SHORT = 8
"""Tokens to generate."""

ENDLESS: dict[str, Any] = {"length": 10**9, "contextOverflow": "shift"}
"""What `Talk.send` takes for a text that lasts until it is aborted."""

PATIENCE_S = 300
"""Seconds for one text; a busy machine takes long for Gemma's long prompt."""

NEAR = 0.1
"""Largest difference of probabilities: a batch rounds differently from single tokens."""

TEMPLATE = "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}> "
SYSTEM = "[system] {}\n[user] "
"""What TEMPLATE makes of a system prompt, up to what the user says."""

Make = Callable[..., str]


class Talk:
    """A program with one model, and conversations with it, in tokens.

    The real models continue to count, each token far more likely than the next best.
    """

    def __init__(self, sidecar: Sidecar, path: str, kind: str) -> None:
        self.sidecar = sidecar
        self.path = path
        self.kind = kind
        self.has_state = kind in ("recurrent", "hybrid")
        """Whether a cache can go back to checkpoints only."""
        self.keeps_all = kind not in ("recurrent", "hybrid", "windows")
        """Whether a cache can go back to each token."""
        self.long = 24 if kind in REAL else 40
        """Tokens to generate that take so long that something can happen meanwhile."""
        length = LENGTHS.get(kind, 34)
        half = length // 2
        self.prompt = self.tokens(counted(range(1, length)), addSpecial=True)
        self.other = self.tokens(counted([*range(1, half), *range(half, 2 * length, 2)]), addSpecial=True)
        self.common = shared(self.prompt, self.other)
        self.again = self.tokens(" " + counted(range(500, 504)))
        self._fresh: dict[tuple[int, ...], Message] = {}

    def tokens(self, text: str, **params: Any) -> list[int]:
        asked = {"modelId": "model-1", "text": text, **params}
        tokens: list[int] = self.sidecar.call("tokenize", asked)["tokens"]
        return tokens

    def least(self, count: int, step: int = STEP) -> int:
        """How many tokens are reused at least of `count` that are there: a step ends at each checkpoint."""
        return count if self.keeps_all else count // step * step

    def send(self, context_id: str, prompt: list[int], length: int, **params: Any) -> Any:
        greedy = {"temperature": 0, "ignoreEos": True, "logprobs": True}
        asked = {"contextId": context_id, "prompt": prompt, "maxTokens": length, **greedy, **params}
        return self.sidecar.send("complete", asked)

    def say(self, context_id: str, prompt: list[int], length: int = SHORT, **params: Any) -> Message:
        result: Message = self.sidecar.result(self.send(context_id, prompt, length, **params), PATIENCE_S)
        return result

    def chat(self, context_id: str, messages: list[Message]) -> Message:
        greedy = {"temperature": 0, "ignoreEos": True, "maxTokens": SHORT, "chatTemplate": TEMPLATE}
        asked = {"contextId": context_id, "messages": messages, **greedy}
        result: Message = self.sidecar.call("chat", asked, PATIENCE_S)
        return {**result, "text": result["message"]["content"]}

    def fresh(self, prompt: list[int]) -> Message:
        """The answer of a context that has computed nothing else."""
        key = tuple(prompt)
        if key not in self._fresh:
            with made_contexts(self.sidecar, contextSize=SIZE, threads=1) as make:
                self._fresh[key] = self.say(make(), prompt, self.long)
        return self._fresh[key]

    def assert_as_fresh(self, result: Message, prompt: list[int]) -> None:
        """The same tokens, each with the same probability."""
        expected, count = self.fresh(prompt), result["usage"]["completionTokens"]
        assert said(result) == said(expected)[:count]
        assert likely(result) == pytest.approx(likely(expected)[:count], abs=NEAR)


def counted(numbers: Iterable[int]) -> str:
    return " ".join(f"{number}," for number in numbers)


def said(result: Message) -> list[int]:
    return [entry["id"] for entry in result["logprobs"]]


def likely(result: Message) -> list[float]:
    return [math.exp(entry["logprob"]) for entry in result["logprobs"]]


def cached(result: Message) -> int:
    count: int = result["usage"]["cachedTokens"]
    return count


def shared(left: list[int], right: list[int]) -> int:
    return next(i for i, (one, other) in enumerate(zip(left, right, strict=False)) if one != other)


MADE = {
    "attention": made_models.talking_attention,
    "recurrent": made_models.talking_recurrent,
    "hybrid": made_models.talking_hybrid,
    "windows": made_models.talking_windows,
}
REAL = {"llama": SMOLLM2, "gemma": GEMMA3}
LENGTHS = {"windows": 60, "llama": 44, "gemma": 160}
"""Numbers that are counted. The cache of a window has 256 places, of which some must be overwritten. Gemma looks 512
tokens back, and a batch is kept as well."""
