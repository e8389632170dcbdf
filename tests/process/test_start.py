"""Nobody slows the start down by accident: what the router imports before its first answer is pinned."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import startup

pytestmark = pytest.mark.process

OURS = {
    "sidecar",
    "sidecar.arguments",
    *(
        f"sidecar.message_handler{name}"
        for name in ("", "._wire", ".errors", ".framing", ".log", ".notifier")
    ),
    *(f"sidecar.message_handler.{name}" for name in ("reader", "stdio", "validation", "writer")),
    *(f"sidecar.worker{name}" for name in ("", ".idle", ".intake", ".ledger", ".lifecycle", ".methods")),
    *(f"sidecar.worker.{name}" for name in ("one_file", "outcome", "pool", "process", "router")),
}
"""To add one, see first that it imports nothing slow: `python build/dev.py bench --startup`."""

SLOW = {
    *("asyncio", "concurrent", "ctypes", "email", "hashlib", "http", "importlib.metadata", "logging"),
    *("multiprocessing", "pathlib", "random", "socket", "ssl", "subprocess", "tempfile", "traceback"),
    *("unittest", "urllib", "uuid", "xml", "zipfile"),
}
"""Of the standard library: the first answer needs none of these. Those that follow are imported when needed."""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    found = set(startup.router_imports())
    assert "sidecar.worker.router" in found
    return found


def test_of_the_program_it_is_these_modules(imported: set[str]) -> None:
    assert {name for name in imported if name.partition(".")[0] == "sidecar"} == OURS


def test_of_other_peoples_it_is_none(imported: set[str]) -> None:
    tops = {name.partition(".")[0] for name in imported}
    assert tops - {"sidecar", "org"} <= set(sys.stdlib_module_names)  # org: Jython's, looked for by copy


def test_of_the_standard_library_it_is_nothing_slow(imported: set[str]) -> None:
    assert not {name for name in imported if any(f"{name}.".startswith(f"{slow}.") for slow in SLOW)}
