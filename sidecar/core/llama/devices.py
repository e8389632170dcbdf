"""Which devices a model uses, and how many threads compute."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sidecar.core.llama import ggml, rpc
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.llama.ggml import LocalDevice
    from sidecar.message_handler._types import Device

MAX_DEFAULT_THREADS: Final = 16
"""More threads rarely make generation faster, because it waits for memory."""


def resolve_gpu(asked: str | bool) -> tuple[str, list[int]]:
    """What the param `gpu` means here: a backend's name, and its devices (none for "cpu").

    Raises SidecarError `backendNotAvailable` with the names that are available.
    """
    by_backend: dict[str, list[int]] = {}
    for device in ggml.devices():
        if device["type"] in ("gpu", "integratedGpu"):
            by_backend.setdefault(device["backend"], []).append(device["handle"])
    name = "cpu" if asked is False else str(asked).lower()
    if name == "auto":
        name = next(iter(by_backend), "cpu")
    if name == "cpu":
        return "cpu", []
    if name not in by_backend:
        in_build = name in ggml.backends()
        why = "has no device here" if in_build else "is not in this build"
        allowed = ["auto", "cpu", *by_backend]
        problem = f"/gpu: the backend {name!r} {why}; allowed: {', '.join(allowed)}"
        raise SidecarError("backendNotAvailable", problem, pointer="/gpu", value=asked, allowed=allowed)
    return name, by_backend[name]


def of_model(gpu: str | bool, rpc_servers: Sequence[str]) -> list[int]:
    """The devices that may hold a model's layers; none: all layers stay on the CPU.

    Those of RPC servers come first. The last layers then are on this machine, where their results are read.
    Raises SidecarError `backendNotAvailable`, `rpcServerUnavailable`.
    """
    _, local = resolve_gpu(gpu)
    if not rpc_servers:
        return local
    return [device["handle"] for device in rpc.devices(rpc_servers)] + local


def threads(limit: int | None) -> int:
    """Compute threads of a context: the processors that this process may use, at most `limit`."""
    everywhere = os.cpu_count() or 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else everywhere
    return min(available, limit or MAX_DEFAULT_THREADS)


def describe(remote_devices: Sequence[LocalDevice]) -> list[Device]:
    """The devices as the schema has them, those of RPC servers last."""
    found: list[Device] = []
    for device in (*ggml.devices(), *remote_devices):
        shown = device.copy()
        del shown["handle"]  # type: ignore[misc]  # what is left is a Device
        found.append(shown)
    return found
