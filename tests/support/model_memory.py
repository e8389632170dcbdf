"""What llama.cpp takes for models and contexts, asked in a process of its own (memory_taken.py)."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.hardware.machine import Machine
from sidecar.models.gguf.header import Header

MODELS = Path(__file__).parents[2] / ".models"
REAL = {"SmolLM2": "SmolLM2-135M-Instruct.Q4_1.gguf", "Gemma 3": "gemma-3-270m-q4_k_m.gguf"}

GRID: list[dict[str, Any]] = [
    {"contextSize": size, "sequences": sequences, "batchSize": batch, "kvCacheType": kind, "flashAttention": flash}
    for (size, sequences, batch), (kind, flash) in itertools.product(
        (
            *itertools.product((256, 1024, 4096), (1, 4), (512,)),
            *itertools.product((256, 4096), (1,), (32, 2048)),
            (4096, 4, 2048),
        ),
        (("f16", "auto"), ("q8_0", "auto"), ("q4_0", "auto"), ("f16", False)),
    )
]  # fmt: skip
"""Every size with every number of sequences, and the ends of both with the ends of the batch."""


BUFFER = re.compile(r"(\S+) +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")


def sizes_in(log: str) -> dict[str, int]:
    """The bytes of each kind that llama.cpp's log names."""
    sizes: Counter[str] = Counter()
    for _, what, mebibytes in BUFFER.findall(log):
        sizes[what] += round(float(mebibytes) * 2**20)
    return dict(sizes)


@dataclass
class Taken:
    """A model, this machine, and what llama.cpp takes: for the weights, and for each context of GRID."""

    header: Header
    machine: Machine
    weights: int
    contexts: list[dict[str, int]]


def run(path: str, contexts: list[dict[str, Any]], **load: Any) -> dict[str, Any]:
    """Load a model and make contexts in a process of its own; see memory_taken.py."""
    order = {"load": {"path": path, **load}, "contexts": contexts}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "memory_taken.py")],
        input=json.dumps(order).encode(),
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
