"""The scheduler's share of a step: the time between two batches that neither llama_decode nor a sampler takes.

As a script it is an engine process whose calls of llama.cpp are timed; the program itself has no code for this.
`python step_share.py STREAMS FILE` serves as `--role engine` does, and writes its figures when its stdin ends.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ours
from pipe import Pipe, Program

TOKENS = 150


class Steps:
    """Times of the steps in which every stream has one token."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._ended = 0.0
        """When the last such batch was computed; 0 after another kind of batch."""
        self._sampled_s = 0.0
        """Seconds in the sampler since then."""
        self.steps = 0
        self.whole_s = self.outside_s = 0.0

    def timed_decode(self, decode: Callable[..., int]) -> Callable[..., int]:
        """llama_decode, timed."""

        def timed(context: Any, batch: Any) -> int:
            begin = time.perf_counter()
            outside = begin - self._ended - self._sampled_s
            code = decode(context, batch)
            end = time.perf_counter()
            full = batch.n_tokens == self._streams
            if full and self._ended:
                self.steps += 1
                self.whole_s += end - self._ended
                self.outside_s += outside
            self._ended, self._sampled_s = end if full else 0.0, 0.0
            return code

        return timed

    def timed_sample(self, sample: Callable[..., int]) -> Callable[..., int]:
        """llama_sampler_sample, timed."""

        def timed(*arguments: Any) -> int:
            begin = time.perf_counter()
            token = sample(*arguments)
            self._sampled_s += time.perf_counter() - begin
            return token

        return timed

    def figures(self) -> dict[str, float]:
        """Share in percent, and the mean step."""
        percent = 100 * self.outside_s / self.whole_s
        return {"percent": percent, "stepMs": 1000 * self.whole_s / self.steps, "steps": self.steps}


def measure(model: str, threads: int, streams: int) -> dict[str, float]:
    """Figures for a number of streams, driven through the engine's own pipe."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        pipe = Pipe(Program([sys.executable, __file__, str(streams), str(file)]))
        # With the members that the router adds to requests.
        load = {"path": model, "modelId": "model-1", "maxThreads": threads, "gpu": "auto"}
        pipe.call("loadModel", load)
        context = {"modelId": "model-1", "contextId": "context-1", "contextSize": 1024, "sequences": streams}
        pipe.call("createContext", context)
        params = [ours.completion(f"Story number {i}: once upon a time", TOKENS) for i in range(streams)]
        answers = pipe.responses({pipe.send("complete", each) for each in params})
        assert all("result" in answer for answer, _ in answers.values()), answers
        pipe.close()
        figures: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def main() -> None:
    """Serve as an engine."""
    streams, file = sys.argv[1:]
    sys.argv[1:] = ["--role", "engine", "--log-level", "warning"]
    from sidecar.__main__ import main as serve
    from sidecar.core.llama.bindings import lib

    steps = Steps(int(streams))
    lib.llama_decode = steps.timed_decode(lib.llama_decode)
    lib.llama_sampler_sample = steps.timed_sample(lib.llama_sampler_sample)
    end = os._exit

    def report(status: int) -> None:
        try:
            Path(file).write_text(json.dumps(steps.figures()), encoding="utf-8")
        finally:
            end(status)

    os._exit = report  # type: ignore[assignment]
    serve()


if __name__ == "__main__":
    main()
