"""A process that stays alive between readings: one JSON object per line in, one per line out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

END_S = 30.0


class Script:
    """A running script. `greeting` is the first object that it writes."""

    def __init__(self, command: Sequence[object], env: dict[str, str] | None = None) -> None:
        words = [str(word) for word in command]
        self._name = next((word for word in words if word.endswith((".py", ".mjs"))), words[0])
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=env
        )
        self.greeting = self._answer()

    def ask(self, task: str, **params: Any) -> Any:
        """Let it do something; returns the result."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"task": task, **params}) + "\n")
        self.process.stdin.flush()
        return self._answer()["result"]

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
            sys.stderr.write(line)  # a library said something
        raise RuntimeError(f"{self._name} ended with {self.process.wait()}; its words are above")

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(END_S)
        finally:
            self.process.kill()  # if it hangs
            self.process.stdout.close()

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
