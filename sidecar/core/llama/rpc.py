"""Devices of other machines, over llama.cpp's RPC backend: used by a model, and lent to others.

The backend's library is loaded only when a server is named or one is started. Its devices stay out of
llama.cpp's registry, so that nothing asks a server of which the model at hand does not know.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from sidecar.core.llama import bindings
from sidecar.message_handler.errors import SidecarError


@cache
def _backend() -> int:
    """llama.cpp's RPC backend. Raises SidecarError `backendNotAvailable` if it is not in this build."""
    name = "ggml-rpc.dll" if sys.platform == "win32" else "libggml-rpc.so"
    try:
        return bindings.open_backend(os.path.join(bindings.folder(), name))
    except (OSError, ImportError, AttributeError) as error:
        problem = "/rpcServers: llama.cpp's RPC backend is not in this build"
        raise SidecarError(
            "backendNotAvailable", problem, pointer="/rpcServers", cause=str(error), allowed=[]
        ) from error


def look(endpoints: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The devices that these servers ("host:port") lend, and those servers that are busy, with the reason.

    A device is as of `bindings.describe`, plus its `endpoint`. No connection stays open but that of a model
    which uses a server. Raises SidecarError `backendNotAvailable`, or `rpcServerUnavailable` over servers that
    are not there.
    """
    if not endpoints:
        return [], {}
    from sidecar.hardware import rpc_servers

    add = bindings.function_of(_backend(), "ggml_backend_rpc_add_server", ctypes.c_void_p, ctypes.c_char_p)
    missing = rpc_servers.unavailable(endpoints)
    if any(reason != rpc_servers.BUSY for reason in missing.values()):
        raise rpc_servers.error(missing)
    found = []
    for endpoint in endpoints:
        server = None if endpoint in missing else add(endpoint.encode())
        lent = bindings.devices_of(server) if server else []  # none: it is busy, or lends nothing
        found += [{**bindings.describe(handle), "endpoint": endpoint} for handle in lent]
    return found, missing


def devices(endpoints: Sequence[str]) -> list[dict[str, Any]]:
    """The devices that these servers lend, all of which are needed. Raises as `look`, also over busy servers."""
    found, busy = look(endpoints)
    if busy:
        from sidecar.hardware import rpc_servers

        raise rpc_servers.error(busy)
    return found


def lendable() -> list[dict[str, Any]]:
    """This machine's GPUs, or its CPU if there are none, as `bindings.describe`."""
    ours = bindings.devices()
    gpus = [device for device in ours if device["type"] in ("gpu", "integratedGpu")]
    return gpus or [device for device in ours if device["type"] == "cpu"]


def lend(endpoint: str, threads: int) -> None:
    """Serve what is lendable until the server fails. Raises SidecarError `backendNotAvailable`."""
    handles = [device["handle"] for device in lendable()]
    array = (ctypes.c_void_p * len(handles))(*handles)
    arguments = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
    serve = bindings.function_of(_backend(), "ggml_backend_rpc_start_server", None, *arguments)
    serve(endpoint.encode(), None, threads, len(handles), ctypes.addressof(array))
