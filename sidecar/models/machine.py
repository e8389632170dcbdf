"""What this machine has for models: free memory, GPUs, and what its CPU can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

USUAL_FEATURES: Final = {
    "x86_64": "REPACK AVX2", "amd64": "REPACK AVX2", "arm64": "REPACK DOTPROD", "aarch64": "REPACK DOTPROD",
}  # fmt: skip
"""Of a CPU, as long as llama.cpp has not been asked (`systemInfo` of InitResult)."""


class Machine:
    """What there is: free memory of the system in bytes, the GPUs used (`Device`s), features of the CPU."""

    def __init__(
        self,
        free_bytes: int,
        gpus: Sequence[dict[str, Any]] = (),
        features: frozenset[str] = frozenset(),
    ) -> None:
        self.free_bytes = free_bytes
        self.gpus = gpus
        self.features = features

    @classmethod
    def here(cls, gpu: str = "cpu", devices: Sequence[dict[str, Any]] = (), system_info: str = "") -> Machine:
        """This machine. The arguments are members of InitResult; without them, a usual CPU and no GPU."""
        import platform

        words = (system_info or USUAL_FEATURES.get(platform.machine().lower(), "")).split()
        gpus = [
            each
            for each in devices
            if each["backend"] in (gpu, "rpc") and each["type"] in ("gpu", "integratedGpu")
        ]
        gpus.sort(key=lambda each: each["backend"] != "rpc")  # as core/devices.py orders them
        return cls(available_bytes(), gpus, frozenset(words))


def available_bytes() -> int:
    """What the system could give this process now, at most what its container (cgroup) may still take."""
    import psutil

    available: int = psutil.virtual_memory().available
    return min([available, *_cgroup_rooms(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _cgroup_rooms(membership: Path, mount: Path) -> list[int]:
    """Bytes that this process's control groups and those around them may still take, of version 1 and 2."""
    names = ("memory.max", "memory.current", "inactive_file")
    rooms = []
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        root = mount
        if controllers:
            if "memory" not in controllers.split(","):
                continue
            root = mount / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root):
                rooms.extend(_room(folder, *names))
    return rooms


def _room(folder: Path, limit: str, usage: str, reclaimable: str) -> list[int]:
    try:
        allowed, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # ValueError: "max"
        return []
    given_back = sum(int(line.split()[1]) for line in lines if line.split()[0] == reclaimable)
    return [max(0, allowed - used + given_back)]
