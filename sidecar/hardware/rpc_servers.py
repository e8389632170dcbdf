"""Checks whether llama.cpp's RPC servers are available.

llama.cpp ends its process if a server is missing, and waits without limit if it is busy with another client. So
llama.cpp gets only servers that have just answered its greeting.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable
from typing import Final

from sidecar.message_handler.errors import SidecarError

ANSWER_S: Final = 3.0
"""How long a server may take to accept the connection, and to answer."""

MAX_S: Final = 3.5
"""How long the check of all servers may take, with slow name servers and answers in small pieces."""

PROTOCOL: Final = (7, 0)
"""RPC_PROTO_MAJOR_VERSION, and the highest minor version that llama.cpp's client accepts (ggml-rpc.h)."""

_HELLO: Final = 14
"""RPC_CMD_HELLO, which is the same in all versions (ggml-rpc.cpp)."""

_CAPABILITIES: Final = 24
"""Bytes in the greeting for transports other than TCP; zeros mean none (ggml-rpc.cpp)."""

BUSY: Final = "it is busy with another client: a server serves one model at a time"


def unavailable(endpoints: Iterable[str]) -> dict[str, str]:
    """The unavailable ones of these "host:port", each with the reason. Asks all at once; takes at most MAX_S."""
    found: dict[str, str | None] = {}

    def ask(endpoint: str) -> None:
        found[endpoint] = _greet(endpoint)

    asked = list(endpoints)
    threads = [threading.Thread(target=ask, args=(endpoint,), daemon=True) for endpoint in asked]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + MAX_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    reasons = {e: found.get(e, "it does not answer in time") for e in asked}
    return {endpoint: reason for endpoint, reason in reasons.items() if reason is not None}


def error(reasons: dict[str, str]) -> SidecarError:
    """The error for unavailable servers, with the reason for each."""
    described = "; ".join(f"{endpoint}: {reason}" for endpoint, reason in reasons.items())
    what = "An RPC server" if len(reasons) == 1 else "RPC servers"
    return SidecarError(
        "rpcServerUnavailable", f"{what} cannot be used: {described}", value=list(reasons), cause=described
    )


def _greet(endpoint: str) -> str | None:
    """Why a server is unavailable; None if it is available."""
    host, _, port = endpoint.rpartition(":")
    connected = False
    try:
        # IPv4 only, like llama.cpp.
        (_, _, _, _, address), *_ = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.settimeout(ANSWER_S)
            # An unfinished connection is reset: a server may crash if it writes to a closed one.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _linger(on=True))
            server.connect(address)
            connected = True
            server.sendall(struct.pack("<BQ", _HELLO, _CAPABILITIES) + bytes(_CAPABILITIES))
            answer = _receive(server, 8 + 4 + _CAPABILITIES)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _linger(on=False))
    except TimeoutError:
        return BUSY if connected else "it does not answer"
    except UnicodeError:  # a label with more than 63 characters
        return "this is not a valid host name"
    except OSError as error:
        return error.strerror or str(error)
    if answer[:8] != struct.pack("<Q", 4 + _CAPABILITIES):
        return "it is not an RPC server of llama.cpp, or an old one"
    major, minor = answer[8], answer[9]
    if major != PROTOCOL[0] or minor > PROTOCOL[1]:
        ours = ".".join(map(str, PROTOCOL))
        return f"it speaks version {major}.{minor} of the protocol, this program {ours}: use the same release"
    return None


def _linger(on: bool) -> bytes:
    """A `struct linger`. If `on`, closing the socket resets the connection."""
    return struct.pack("HH" if sys.platform == "win32" else "ii", on, 0)


def _receive(server: socket.socket, size: int) -> bytes:
    """`size` bytes. If the server ends the connection early, zeros replace the rest."""
    data = b""
    while len(data) < size and (piece := server.recv(size - len(data))):
        data += piece
    return data.ljust(size, b"\0")
