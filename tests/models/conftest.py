"""A hub of its own for each test of downloads; what llama.cpp takes for a model, once for all."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
from hub import Hub
from made_models import MADE
from model_memory import GRID, MODELS, REAL, Taken, run

from sidecar.models import gguf
from sidecar.models.machine import Machine


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty hub on loopback."""
    with Hub() as served:
        yield served


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Taken]:
    """What is taken for a model of REAL or MADE."""

    @functools.cache
    def find_out(name: str) -> Taken:
        if name in MADE:
            path = MADE[name](tmp_path_factory.mktemp("made") / f"{name}.gguf")
        else:
            assert (MODELS / REAL[name]).is_file(), f"{REAL[name]} is missing; run: python build/dev.py setup"
            path = str(MODELS / REAL[name])
        result = run(path, GRID)
        machine = Machine.here(system_info=result["systemInfo"])
        return Taken(gguf.read_header(path), machine, result["model"]["model"], result["contexts"])

    return find_out
