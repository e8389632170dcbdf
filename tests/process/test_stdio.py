"""stdout carries only the protocol and stderr only the log, also when libraries or child processes print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Start

pytestmark = pytest.mark.process

PRINTS_EVERYWHERE = """
import ctypes, os, subprocess, sys
from sidecar.message_handler import stdio
protocol_in, protocol_out = stdio.claim()
print("from Python", flush=True)
sys.__stdout__.write("from the original stdout\\n"); sys.__stdout__.flush()
os.write(1, b"to descriptor 1\\n")
c = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
c.puts(b"from C"); c.fflush(None)
subprocess.run([sys.executable, "-c", "import sys; print('from a child', sys.stdin.read() == '')"], check=True)
assert sys.stdin.read() == "", "somebody could eat a request"
assert os.read(protocol_in, 100) == b"a request\\n"
os.write(protocol_out, b"an answer\\n")
"""


def test_what_python_c_and_child_processes_print_goes_to_stderr() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTS_EVERYWHERE], input=b"a request\n", capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace(b"\r\n", b"\n") == b"an answer\n"
    wanted = [
        b"from Python",
        b"from the original stdout",
        b"to descriptor 1",
        b"from C",
        b"from a child True",
    ]
    missing = [text for text in wanted if text not in done.stderr]
    assert not missing


def test_nothing_but_protocol_is_on_stdout_while_llama_cpp_logs(start: Start, model_path: str) -> None:
    sidecar = start("--log-level", "debug")
    sidecar.call("init", {"debug": True})
    sidecar.call("loadModel", {"path": model_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})
    sidecar.call("complete", {"contextId": "context-1", "prompt": "Hi", "maxTokens": 4})
    sidecar.call("unloadModel", {"modelId": "model-1"})
    sidecar.call("shutdown")
    sidecar.drain()
    assert sidecar.raw.isascii()
    for line in sidecar.raw.splitlines():
        assert json.loads(line)["jsonrpc"] == "2.0"
    records = [json.loads(line) for line in sidecar.log().splitlines()]
    assert all({"time", "level", "role", "pid", "message"} <= set(record) for record in records)
    assert any(record.get("source") == "llama.cpp" for record in records)
    assert {"router", "engine"} <= {record["role"] for record in records}


def test_without_debug_a_good_run_logs_nothing(start: Start, model_path: str) -> None:
    sidecar = start()
    sidecar.call("loadModel", {"path": model_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})
    sidecar.call("shutdown")
    sidecar.drain()
    assert sidecar.log() == ""


def test_the_log_of_a_model_that_is_refused_is_json_too(start: Start, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + bytes(64))
    sidecar = start("--log-level", "debug")
    request = sidecar.send("loadModel", {"path": str(broken)})
    assert "error" in sidecar.response(request)
    sidecar.call("shutdown")
    sidecar.drain()
    assert all(json.loads(line) for line in sidecar.log().splitlines())
