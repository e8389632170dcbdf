"""Devices of other machines, over llama.cpp's RPC backend: used for a model, and lent to others.

The backend's library is loaded only when a server is named or one is started. The devices of servers are not
registered, so that llama.cpp contacts only the servers of the current model.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from sidecar.core.llama import bindings, ggml
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.llama.ggml import LocalDevice


@cache
def _backend() -> int:
    """llama.cpp's RPC backend. Raises SidecarError `backendNotAvailable` if this build has none."""
    name = "ggml-rpc.dll" if sys.platform == "win32" else "libggml-rpc.so"
    try:
        return ggml.open_backend(os.path.join(bindings.folder(), name))
    except (OSError, ImportError, AttributeError) as error:
        problem = "/rpcServers: llama.cpp's RPC backend is not in this build"
        raise SidecarError(
            "backendNotAvailable", problem, pointer="/rpcServers", cause=str(error), allowed=[]
        ) from error


def ask(endpoints: Sequence[str]) -> tuple[list[LocalDevice], dict[str, str]]:
    """The devices that these servers ("host:port") lend, and busy server → reason.

    Each device has its `endpoint`. No connection stays open; a model that uses a server makes its own. Raises
    SidecarError `backendNotAvailable`, or `rpcServerUnavailable` if a server is not there.
    """
    if not endpoints:
        return [], {}
    from sidecar.hardware import rpc_servers

    add = ggml.function_of_backend(
        _backend(), "ggml_backend_rpc_add_server", ctypes.c_void_p, ctypes.c_char_p
    )
    missing = rpc_servers.unavailable(endpoints)
    if any(reason != rpc_servers.BUSY for reason in missing.values()):
        raise rpc_servers.error(missing)
    found: list[LocalDevice] = []
    for endpoint in endpoints:
        server = None if endpoint in missing else add(endpoint.encode())
        lent = ggml.devices_of(server) if server else []  # none: it is busy, or lends nothing
        found += [{**ggml.describe(device), "endpoint": endpoint} for device in lent]
    return found, missing


def devices(endpoints: Sequence[str]) -> list[LocalDevice]:
    """The devices that these servers lend; all servers are needed. Raises as `ask`, and if a server is busy."""
    found, busy = ask(endpoints)
    if busy:
        from sidecar.hardware import rpc_servers

        raise rpc_servers.error(busy)
    return found


def lendable() -> list[LocalDevice]:
    """The GPUs of this machine, or its CPU if it has none."""
    ours = ggml.devices()
    gpus = [device for device in ours if device["type"] in ("gpu", "integratedGpu")]
    return gpus or [device for device in ours if device["type"] == "cpu"]


def lend(endpoint: str, threads: int) -> None:
    """Serve the lendable devices until the server fails. Raises SidecarError `backendNotAvailable`."""
    handles = [device["handle"] for device in lendable()]
    array = (ctypes.c_void_p * len(handles))(*handles)
    arguments = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
    serve = ggml.function_of_backend(_backend(), "ggml_backend_rpc_start_server", None, *arguments)
    serve(endpoint.encode(), None, threads, len(handles), ctypes.addressof(array))
