"""llama.cpp's own tools: what the library does with no protocol around it. Each reading is one process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from workload import STREAM_CONTEXT, STREAM_TOKENS, THREADS

from peers import install

BENCH, BATCHED = "llama-bench", "llama-batched-bench"
STREAM_PROMPT = 14
"""Tokens of the prompts with which streams begin; see workload.stories."""

WARM_PROMPT = 1024
"""From this length on, a prompt is not evaluated once before it is measured: that would double a long reading."""


class LlamaTools:
    """Both tools, for one model."""

    def __init__(self, bench: Path, batched: Path, model: str) -> None:
        self._bench, self._batched, self._model = bench, batched, model

    @classmethod
    def find(cls, model: str) -> LlamaTools | None:
        """They, if they are there."""
        bench, batched = install.tool(BENCH), install.tool(BATCHED)
        return cls(bench, batched, model) if bench and batched else None

    def prompt_speed(self, tokens: int) -> float:
        """Of a prompt, in tokens per second."""
        return self._one("-p", str(tokens), "-n", "0", *(["--no-warmup"] if tokens >= WARM_PROMPT else []))

    def one_stream_speed(self) -> float:
        """Of one stream, by llama-bench, in tokens per second."""
        return self._one("-p", "0", "-n", str(STREAM_TOKENS))

    def stream_speed(self, streams: int) -> float:
        """Of all streams together, by llama-batched-bench, counted as in ours.stream_speed."""
        options = [
            "-c",
            str(streams * STREAM_CONTEXT),
            "-npp",
            str(STREAM_PROMPT),
            "-ntg",
            str(STREAM_TOKENS),
        ]
        output = self._run(self._batched, *options, "-npl", str(streams), "--output-format", "jsonl")
        (row,) = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return float(row["speed_tg"] if streams == 1 else streams * row["tg"] / row["t"])

    def _one(self, *options: str) -> float:
        (row,) = json.loads(self._run(self._bench, "-o", "json", "-r", "1", *options))
        return float(row["avg_ts"])

    def _run(self, program: Path, *options: str) -> str:
        command = [str(program), "-m", self._model, "-t", str(THREADS), *options]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if run.returncode != 0:
            raise RuntimeError(f"{program.name} ended with {run.returncode}: {run.stderr[-500:]}")
        return run.stdout
