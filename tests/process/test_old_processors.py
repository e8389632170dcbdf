"""The frozen engine on emulated processors: each uses its own variant and computes the same.

qemu-user emulates one process, but not the processes that this one starts. So the router runs on the real processor,
from source, and starts its engines under the emulator.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver import Sidecar, environment
from process_work import COUNT, COUNTED, load

from ship import freeze

TOKENS = 4
EMULATED_S = 300.0
QEMU = shutil.which("qemu-x86_64")

pytestmark = [
    pytest.mark.process,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.form("onedir"),
    pytest.mark.skipif(QEMU is None or platform.machine() != "x86_64", reason="needs qemu-user on x86-64"),
]

ROUTER = """
import json, sys
from sidecar.worker import process
engine = json.loads(sys.argv[1])
process.own_command = lambda *arguments: [*engine, *arguments]
from sidecar.__main__ import main
del sys.argv[1]
main()
"""


def emulated(processor: str, program: Path) -> list[str]:
    """The command that runs the one-folder program on that processor.

    On Linux the program restarts itself to set its library path, and would leave the emulator: the variables
    say that it has done so.
    """
    inside = str(program.parent / "_internal")
    variables = {
        "LD_LIBRARY_PATH": inside,
        "_PYI_ARCHIVE_FILE": str(program),
        "_PYI_APPLICATION_HOME_DIR": inside,
        "_PYI_PARENT_PROCESS_LEVEL": "0",
    }
    settings = [part for name, value in variables.items() for part in ("-E", f"{name}={value}")]
    return [str(QEMU), "-cpu", processor, *settings, str(program)]


@pytest.fixture
def program() -> Path:
    return freeze.PROGRAM


@pytest.fixture
def on(program: Path, tmp_path: Path) -> Iterator[Callable[[str], Sidecar]]:
    """Start a program whose engines run on a processor."""
    started: list[Sidecar] = []

    def start_one(processor: str) -> Sidecar:
        command = [
            sys.executable,
            "-c",
            ROUTER,
            json.dumps(emulated(processor, program)),
            "--log-level",
            "info",
        ]
        started.append(Sidecar(command, stderr=tmp_path / "stderr.txt", env=environment()))
        return started[-1]

    yield start_one
    assert [sidecar.end() for sidecar in started] == [[]] * len(started)


@pytest.mark.parametrize(
    ("processor", "variant"),
    [("Conroe", "x64"), ("Nehalem", "sse42"), ("SandyBridge", "sandybridge"), ("Haswell-noTSX", "haswell")],
)
def test_each_gets_its_own_variant(on: Callable[[str], Sidecar], processor: str, variant: str) -> None:
    assert on(processor).call("init", timeout_s=EMULATED_S)["llamaCpp"]["cpuVariant"] == variant


@pytest.mark.parametrize("processor", ["Conroe", "Nehalem"])  # AVX takes minutes in the emulator
def test_it_loads_and_generates(on: Callable[[str], Sidecar], processor: str, model_path: str) -> None:
    sidecar = on(processor)
    load(sidecar, model_path, contextSize=256)
    params = {"contextId": "context-1", "prompt": COUNT, "maxTokens": TOKENS, "temperature": 0}
    text = sidecar.call("complete", params, EMULATED_S)["text"]
    assert text and COUNTED.startswith(text)
    assert " died (" not in sidecar.log(), "it needed another try"


def test_the_router_answers_on_the_oldest(program: Path, tmp_path: Path) -> None:
    sidecar = Sidecar(emulated("Conroe", program), stderr=tmp_path / "stderr.txt", env=environment())
    try:
        assert sidecar.call("ping")["uptimeMs"] > 0
        assert sidecar.call("rpc.discover")["openrpc"]
    finally:
        assert sidecar.end() == []
