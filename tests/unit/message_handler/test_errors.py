"""The table of errors."""

from __future__ import annotations

import json

import pytest

from sidecar.message_handler._wire import ERRORS
from sidecar.message_handler.errors import SidecarError, error_object


@pytest.mark.parametrize("kind", ERRORS)
def test_every_kind_says_what_happened_and_what_to_do(kind: str) -> None:
    code, retryable, _, remedy = ERRORS[kind]
    error = SidecarError(kind, "This happened.", pointer="/x", cause="why").to_wire()
    assert error["code"] == code
    assert error["message"] == f"This happened. {remedy}"
    assert error["data"] == {
        "kind": kind, "retryable": retryable, "remedy": remedy, "pointer": "/x", "cause": "why",
    }  # fmt: skip


def test_an_unknown_kind_raises() -> None:
    with pytest.raises(KeyError):
        SidecarError("nonsense", "x").to_wire()


@pytest.mark.parametrize(
    "error", [RuntimeError("/home/secret"), KeyError("secret"), RecursionError("secret")]
)
def test_a_bug_is_not_described_on_the_wire(error: Exception) -> None:
    wire = error_object(error)
    assert (wire["code"], wire["data"]["kind"]) == (-32603, "internalError")
    assert "secret" not in json.dumps(wire)
    assert type(error).__name__ in wire["message"]


def test_a_memory_error_is_out_of_memory() -> None:
    assert error_object(MemoryError())["data"]["kind"] == "outOfMemory"
