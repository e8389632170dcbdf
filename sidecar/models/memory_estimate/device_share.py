"""What one device holds of a model and its context, and whether that is more than it has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sidecar.models.gguf.header import Tensor

FULL: Final = 0.9
"""Above this share of the free memory the verdict is "tight". "auto" fills a GPU up to it."""


@dataclass(slots=True)
class DeviceShare:
    """What one device holds, in bytes.

    `weights` is what llama.cpp reports: mapped parts of the file, and repacked copies. `kept` is the part of it
    that every step uses, so it must stay in memory. `copied` is the part of it that is not mapped, so the system
    cannot drop it and read it again.
    """

    name: str
    type: str
    free: int
    margin: int | None = None
    """Bytes that stay free where "auto" decides; None: a share."""
    layers: int = 0
    weights: int = 0
    kept: int = 0
    copied: int = 0
    caches: int = 0
    compute: int = 0
    projector: int = 0

    @property
    def needed(self) -> int:
        """Bytes that must be in memory for full speed."""
        return self.kept + self.caches + self.compute + self.projector

    @property
    def total(self) -> int:
        return self.weights + self.caches + self.compute + self.projector

    def room(self, share: float) -> float:
        """Bytes that may be taken. `share` 1: all that are free."""
        return self.free * share if share == 1 or self.margin is None else self.free - self.margin

    def describe(self) -> dict[str, object]:
        """The schema's `DeviceEstimate`."""
        return {
            "name": self.name,
            "type": self.type,
            "layers": self.layers,
            "weightsBytes": self.weights,
            "kvCacheBytes": self.caches,
            "computeBytes": self.compute,
            "projectorBytes": self.projector,
            "totalBytes": self.total,
            "freeBytes": self.free,
        }


def add_weights(part: DeviceShare, tensors: Iterable[Tensor]) -> None:
    """Add weights that are copied to a GPU."""
    size = sum(tensor.size or 0 for tensor in tensors)
    part.weights += size
    part.kept += size
    part.copied += size


def fits_on(part: DeviceShare, share: float = 1) -> bool:
    return part.needed <= part.room(share)


def lacking(parts: list[DeviceShare], share: float = 1) -> tuple[str, int, int] | None:
    """The first device that is too small: its name, the bytes needed there, the bytes free."""
    cpu = parts[0]
    system = sum(part.needed for part in parts if part.type in ("cpu", "integratedGpu"))
    if system > cpu.room(share):
        return cpu.name, system, cpu.free
    for part in parts[1:]:
        if not fits_on(part, share):
            return part.name, part.needed, part.free
    return None
