"""Problems outside the program: it reports them or works in spite of them."""

from __future__ import annotations

import sys
from pathlib import Path

import gguf_files
import pytest
from driver import Sidecar, environment

pytestmark = pytest.mark.process


def test_every_waiting_request_learns_that_the_engine_cannot_start(
    program: list[str], tmp_path: Path
) -> None:
    broken = environment(LLAMA_CPP_LIB_PATH=str(tmp_path))
    sidecar = Sidecar(program, stderr=tmp_path / "stderr.txt", env=broken)
    try:
        init = sidecar.send("init")
        load = sidecar.send("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf")})
        follower = sidecar.send("createContext", {"modelId": "model-1"})
        kinds = [sidecar.response(each)["error"]["data"]["kind"] for each in (init, load, follower)]
        assert kinds == ["engineStartFailed", "engineStartFailed", "modelNotFound"]
        assert sidecar.call("ping")["uptimeMs"] > 0
    finally:
        sidecar.end()


def test_an_engine_that_breaks_after_init_is_not_blamed_on_the_model(
    program: list[str], tmp_path: Path
) -> None:
    if program[0] != sys.executable:
        pytest.skip("a frozen program takes no modules from outside")
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['sidecar.core.scheduling.scheduler'] = None\n"
    )
    broken = environment(PYTHONPATH=str(tmp_path))
    sidecar = Sidecar(program, stderr=tmp_path / "stderr.txt", env=broken)
    try:
        assert sidecar.call("init")["protocolVersion"] == 1
        load = sidecar.send("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf")})
        error = sidecar.response(load)["error"]["data"]
        assert error["kind"] == "engineStartFailed"
        assert "sidecar.core.scheduling.scheduler" in error["cause"]
        assert sidecar.call("ping")["uptimeMs"] > 0
    finally:
        sidecar.end()


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are another thing there")
@pytest.mark.parametrize("closing", ["2>&-", "2</dev/null", "2>/dev/full"])
def test_a_stderr_that_cannot_be_written_does_no_harm(
    program: list[str], closing: str, tmp_path: Path
) -> None:
    if closing.endswith("full") and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    command = ["sh", "-c", f'exec "$@" --log-level debug {closing}', "sh", *program]
    sidecar = Sidecar(command, stderr=tmp_path / "stderr.txt")
    try:
        sidecar.send_line("not json")
        assert sidecar.receive()["error"]["code"] == -32700
        assert sidecar.call("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf")})
    finally:
        sidecar.end()


@pytest.mark.skipif(sys.platform == "win32", reason="no process of Windows becomes another program")
def test_a_non_blocking_stdin_is_not_taken_for_its_end(program: list[str], tmp_path: Path) -> None:
    unblock = "os.set_blocking(0, False); os.set_blocking(1, False)"
    script = f"import os, sys; {unblock}; os.execvp(sys.argv[1], sys.argv[1:])"
    sidecar = Sidecar([sys.executable, "-c", script, *program], stderr=tmp_path / "stderr.txt")
    try:
        assert sidecar.call("ping")["uptimeMs"] > 0
        assert sidecar.call("init")["protocolVersion"] == 1
    finally:
        sidecar.end()
