"""This machine: its free memory, GPUs and CPU features, and the memory of single processes.

psutil reports the memory. On Linux this module reads two files of /proc instead: importing psutil takes 50 ms of the
first load, and 3 MB in every engine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Device = Mapping[str, Any]  # the schema's Device, or one of core/llama with further members

USUAL_FEATURES: Final = {
    "x86_64": "REPACK AVX2", "amd64": "REPACK AVX2", "arm64": "REPACK DOTPROD", "aarch64": "REPACK DOTPROD",
}  # fmt: skip
"""Assumed CPU features by architecture, until llama.cpp reports the real ones (`systemInfo` of InitResult)."""


class Machine:
    """Free memory of the system in bytes, the GPUs that models may use, and the features of the CPU."""

    def __init__(
        self,
        free_bytes: int,
        gpus: Sequence[Device] = (),
        features: frozenset[str] = frozenset(),
    ) -> None:
        self.free_bytes = free_bytes
        self.gpus = gpus
        self.features = features

    @classmethod
    def here(cls, gpu: str = "cpu", devices: Sequence[Device] = (), system_info: str = "") -> Machine:
        """This machine. The arguments are members of InitResult; the defaults mean a typical CPU and no GPU."""
        words = (system_info or USUAL_FEATURES.get(architecture(), "")).split()
        gpus = [
            each
            for each in devices
            if each["backend"] in (gpu, "rpc") and each["type"] in ("gpu", "integratedGpu")
        ]
        gpus.sort(key=lambda each: each["backend"] != "rpc")  # the order of core/llama/devices.py
        return cls(available_bytes(), gpus, frozenset(words))


def architecture() -> str:
    """The processor's architecture in lower case. Python's platform.machine asks WMI on Windows, which takes long."""
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_ARCHITECTURE", "").lower()
    return os.uname().machine.lower()


def available_bytes() -> int:
    """Bytes that this process can still use: free memory of the system, limited by its container (cgroup)."""
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
    """Memory of a process in bytes: address space, resident memory, and the part of that which is shared or mapped.

    `shared` is 0 where the system does not report it.
    """

    def __init__(self, virtual: int, resident: int, shared: int) -> None:
        self.virtual = virtual
        self.resident = resident
        self.shared = shared


def process_memory(pid: int | None = None) -> ProcessMemory:
    """The memory of a process of this user; None: this process. All zeros if it has ended."""
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
    """Bytes left in the control groups (version 1 and 2) of this process and in their parents."""
    names = ("memory.max", "memory.current", "inactive_file")
    rooms = []
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
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
    reclaimable_bytes = sum(int(line.split()[1]) for line in lines if line.split()[0] == reclaimable)
    return [max(0, allowed - used + reclaimable_bytes)]
