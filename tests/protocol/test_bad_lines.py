"""A bad line gives a typed error, and the next line works."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import gguf_files
import psutil
import pytest
from driver import Sidecar
from protocol_cases import answer_to

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("next_line_works")]


def is_error(message: Any) -> bool:
    return isinstance(message, list) or "error" in message


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"hello",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xc3"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
        b'{"jsonrpc":"2.0","id":' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\x00" * 100,
        '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16-le"),
    ],
    ids=lambda line: repr(line[:30]),
)
def test_a_line_that_is_not_json_is_a_parse_error(shared: Sidecar, line: bytes) -> None:
    assert answer_to(shared, line)["data"]["kind"] == "parseError"


def test_nesting_at_the_limit_is_answered(shared: Sidecar) -> None:
    request = b'{"jsonrpc":"2.0","id":"deep","method":"tokenize","params":{"modelId":"m","text":%s}}'
    kinds = set()
    for depth in [*range(240, 270), *range(880, 1010, 2)]:
        line = request % (b"[" * depth + b"]" * depth)
        shared.write(line + b"\n")
        answer = shared.wait_for(lambda m: isinstance(m, dict) and "error" in m)
        kinds.add(answer["error"]["data"]["kind"])
        shared.write(b"[" + line + b"]\n")
        (answer,) = answers if isinstance(answers := shared.wait_for(is_error), list) else [answers]
        kinds.add(answer["error"]["data"]["kind"])
    assert kinds == {"parseError", "invalidParams"}


def test_blank_lines_and_windows_line_ends_are_not_messages(shared: Sidecar) -> None:
    shared.write(b'\n\r\n \t\n{"jsonrpc":"2.0","id":"crlf","method":"ping"}\r\n')
    assert shared.result("crlf")["uptimeMs"] > 0
    assert [m for m in shared.messages if "error" in m] == []


def test_a_line_that_is_too_long_is_refused_and_the_next_one_accepted(
    program: list[str], tmp_path: Path
) -> None:
    sidecar = Sidecar([*program, "--max-line-bytes", "1000"], stderr=tmp_path / "stderr.txt")
    try:
        for size in (1001, 70_000, 3_000_000):
            error = answer_to(sidecar, b"x" * size)
            assert error["data"]["kind"] == "invalidRequest"
            assert "1000 bytes" in error["message"]
            assert sidecar.call("ping")["uptimeMs"] > 0
        line = b'{"jsonrpc":"2.0","id":"fits","method":"ping"}'
        sidecar.write(line + b" " * (1000 - len(line)) + b"\n")
        assert sidecar.result("fits")
    finally:
        sidecar.end()


def test_a_line_that_grows_on_its_way_to_the_engine_and_back_arrives(
    program: list[str], tmp_path: Path
) -> None:
    # Between the processes it is ASCII: 4 bytes of UTF-8 become 12, more than this client may send.
    sidecar = Sidecar([*program, "--max-line-bytes", "3000000"], stderr=tmp_path / "stderr.txt")
    try:
        path = gguf_files.tiny_model(tmp_path / "echo.gguf", "{{ messages[0].content }}")
        model = sidecar.call("loadModel", {"path": path})["modelId"]
        content = "😀" * 700_000
        params = {"modelId": model, "messages": [{"role": "user", "content": content}]}
        request = {"jsonrpc": "2.0", "id": "grown", "method": "applyTemplate", "params": params}
        sidecar.send_line(json.dumps([request], ensure_ascii=False))
        (answer,) = sidecar.wait_for(lambda m: isinstance(m, list))
        assert answer["result"]["prompt"] == content
    finally:
        sidecar.end()


def test_a_client_that_sends_without_reading_has_to_wait(program: list[str], tmp_path: Path) -> None:
    sidecar = Sidecar(program, stderr=tmp_path / "stderr.txt", read=False)
    try:
        # Three kilobytes each, so that they do not fit into the pipe; the answers are megabytes.
        lines = [b'{"jsonrpc":"2.0","id":%d,"method":"rpc.discover"}' % n + b" " * 3000 for n in range(150)]
        flood = threading.Thread(target=sidecar.write, args=(b"\n".join(lines) + b"\n",), daemon=True)
        flood.start()
        sizes = [0]
        while flood.is_alive() and (len(sizes) < 8 or len(set(sizes[-8:])) > 1):
            flood.join(0.05)
            sizes.append(psutil.Process(sidecar.process.pid).memory_info().rss)
        assert flood.is_alive(), "all was accepted while the client did not read"
        assert max(sizes) < 70 * 1024 * 1024
        sidecar.start_reading()
        flood.join(60)
        assert sidecar.result(sidecar.send("ping", request_id="end"))["uptimeMs"] > 0
        answered = [m["id"] for m in sidecar.messages if m.get("result", {}).get("openrpc")]
        assert answered == list(range(150)), "every line is answered"
    finally:
        sidecar.end()
