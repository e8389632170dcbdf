"""node-llama-cpp: the library that an Electron developer would use instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import workload
from pipe import memory_mb
from workload import THREADS

from peers import install
from peers.script import Script

NAME = "node-llama-cpp"
SCRIPT = Path(__file__).with_name("node_llama_cpp.mjs")


class NodeLlamaCpp:
    """A process with the model loaded; readings as in ours.py. It keeps each context that a reading asks for."""

    def __init__(self, folder: Path, model: str) -> None:
        self._script = Script(["node", SCRIPT, folder, model, THREADS])
        greeting = self._script.greeting
        self.build_type: str = greeting["buildType"]
        """`prebuilt`, or `localBuild` if this machine compiled it."""
        self.init_ms: float = greeting["initMs"]
        """Its import and getLlama."""
        self.load_ms: float = greeting["loadMs"]

    @classmethod
    def start(cls, model: str) -> NodeLlamaCpp | None:
        """A running one, if it is installed."""
        folder = install.node_llama_cpp()
        return cls(folder, model) if folder else None

    def prompt_speed(self, text: str, context: int, sequences: int = 1) -> float:
        """See ours.prompt_speed."""
        return float(self._script.ask("prompt", text=text, contextSize=context, sequences=sequences))

    def stream_speed(self, streams: int, sequences: int) -> float:
        """See ours.stream_speed."""
        task = {"prompts": workload.stories(streams), "tokens": workload.STREAM_TOKENS}
        size = {"contextSize": workload.STREAM_CONTEXT, "sequences": sequences}
        return float(self._script.ask("streams", **task, **size))

    def turns(self) -> dict[str, float]:
        """See ours.turns."""
        task: dict[str, Any] = {
            "system": workload.history()[0]["content"],
            "questions": workload.QUESTIONS,
            "tokens": workload.TURN_TOKENS,
            "contextSize": workload.CHAT_CONTEXT,
        }
        found: dict[str, float] = self._script.ask("turns", **task)
        return found

    def gap(self) -> dict[str, float]:
        """See ours.gap."""
        task: dict[str, Any] = {
            "prompt": workload.new_words(workload.GAP_PROMPT),
            "streams": workload.requests(workload.GAP_STREAMS),
            "tokens": workload.GAP_TOKENS,
            "pieces": workload.GAP_PIECES,
            "contextSize": workload.CHAT_CONTEXT,
        }
        found: dict[str, float] = self._script.ask("gap", **task)
        return found

    def embed_speed(self, texts: list[str]) -> float:
        """Texts per second."""
        return float(self._script.ask("texts", texts=texts))

    def editing(self) -> dict[str, float]:
        """Speed of the editing task `without` and `with` prompt look-up, and the speed-up."""
        task = {"prompt": workload.EDITING, "tokens": workload.EDITED_TOKENS, "contextSize": 1024}
        found: dict[str, float] = self._script.ask("editing", **task)
        return {**found, "speed-up": found["with"] / found["without"]}

    def memory_mb(self) -> float:
        """See pipe.memory_mb."""
        return memory_mb(self._script.process.pid)

    def close(self) -> None:
        """End it."""
        self._script.close()
