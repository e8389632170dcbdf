"""Which RPC servers can be used, asked before llama.cpp is."""

from __future__ import annotations

import socket
import threading

import pytest
from rpc_server import GREETING_BYTES, answer, listening, refusing

from sidecar.hardware import rpc_servers
from sidecar.hardware.rpc_servers import BUSY, unavailable


def test_a_server_that_answers_its_greeting_can_be_used() -> None:
    greetings = []

    def serve(connection: socket.socket) -> None:
        greetings.append(connection.recv(GREETING_BYTES, socket.MSG_WAITALL))
        connection.sendall(answer()[:9])
        connection.sendall(answer()[9:])

    with listening(serve) as endpoint:
        assert unavailable([endpoint]) == {}
    assert greetings == [bytes([14, 24, *bytes(31)])]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(major=6), "version 6.0"),
        (answer(major=8), "version 8.0"),
        (answer(minor=1), "version 7.1"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9, "not an RPC server"),
        (b"", "not an RPC server"),
    ],
)
def test_one_that_answers_something_else_is_reported(said: bytes, words: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(GREETING_BYTES, socket.MSG_WAITALL)
        connection.sendall(said)

    with listening(serve) as endpoint:
        assert words in unavailable([endpoint])[endpoint]


def test_those_that_are_silent_or_gone_are_reported_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_servers, "ANSWER_S", 0.3)
    release = threading.Event()
    unknown = f"{'a' * 64}:50052"  # no name that would be asked for
    with refusing() as gone, listening(lambda _: release.wait()) as silent:
        reasons = unavailable([silent, gone, unknown])
        release.set()
    assert list(reasons) == [silent, gone, unknown]
    assert reasons[silent] == BUSY
    described = rpc_servers.error(reasons)
    assert described.details["value"] == [silent, gone, unknown]
    assert all(f"{endpoint}: {reason}" in described.problem for endpoint, reason in reasons.items())
