"""`llama-sidecar demo`: the main job with its messages shown, as an app would have it."""

from __future__ import annotations

import sys
from typing import Any

from sidecar.cli.client import Client, SidecarFailed

MAX_SHOWN_CHARS = 160


def demo(model_path: str, prompt: str) -> int:
    """Load a model, ask it, stream the answer. Returns the exit status."""
    say = _Transcript()
    try:
        with Client(say.line) as client:
            client.call("init", {"gpu": "auto"})
            model = client.call("loadModel", {"path": model_path}, say.progress)
            context = client.call("createContext", {"modelId": model["modelId"], "contextSize": 1024})
            messages = [{"role": "user", "content": prompt}]
            params = {
                "contextId": context["contextId"],
                "messages": messages,
                "maxTokens": 200,
                "temperature": 0,
            }
            answer = client.call("chat", params, say.progress)
            say.end()
            usage, timings = answer["usage"], answer["timings"]
            print(
                f"\n{usage['completionTokens']} tokens, {timings['tokensPerSecond']} a second, "
                f"the first after {timings['timeToFirstTokenMs']:.0f} ms."
            )
            client.call("shutdown")
    except SidecarFailed as error:
        say.end()
        print(f"llama-sidecar: {error}", file=sys.stderr)
        return 1
    return 0


class _Transcript:
    """Shows the lines as they pass, and the answer as text."""

    def __init__(self) -> None:
        self._answering = False

    def line(self, direction: str, line: bytes) -> None:
        if b'"progressType":"generate"' in line:
            return
        text = line.decode("ascii").strip()
        self.end()
        print(f"{direction} {text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + ' …'}")

    def progress(self, _method: str, params: dict[str, Any]) -> None:
        if params.get("progressType") == "generate":
            if not self._answering:
                print()
            self._answering = True
            print(params["delta"], end="", flush=True)

    def end(self) -> None:
        if self._answering:
            print()
            self._answering = False
