"""Which address `rpc-worker` listens on."""

from __future__ import annotations

import socket

import pytest

from sidecar.cli import rpc_worker


def test_an_empty_host_is_refused_where_it_would_name_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: every)  # as on Windows
    assert rpc_worker._address("somewhere") == "192.0.2.1"
    with pytest.raises(OSError, match="neither an IPv4 address nor a host name"):
        rpc_worker._address("")
