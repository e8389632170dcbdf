"""For tests of the wire: how a case is put to the program, and what every error must look like."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Refused, Sidecar, same_id

from sidecar.message_handler._wire import ERRORS

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, ABORTED = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32800,
)

FILE_ERRORS = {"notGguf", "modelDamaged", "modelLoadFailed", "outOfMemory"}
"""Kinds of errors with which a file that is not a valid model may be refused."""


def exchange(sidecar: Sidecar, line: str | bytes) -> Any:
    """Send a line; return what it is answered with, or None if that is nothing."""
    sidecar.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
    sidecar.send("ping", request_id="behind it")
    answer = sidecar.receive()
    if isinstance(answer, dict) and same_id(answer, "behind it"):
        return None
    after = sidecar.receive()
    assert same_id(after, "behind it"), f"more than one answer: {after}"
    assert "result" in after
    return answer


def error_code(answer: Any, request_id: Any) -> int:
    """The code of an error response, whose form is checked."""
    assert answer.keys() == {"jsonrpc", "id", "error"}
    assert answer["jsonrpc"] == "2.0"
    assert same_id(answer, request_id), answer
    error = answer["error"]
    assert error.keys() == {"code", "message", "data"}
    assert error["data"].keys() >= {"kind", "retryable", "remedy"}
    code: int = error["code"]
    return code


def assert_pong(answer: Any, request_id: Any) -> None:
    assert answer.keys() == {"jsonrpc", "id", "result"}
    assert answer["jsonrpc"] == "2.0"
    assert same_id(answer, request_id), answer
    assert answer["result"]["uptimeMs"] > 0


def refused(sidecar: Sidecar, method: str, params: Any) -> Refused:
    """The error of a request, whose form is checked."""
    with pytest.raises(Refused) as caught:
        sidecar.call(method, params)
    error = caught.value
    code, retryable, _, remedy = ERRORS[error.kind]
    assert (error.code, error.data["retryable"], error.data["remedy"]) == (code, retryable, remedy)
    assert error.error["message"].endswith(remedy)
    assert error.kind != "internalError"
    return error


def answer_to(sidecar: Sidecar, line: bytes) -> Any:
    """The error that a line without a usable id is answered with."""
    sidecar.write(line + b"\n")
    answer = sidecar.wait_for(lambda m: isinstance(m, dict) and "id" in m)
    assert answer["id"] is None
    return answer["error"]


def attempt(shared: Sidecar, path: str) -> str:
    """Load a file: "loaded" (and unloaded again), or the kind of its typed error."""
    try:
        model = shared.call("loadModel", {"path": path})
    except Refused as error:
        assert error.kind in FILE_ERRORS, error
        assert error.code >= 1000
        return error.kind
    shared.call("unloadModel", {"modelId": model["modelId"]})
    return "loaded"
