"""Which device a model goes to, and how many threads compute."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sidecar.core.llama import bindings, rpc
from sidecar.message_handler.errors import SidecarError

MAX_DEFAULT_THREADS: Final = 16
"""Past this, more threads rarely help token generation, which waits for memory."""


def resolve_gpu(asked: str | bool) -> tuple[str, list[int]]:
    """What `gpu` comes to here: the backend's name and the handles of its devices ("cpu": none).

    Raises SidecarError `backendNotAvailable` with the names that would be.
    """
    by_backend: dict[str, list[int]] = {}
    for device in bindings.devices():
        if device["type"] in ("gpu", "integratedGpu"):
            by_backend.setdefault(device["backend"], []).append(device["handle"])
    name = "cpu" if asked is False else str(asked).lower()
    if name == "auto":
        name = next(iter(by_backend), "cpu")
    if name == "cpu":
        return "cpu", []
    if name not in by_backend:
        in_build = name in bindings.backends()
        why = "has no device here" if in_build else "is not in this build"
        allowed = ["auto", "cpu", *by_backend]
        problem = f"/gpu: the backend {name!r} {why}; allowed: {', '.join(allowed)}"
        raise SidecarError("backendNotAvailable", problem, pointer="/gpu", value=asked, allowed=allowed)
    return name, by_backend[name]


def of_model(params: Mapping[str, Any]) -> list[int]:
    """The handles of the devices that loadModel's params give to a model, none if it is to stay on the CPU.

    Those of RPC servers come first: the last layers' results are read, so they should be made here.
    Raises SidecarError `backendNotAvailable`, `rpcServerUnavailable`.
    """
    _, local = resolve_gpu(params["gpu"])
    endpoints = params.get("rpcServers") or []
    if not endpoints or params.get("gpuLayers") == 0:
        return local
    return [device["handle"] for device in rpc.devices(endpoints)] + local


def threads(limit: int | None) -> int:
    """Compute threads for a context: the processors this process may use, at most `limit`."""
    everywhere = os.cpu_count() or 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else everywhere
    return min(available, limit or MAX_DEFAULT_THREADS)


def describe(remote_devices: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The devices as the schema's `Device`, those of RPC servers last."""
    found = [*bindings.devices(), *remote_devices]
    return [{k: v for k, v in device.items() if k != "handle"} for device in found]
