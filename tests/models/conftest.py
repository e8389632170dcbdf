"""A test hub for each test of downloads; the memory that llama.cpp takes for a model, measured once."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Once, Start
from download_work import Begin, Downloads, surroundings
from driver import Message, Sidecar
from hub import Hub
from made_models import MADE
from model_memory import GRID, MODELS, REAL, Taken, run
from person import Person

from sidecar.hardware.machine import Machine
from sidecar.models.gguf import reader


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty hub on loopback."""
    with Hub() as served:
        yield served


@pytest.fixture(scope="session")
def taken(once: Once, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Taken]:
    """The memory that is taken for a model of REAL or MADE."""

    def measure(name: str) -> tuple[str, Message]:
        if name in MADE:
            path = MADE[name](tmp_path_factory.mktemp("made") / f"{name}.gguf")
        else:
            assert (MODELS / REAL[name]).is_file(), f"{REAL[name]} is missing; run: python build/dev.py setup"
            path = str(MODELS / REAL[name])
        return path, run(path, GRID)

    @functools.cache
    def find_out(name: str) -> Taken:
        path, result = once(f"memory of {name}", lambda: measure(name))
        machine = Machine.here(system_info=result["systemInfo"])
        return Taken(reader.read_header(path), machine, result["model"]["model"], result["contexts"])

    return find_out


@pytest.fixture(scope="module")
def online(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """A program for a whole module, with all of its log."""
    folder = tmp_path_factory.mktemp("online")
    sidecar = Sidecar(
        [*program, "--log-level", "debug"],
        stderr=folder / "stderr.txt",
        env=surroundings(folder / "home"),
    )
    yield sidecar
    left = sidecar.end()
    assert not left
    assert "Traceback" not in sidecar.log()


@pytest.fixture
def downloads(online: Sidecar, hub: Hub, tmp_path: Path) -> Downloads:
    """Downloads from this test's hub into this test's directory."""
    return Downloads(online, hub, tmp_path / "models")


@pytest.fixture
def begin(start: Start, hub: Hub, tmp_path: Path) -> Begin:
    """Downloads by a program of their own, with more in its environment; all into one directory."""

    def begin_one(*arguments: str, **environment: Any) -> Downloads:
        sidecar = start(*arguments, env=surroundings(tmp_path / "home", **environment))
        return Downloads(sidecar, hub, tmp_path / "models")

    return begin_one


@pytest.fixture
def person(program: list[str], hub: Hub, tmp_path: Path) -> Iterator[Person]:
    somebody = Person(program, hub, tmp_path)
    yield somebody
    for _ in range(100):  # 5 s, in turns of this process
        if not (left := somebody.left_behind()):
            return
        time.sleep(0.05)
    raise AssertionError(f"left behind: {[process.pid for process in left]}")
