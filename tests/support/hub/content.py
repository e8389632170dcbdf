"""Contents of files: bytes in memory, or bytes that are computed when they are read."""

from __future__ import annotations

import functools
import hashlib
import random
from dataclasses import dataclass
from typing import Protocol

GGUF_START = b"GGUF" + (3).to_bytes(4, "little")
"""Magic and version, so that made-up bytes pass for the start of a model."""

PERIOD = 1 << 20
"""Size of a block in bytes. All blocks are equal except for the block's number in their first eight bytes."""

HASHED_LIMIT = 4 << 30
"""Larger synthetic files are there to be refused: their checksum is made up."""


class Content(Protocol):
    """The bytes of a file."""

    size: int

    def read(self, offset: int, count: int) -> memoryview:
        """Some bytes from `offset`: at least one, at most `count`."""

    @property
    def sha256(self) -> str:
        """Checksum of all bytes."""


@dataclass(frozen=True)
class Held:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, count: int) -> memoryview:
        return memoryview(self.data)[offset : offset + count]

    @functools.cached_property  # each answer names it several times
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Synthetic:
    """`size` bytes that depend on `seed` and on their place, and take no memory."""

    size: int
    seed: int = 0

    def read(self, offset: int, count: int) -> memoryview:
        number, start = divmod(offset, PERIOD)
        end = min(start + count, PERIOD, start + self.size - offset)
        if start >= 8:
            return memoryview(_block(self.seed))[start:end]
        head = GGUF_START if number == 0 else number.to_bytes(8, "big")
        if start == 0 and end > 8:
            # The block's number and the rest in one copy per block.
            return memoryview(head + _block(self.seed)[8:end])
        return memoryview(head)[start : min(end, 8)]

    @property
    def sha256(self) -> str:
        return _sha256(self.size, self.seed)

    def bytes(self) -> bytes:
        """All of them, for a test that compares."""
        parts, offset = [], 0
        while offset < self.size:
            parts.append(self.read(offset, PERIOD))
            offset += len(parts[-1])
        return b"".join(parts)


@dataclass(frozen=True)
class Headed:
    """`size` bytes that begin with `head`, as of a real model. Without `sha256` the checksum is made up."""

    head: bytes
    size: int
    sha256: str = "5" * 64

    def read(self, offset: int, count: int) -> memoryview:
        if offset < len(self.head):
            return memoryview(self.head)[offset : offset + count]
        return Synthetic(self.size, seed=3).read(offset, count)


@functools.lru_cache(maxsize=64)
def _block(seed: int) -> bytes:
    return random.Random(seed).randbytes(PERIOD)


@functools.lru_cache(maxsize=256)
def _sha256(size: int, seed: int) -> str:
    if size > HASHED_LIMIT:
        return hashlib.sha256(b"%d %d" % (size, seed)).hexdigest()
    return checksum(Synthetic(size, seed))


def checksum(content: Content) -> str:
    """The sha256 of all its bytes, whatever it says itself."""
    digest, offset = hashlib.sha256(), 0
    while offset < content.size:
        piece = content.read(offset, PERIOD)
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()


def content_of(value: bytes | Content) -> Content:
    """A content from what a test gives."""
    return Held(value) if isinstance(value, bytes) else value
