"""What this machine has for models: free memory, GPUs, and what its CPU can; and what a process takes of it.

psutil tells the memory. On Linux its two files are read here: importing it takes 50 ms, which the first load waits
for, and 3 MB in every engine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
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
        gpus: Sequence[Mapping[str, Any]] = (),
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
        gpus.sort(key=lambda each: each["backend"] != "rpc")  # as core/llama/devices.py orders them
        return cls(available_bytes(), gpus, frozenset(words))


def available_bytes() -> int:
    """What the system could give this process now, at most what its container (cgroup) may still take."""
    return min([_system_bytes(), *_cgroup_rooms(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _system_bytes() -> int:
    if sys.platform == "linux":
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    import psutil

    available: int = psutil.virtual_memory().available
    return available


class ProcessMemory:
    """Memory of a process in bytes: its addresses, what of them is in memory, and what of that is a file's.

    The last is 0 where the system does not tell it.
    """

    def __init__(self, virtual: int, resident: int, shared: int) -> None:
        self.virtual = virtual
        self.resident = resident
        self.shared = shared


def process_memory(pid: int | None = None) -> ProcessMemory:
    """Of a process of this user, None: this one. All is 0 if it is gone."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid or 'self'}/statm", encoding="ascii") as file:
                pages = [int(number) for number in file.read().split()[:3]]
        except (FileNotFoundError, ProcessLookupError):
            return ProcessMemory(0, 0, 0)
        return ProcessMemory(*(count * os.sysconf("SC_PAGE_SIZE") for count in pages))
    import psutil

    try:
        found = psutil.Process(pid).memory_info()
    except psutil.Error:
        return ProcessMemory(0, 0, 0)
    return ProcessMemory(found.vms, found.rss, getattr(found, "shared", 0))


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
