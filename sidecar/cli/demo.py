"""`llama-sidecar demo`: loads a model, asks it one question and shows every message, as an app would send it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sidecar.cli.client import Client, SidecarFailed

if TYPE_CHECKING:
    from sidecar.message_handler._types import (
        ChatParams,
        ChatResult,
        CreateContextResult,
        LoadModelResult,
        Progress,
    )

MAX_SHOWN_CHARS = 160


def demo(model_path: str, prompt: str) -> int:
    """Load a model, ask it and print the answer as it is generated. Returns the exit status."""
    transcript = _Transcript()
    try:
        with Client(transcript.line) as client:
            client.call("init", {"gpu": "auto"})
            model: LoadModelResult = client.call("loadModel", {"path": model_path}, transcript.progress)
            context: CreateContextResult = client.call(
                "createContext", {"modelId": model["modelId"], "contextSize": 1024}
            )
            params: ChatParams = {
                "contextId": context["contextId"],
                "messages": [{"role": "user", "content": prompt}],
                "maxTokens": 200,
                "temperature": 0,
            }
            answer: ChatResult = client.call("chat", params, transcript.progress)
            transcript.end()
            usage, timings = answer["usage"], answer["timings"]
            print(
                f"\n{usage['completionTokens']} tokens, {timings['tokensPerSecond']} per second, "
                f"the first after {timings['timeToFirstTokenMs'] or 0:.0f} ms."
            )
            client.call("shutdown")
    except SidecarFailed as error:
        transcript.end()
        print(f"llama-sidecar: {error}", file=sys.stderr)
        return 1
    return 0


class _Transcript:
    """Prints every message, and the answer as text."""

    def __init__(self) -> None:
        self._answering = False

    def line(self, direction: str, line: bytes) -> None:
        if b'"progressType":"generate"' in line:
            return
        text = line.decode("ascii").strip()
        self.end()
        print(f"{direction} {text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + ' …'}")

    def progress(self, method: str, params: Progress) -> None:
        if method == "progress" and params["progressType"] == "generate":
            if not self._answering:
                print()
            self._answering = True
            print(params["delta"], end="", flush=True)

    def end(self) -> None:
        if self._answering:
            print()
            self._answering = False
