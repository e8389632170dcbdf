"""Servers of a test's own that stand for an RPC server of llama.cpp, as far as its greeting."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

GREETING_BYTES = 1 + 8 + 24


def answer(major: int = 7, minor: int = 0) -> bytes:
    """What a server of this protocol version says to a greeting."""
    return struct.pack("<QBBBB", 28, major, minor, 0, 0) + bytes(24)


def free_port() -> int:
    """A loopback port on which no program listens, unless one takes it now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """An endpoint where no program listens, nor can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], Any]) -> Iterator[str]:
    """A server that does `serve` with each connection in turn, then ends it; its endpoint."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        serve(connection)

        threading.Thread(target=run, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.suppress(OSError):  # not on every system
            listener.shutdown(socket.SHUT_RDWR)
