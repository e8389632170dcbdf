"""A GGUF file as a tree that can be changed anywhere and written again, also to what no program would write."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gguf_files import ALIGNMENT, ARRAY, SCALARS, STRING, text


@dataclass
class Entry:
    """A metadata entry. The value of an array is a list; `element` is the type of its elements."""

    key: bytes
    kind: int
    value: Any
    element: int = 0
    claimed: int | None = None
    """The length that is written instead of the true one, of a text or an array."""
    kept: bool = False
    """Keep writing the value as `wrote`, although `kind` says otherwise."""
    wrote: int = 0

    def data(self) -> bytes:
        """The entry as it is written."""
        return (
            text(self.key) + struct.pack("<I", self.kind) + self._body(self.wrote if self.kept else self.kind)
        )

    def _body(self, kind: int) -> bytes:
        if kind == STRING:
            return self._length(len(self.value)) + self.value
        if kind == ARRAY:
            if self.element == STRING:
                body = b"".join(text(each) for each in self.value)
            else:
                body = b"".join(number(self.element, each) for each in self.value)
            return struct.pack("<I", self.element) + self._length(len(self.value)) + body
        return number(kind, self.value)

    def _length(self, true: int) -> bytes:
        return struct.pack("<Q", true if self.claimed is None else self.claimed)


@dataclass
class Row:
    """A row of the tensor table."""

    name: bytes
    shape: list[int]
    kind: int
    offset: int
    dimensions: int | None = None

    def data(self) -> bytes:
        """The row as it is written."""
        count = len(self.shape) if self.dimensions is None else self.dimensions
        sizes = struct.pack(f"<{len(self.shape)}Q", *(size % 2**64 for size in self.shape))
        end = struct.pack("<IQ", self.kind, self.offset % 2**64)
        return text(self.name) + struct.pack("<I", count) + sizes + end


@dataclass
class Tree:
    """A whole file."""

    entries: list[Entry]
    rows: list[Row]
    weights: bytes
    version: int = 3
    counts: dict[str, int] = field(default_factory=dict)
    """What is written instead of the true counts of `rows` and `entries`."""

    def data(self) -> bytes:
        """The file."""
        counts = {"rows": len(self.rows), "entries": len(self.entries)} | self.counts
        head = b"GGUF" + struct.pack("<IQQ", self.version, counts["rows"], counts["entries"])
        head += b"".join(entry.data() for entry in self.entries) + b"".join(row.data() for row in self.rows)
        return head + bytes(-len(head) % ALIGNMENT) + self.weights

    def find(self, key: str) -> Entry | None:
        """The entry of a key."""
        return next((entry for entry in self.entries if entry.key == key.encode()), None)


def number(kind: int, value: Any) -> bytes:
    """A number, cut to the size of its type."""
    form = SCALARS[kind]
    if form in "fd":
        return struct.pack(f"<{form}", value)
    size = struct.calcsize(form)
    return (int(value) % 2 ** (8 * size)).to_bytes(size, "little")


def read(path: str | Path) -> Tree:
    """Parse a good file."""
    data, at = Path(path).read_bytes(), 24

    def take(form: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(form)
        return value

    def take_text() -> bytes:
        nonlocal at
        length = take("Q")
        at += length
        return data[at - length : at]

    def take_value(kind: int) -> Any:
        return take_text() if kind == STRING else take(SCALARS[kind])

    version, row_count, entry_count = struct.unpack_from("<IQQ", data, 4)
    entries, rows = [], []
    for _ in range(entry_count):
        key, kind = take_text(), take("I")
        if kind == ARRAY:
            element, count = take("I"), take("Q")
            entries.append(Entry(key, kind, [take_value(element) for _ in range(count)], element))
        else:
            entries.append(Entry(key, kind, take_value(kind)))
    for _ in range(row_count):
        name = take_text()
        shape = [take("Q") for _ in range(take("I"))]
        rows.append(Row(name, shape, take("I"), take("Q")))
    return Tree(entries, rows, data[at + -at % ALIGNMENT :], version)
