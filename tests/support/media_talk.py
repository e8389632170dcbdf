"""A program with made pairs of a model and a projector, and what is asked about pictures and sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import media_cases
import pytest
from driver import Sidecar
from gguf_files import CHAT_TEMPLATE
from process_work import EXACT

SIZE = 1024
"""Tokens of a context."""

MARKS = len("<|vision_start|><|vision_end|>")
"""Tokens around a picture of qwen2vl: the made model has none of their own for these."""

NEAR = 0.001
"""Largest difference of logarithms of probabilities. Another picture makes a larger one."""


class MediaTalk:
    """Loads each pair when it is first asked for. Answers are the likeliest tokens; a token of text is a byte."""

    def __init__(self, program: list[str], folder: Path) -> None:
        self.sidecar = Sidecar(program, stderr=folder / "stderr.txt")
        # With one thread, because several wait for other busy programs.
        own = {"maxThreads": 1, "mediaDirectories": [str(folder)]}
        self.sidecar.call("init", {"protocolVersion": 1, **own})
        self.folder = folder
        self._models: dict[str, str] = {}
        self._fresh: dict[str, dict[str, Any]] = {}

    def model(self, pair: str, **params: Any) -> str:
        """The id of a pair's model. With `params`, it is loaded once more."""
        if pair in self._models and not params:
            return self._models[pair]
        model, projector = media_cases.made_pair(pair, self.folder)
        asked = {"path": model, "projectorPath": projector, **params}
        loaded: str = self.sidecar.call("loadModel", asked)["modelId"]
        if not params:
            self._models[pair] = loaded
        return loaded

    @contextmanager
    def context(self, pair: str, **params: Any) -> Iterator[str]:
        """A context with nothing in its cache, which does not outlive the block."""
        asked = {"modelId": self.model(pair), "contextSize": SIZE, **EXACT, **params}
        context: str = self.sidecar.call("createContext", asked)["contextId"]
        yield context
        self.sidecar.call("disposeContext", {"contextId": context})

    def params(self, pair: str, context: str, turns: Sequence[Any], **params: Any) -> dict[str, Any]:
        """Those of a chat: turns of user and assistant, each a text or a list of parts."""
        roles = ("user", "assistant")
        messages = [{"role": roles[n % 2], "content": content} for n, content in enumerate(turns)]
        own: dict[str, Any] = {"temperature": 0, "maxTokens": 8, "logprobs": True}
        if pair == "gemma3":  # it has no template of its own
            own["chatTemplate"] = CHAT_TEMPLATE
        return {"contextId": context, "messages": messages, **own, **params}

    def say(self, pair: str, context: str, *turns: Any, **params: Any) -> dict[str, Any]:
        """The result of a chat."""
        result: dict[str, Any] = self.sidecar.call("chat", self.params(pair, context, turns, **params))
        return result

    def fresh(self, pair: str, *turns: Any, **params: Any) -> dict[str, Any]:
        """The same in a context of its own; asked only once."""
        key = repr((pair, turns, params))
        if key not in self._fresh:
            with self.context(pair) as context:
                self._fresh[key] = self.say(pair, context, *turns, **params)
        return self._fresh[key]


def text_of(result: dict[str, Any]) -> str:
    """What a chat said."""
    text: str = result["message"]["content"]
    return text


def logprobs_of(result: dict[str, Any]) -> list[float]:
    """How likely each token of a chat was."""
    return [entry["logprob"] for entry in result["logprobs"]]


def assert_same(result: dict[str, Any], expected: dict[str, Any]) -> None:
    """Two chats said the same, and for the same reasons: each token was as likely."""
    assert text_of(result) == text_of(expected)
    assert logprobs_of(result) == pytest.approx(logprobs_of(expected), abs=NEAR)


def parts(text: str, *files: bytes) -> list[dict[str, Any]]:
    """A message with a file at each @."""
    return list(media_cases.Case("", text, files).parts())
