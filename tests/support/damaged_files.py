"""Model files that are damaged."""

from __future__ import annotations

import random
import shutil
from pathlib import Path


class DamagedCopy:
    """A copy of a model whose header is damaged and repaired in place, because copying takes longer."""

    def __init__(self, source: str, copy: Path, header_bytes: int) -> None:
        shutil.copyfile(source, copy)
        self.path = str(copy)
        self._copy = copy
        with copy.open("rb") as file:
            self._header = file.read(header_bytes)

    def flip(self, seed: int, *, bits: int = 4, within: tuple[int, int] | None = None) -> None:
        """Repair the header, then flip some bits of it, the same ones for the same seed."""
        chance = random.Random(seed)
        first, last = within or (0, len(self._header))
        damaged = bytearray(self._header)
        for _ in range(bits):
            damaged[chance.randrange(first, last)] ^= 1 << chance.randrange(8)
        self._write(bytes(damaged))

    def repair(self) -> None:
        """Restore the original header."""
        self._write(self._header)

    def _write(self, data: bytes) -> None:
        with self._copy.open("r+b") as file:
            file.write(data)
