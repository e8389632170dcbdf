"""What the program costs before it does anything: size and start-up of each of its forms, beside node-llama-cpp."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import ours
import peers  # puts build/ on the path
from table import Row
from workload import THREADS

from ship import freeze  # isort: skip

NODE_RUNS = 3


def rows(model: str, say: Callable[[str], None]) -> list[Row]:
    """From source, and the frozen programs that are there (`dev.py freeze`)."""
    found: list[Row] = []
    node_size, node_init = _node(model, say)
    commands = {"source": [sys.executable, "-m", "sidecar"]}
    commands |= {form: [str(path)] for form, path in freeze.PROGRAMS.items() if path.is_file()}
    sizes = {"onedir": size_mb(freeze.FOLDER), "onefile": size_mb(freeze.ONE_FILE)}
    for form, command in commands.items():
        say(f"size and start-up, {form}")
        start = ours.start_up_ms(command, model)
        if form in sizes:
            found.append(Row(f"{form}: size on disk", "MB", sizes[form], node=node_size))
        found += [
            Row(f"{form}: start to ping answered", "ms", start["ping"]),
            Row(f"{form}: start to init answered", "ms", start["init"], node=node_init),
            Row(f"{form}: an engine starts", "ms", ours.engine_start_ms(command)),
            Row(f"{form}: loadModel", "ms", start["load"]),
            Row(f"{form}: start to first token of a chat", "ms", start["firstToken"]),
        ]
    return found


def size_mb(place: Path) -> float:
    """Of a file, or of all files in a folder, in MB of 10^6 bytes; what is not there has none."""
    files = [place, *place.rglob("*")]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6


def _node(model: str, say: Callable[[str], None]) -> tuple[float | None, float | None]:
    """What an app ships of it, in MB, and its import and getLlama, in milliseconds."""
    node = peers.NodeLlamaCpp.find()
    if node is None:
        return None, None
    say("size and start-up, node-llama-cpp")
    times = [node.measure(model, THREADS)["initMs"] for _ in range(NODE_RUNS)]
    return size_mb(node.modules), statistics.median(times)
