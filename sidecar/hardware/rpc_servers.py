"""llama.cpp's RPC servers: whether they can be used now.

llama.cpp ends the process over a server that is not there, and waits for ever for one that is busy with
another client. So it is given only those that have just answered its greeting.
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
"""How long a server may take to take the connection, and to answer."""

MOST_S: Final = 3.5
"""How long all of it may take: a name server, and one that answers in drops, may need longer."""

PROTOCOL: Final = (7, 0)
"""RPC_PROTO_MAJOR_VERSION and the highest minor that llama.cpp's client takes (ggml-rpc.h)."""

_HELLO: Final = 14
_CAPABILITIES: Final = 24
"""RPC_CMD_HELLO, which never changes, and the bytes for other transports than TCP; zeros: none (ggml-rpc.cpp)."""

BUSY: Final = "it is busy with another client: a server serves one model at a time"


def unavailable(endpoints: Iterable[str]) -> dict[str, str]:
    """Those of "host:port" that cannot be used, with the reason. Asks all at once; takes MOST_S at most."""
    found: dict[str, str | None] = {}

    def ask(endpoint: str) -> None:
        found[endpoint] = _greet(endpoint)

    asked = list(endpoints)
    threads = [threading.Thread(target=ask, args=(endpoint,), daemon=True) for endpoint in asked]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + MOST_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    reasons = {e: found.get(e, "it does not answer in time") for e in asked}
    return {endpoint: reason for endpoint, reason in reasons.items() if reason is not None}


def error(reasons: dict[str, str]) -> SidecarError:
    """The error that names the servers and tells why each cannot be used."""
    told = "; ".join(f"{endpoint}: {reason}" for endpoint, reason in reasons.items())
    what = "An RPC server" if len(reasons) == 1 else "RPC servers"
    return SidecarError(
        "rpcServerUnavailable", f"{what} cannot be used: {told}", value=list(reasons), cause=told
    )


def _greet(endpoint: str) -> str | None:
    """Why a server cannot be used; None if it can."""
    host, _, port = endpoint.rpartition(":")
    connected = False
    try:
        # Like llama.cpp, which knows no IPv6.
        (_, _, _, _, address), *_ = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.settimeout(ANSWER_S)
            # Left in the middle, a connection is reset: a server that writes to a closed one may die of it.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _linger(on=True))
            server.connect(address)
            connected = True
            server.sendall(struct.pack("<BQ", _HELLO, _CAPABILITIES) + bytes(_CAPABILITIES))
            answer = _receive(server, 8 + 4 + _CAPABILITIES)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _linger(on=False))
    except TimeoutError:
        return BUSY if connected else "it does not answer"
    except UnicodeError:  # a part of more than 63 letters
        return "no host can have this name"
    except OSError as error:
        return error.strerror or str(error)
    if answer[:8] != struct.pack("<Q", 4 + _CAPABILITIES):
        return "it is no RPC server of llama.cpp, or an old one"
    major, minor = answer[8], answer[9]
    if major != PROTOCOL[0] or minor > PROTOCOL[1]:
        ours = ".".join(map(str, PROTOCOL))
        return f"it speaks version {major}.{minor} of the protocol, this program {ours}: use the same release"
    return None


def _linger(on: bool) -> bytes:
    """struct linger: with `on`, closing resets."""
    return struct.pack("HH" if sys.platform == "win32" else "ii", on, 0)


def _receive(server: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer if the server ends the connection; zeros stand for what is missing."""
    data = b""
    while len(data) < size and (piece := server.recv(size - len(data))):
        data += piece
    return data.ljust(size, b"\0")
