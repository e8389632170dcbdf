"""Which device a model goes to, and how many threads compute."""

from __future__ import annotations

import os
from typing import Any, Final

from sidecar.core import bindings
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


def threads(limit: int | None) -> int:
    """Compute threads for a context: the processors this process may use, at most `limit`."""
    everywhere = os.cpu_count() or 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else everywhere
    return min(available, limit or MAX_DEFAULT_THREADS)


def describe() -> list[dict[str, Any]]:
    """The devices as the schema's `Device`."""
    return [{k: v for k, v in device.items() if k != "handle"} for device in bindings.devices()]
