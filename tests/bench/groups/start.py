"""What the program costs before it does anything: size and start-up of each form, compared with node-llama-cpp."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import ours
from peers import install, node_llama_cpp
from peers.node_llama_cpp import NodeLlamaCpp
from pipe import Program
from table import Row

from groups.setting import Setting

SECONDS = 45.0
RUNS, QUICK_RUNS = 10, 3
FIGURES = {
    "ping": "start to ping answered",
    "load": "loadModel",
    "first token": "start to first token of a chat",
}
INIT = "start to init answered"


def rows(setting: Setting, programs: Mapping[str, Path]) -> list[Row]:
    """From source, and of the frozen `programs` that exist (`dev.py freeze`)."""
    forms = {"source": Program([sys.executable, "-m", "sidecar"])}
    if not setting.quick:
        forms |= {form: Program([str(path)]) for form, path in programs.items() if path.is_file()}
    sizes = {"onedir": programs["onedir"].parent, "onefile": programs["onefile"]}
    found = []
    node = install.node_llama_cpp()
    for form, program in forms.items():
        setting.say(f"size and start-up, {form}")
        if form in sizes:
            size = size_mb(sizes[form])
            what = f"{form}: size on disk"
            found.append(
                Row(what, "MB", size, node_llama_cpp.NAME, size_mb(node / "node_modules"))
                if node
                else Row(what, "MB", size)
            )
        found += _times(setting.within(SECONDS)._replace(program=program), form)
    return found


def size_mb(place: Path) -> float:
    """Of a file, or of all files in a folder, in MB of 10^6 bytes; 0 if there is none."""
    files = [place, *place.rglob("*")]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6


def _times(setting: Setting, form: str) -> list[Row]:
    """What the program at `setting.program` needs to start."""
    starts: list[dict[str, float]] = []

    def init_ms() -> float:
        starts.append(ours.start_ms(setting.program, setting.model))
        return starts[-1]["init"]

    found = []
    if install.node_llama_cpp() and not setting.quick:
        what = f"{form}: {INIT} (of the peer: import and getLlama)"
        found.append(
            setting.compare(what, "ms", node_llama_cpp.NAME, init_ms, lambda: _node_init_ms(setting.model))
        )
    else:
        times = [init_ms() for _ in range(QUICK_RUNS if setting.quick else RUNS)]
        found.append(Row(f"{form}: {INIT}", "ms", statistics.median(times)))
    for name, what in FIGURES.items():
        found.append(Row(f"{form}: {what}", "ms", statistics.median(start[name] for start in starts)))
    engine = ours.engine_start_ms(setting.program, QUICK_RUNS if setting.quick else RUNS)
    return [*found, Row(f"{form}: an engine starts", "ms", engine)]


def _node_init_ms(model: str) -> float:
    node = NodeLlamaCpp.start(model)
    assert node is not None
    with closing(node):
        return node.init_ms
