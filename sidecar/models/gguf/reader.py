"""Reads the header of a GGUF file: metadata and tensor table.

ggml's docs/gguf.md describes the format. Files come from anywhere, so every size and count is checked against a
limit or the file's size before it is used.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from typing import Any, BinaryIO, Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf.header import Header, Number, Tensor
from sidecar.models.gguf.tensor_types import TENSOR_TYPES

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
MAX_ENTRIES: Final = 65536
"""Metadata keys, and tensors, that a file may have."""
MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
"""All keys, texts and names of a header together. Vocabularies are skipped and do not count."""
MAX_STRINGS: Final = 4 * 1024 * 1024
"""Elements of an array of texts. Its size in bytes is only known after a walk over all of them."""
MAX_SHOWN_ARRAY: Final = 16
"""Of longer arrays, such as vocabularies, the metadata has type and length only."""
MAX_KEPT_ARRAY: Final = 1024
"""Longest array of numbers in `Header.arrays`. Those with one value per layer are far shorter."""
MAX_KEPT_ARRAYS: Final = 64
MAX_DIMENSIONS: Final = 4
MAX_NESTING: Final = 4

STRING: Final = 8
ARRAY: Final = 9
SCALARS: Final = {
    0: ("uint8", "<B"), 1: ("int8", "<b"), 2: ("uint16", "<H"), 3: ("int16", "<h"),
    4: ("uint32", "<I"), 5: ("int32", "<i"), 6: ("float32", "<f"), 7: ("bool", "<?"),
    10: ("uint64", "<Q"), 11: ("int64", "<q"), 12: ("float64", "<d"),
}  # fmt: skip
"""Metadata value type → name, struct format."""


def check_readable(path: str) -> int:
    """The file's size in bytes. Raises SidecarError: `fileNotFound`, `fileNotReadable`, `notGguf` (empty)."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for a writer
            raise _unreadable(path, "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no system has such a path
        raise SidecarError("fileNotFound", f"/path: there is no file {path!r}", **_at(path)) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if size == 0:
        raise SidecarError("notGguf", f"/path: {path!r} is empty", **_at(path))
    return size


def read_header(path: str) -> Header:
    """Read and check a header, and that the file is long enough for its tensors.

    Raises SidecarError: see `check_readable`, `notGguf`, `modelDamaged`.
    """
    size = check_readable(path)
    try:
        with open(path, "rb") as file:
            header = parse(file, size, path)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    end = header.data_start + max(
        (t.offset + t.size for t in header.tensors if t.size is not None), default=0
    )
    if end > size:
        raise _damaged(path, f"it ends after {size} bytes, its tensors need {end}")
    return header


def parse(file: BinaryIO, size: int, name: str, pointer: str = "/path") -> Header:
    """Read and check the header of any seekable file of `size` bytes, without checking the file's end.

    An error names the file as `name`, and `pointer` as the request's member. Raises SidecarError `notGguf`,
    `modelDamaged`; and what the file raises.
    """
    return Reader(file, size, name, pointer).read()


class Reader:
    """Parses the header from its beginning."""

    read_ahead = 1024 * 1024
    """Bytes of one read."""

    def __init__(self, file: BinaryIO, size: int, name: str, pointer: str) -> None:
        self._file, self._size = file, size
        self._name, self._pointer = name, pointer
        self._arrays: dict[str, list[Number]] = {}
        self._read_bytes = self._text_bytes = 0
        self._data, self._at, self._base = b"", 0, 0
        """Bytes that were read, the position in them, and their offset in the file."""

    def read(self) -> Header:
        if self._read(4) != MAGIC:
            raise self._not_gguf("is not a GGUF file")
        version = self._number("<I")
        if version not in VERSIONS:
            why = f"has version {version:#x}, or another byte order"
            raise self._not_gguf(why, allowed=list(VERSIONS))
        tensor_count = self._count("tensors", MAX_ENTRIES)
        entries = self._count("metadata keys", MAX_ENTRIES)
        metadata: dict[str, object] = {}
        for _ in range(entries):
            key = self._text("a key")
            metadata[key] = self._value(self._number("<I"), 0, key)
        tensors = [self._tensor() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise self._damaged(f"general.alignment is {alignment!r}")
        data_start = -(-(self._base + self._at) // alignment) * alignment
        return Header(version, metadata, self._arrays, tensors, data_start, self._read_bytes)

    def _tensor(self) -> Tensor:
        name = self._text("a tensor's name")
        dimensions = self._number("<I")
        if not 0 < dimensions <= MAX_DIMENSIONS:
            raise self._damaged(f"the tensor {name[:100]!r} has {dimensions} dimensions")
        shape = tuple(self._number("<Q") for _ in range(dimensions))
        weights = math.prod(shape)
        if weights >= 2**63:
            raise self._damaged(f"the tensor {name[:100]!r} has {weights} weights")
        kind, offset = self._number("<I"), self._number("<Q")
        type_name, block, block_bytes = TENSOR_TYPES.get(kind, (f"type {kind}", 0, 0))
        size = weights // block * block_bytes if block else None
        return Tensor(name, shape, weights, type_name, offset, size)

    def _value(self, kind: int, depth: int, key: str) -> object:
        if kind in SCALARS:
            value = self._number(SCALARS[kind][1])
            # JSON has no NaN and no infinity.
            return str(value) if isinstance(value, float) and not math.isfinite(value) else value
        if kind == STRING:
            return self._text("a value")
        if kind == ARRAY and depth < MAX_NESTING:
            return self._array(depth, key)
        raise self._damaged(f"a value has the unknown type {kind}")

    def _array(self, depth: int, key: str) -> object:
        kind = self._number("<I")
        # Each element takes at least one byte.
        count = self._count("array elements", self._size)
        if count <= MAX_SHOWN_ARRAY:
            return [self._value(kind, depth + 1, key) for _ in range(count)]
        if kind in SCALARS:
            name, form = SCALARS[kind]
            width = struct.calcsize(form)
            if depth == 0 and count <= MAX_KEPT_ARRAY and len(self._arrays) < MAX_KEPT_ARRAYS:
                self._arrays[key] = list(struct.unpack(f"<{count}{form[1]}", self._read(count * width)))
            else:
                self._skip(count * width)
            return {"type": name, "length": count}
        if kind != STRING or count > MAX_STRINGS:
            raise self._damaged(f"an array of {count} elements has the type {kind}")
        self._skip_texts(count)
        return {"type": "string", "length": count}

    def _skip_texts(self, count: int) -> None:
        for _ in range(count):
            self._skip(self._number("<Q"))

    def _count(self, what: str, limit: int) -> int:
        count: int = self._number("<Q")
        if count > limit:
            raise self._damaged(f"it claims {count} {what}")
        return count

    def _text(self, what: str) -> str:
        length: int = self._number("<Q")
        self._text_bytes += length
        if self._text_bytes > MAX_TEXT_BYTES:
            raise self._damaged(f"{what} claims {length} bytes")
        return self._read(length).decode("utf-8", "replace")

    def _number(self, form: str) -> Any:  # int, float or bool, by `form`
        size = struct.calcsize(form)
        self._need(size)
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += size
        return value

    def _read(self, count: int) -> bytes:
        self._need(count)
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def _skip(self, count: int) -> None:
        if self._at + count <= len(self._data):
            self._at += count
            return
        target = self._base + self._at + count
        if target > self._size:
            raise self._damaged(f"it ends after {self._size} bytes, within its header")
        self._file.seek(target)
        self._data, self._base, self._at = b"", target, 0

    def _need(self, count: int) -> None:
        """Have the next `count` bytes in memory."""
        if self._at + count <= len(self._data):
            return
        rest = self._data[self._at :]
        self._base += self._at
        if self._base + count > self._size:
            raise self._damaged(f"it ends after {self._size} bytes, within its header")
        more = self._file.read(max(self.read_ahead, count - len(rest)))
        self._read_bytes += len(more)
        self._data, self._at = rest + more, 0
        if len(self._data) < count:
            raise self._damaged("it ends within its header")

    def _not_gguf(self, why: str, **details: object) -> SidecarError:
        problem = f"{self._pointer}: {self._name!r} {why}"
        return SidecarError("notGguf", problem, **_at(self._name, self._pointer), **details)

    def _damaged(self, why: str) -> SidecarError:
        return _damaged(self._name, why, self._pointer)


def _at(path: str, pointer: str = "/path") -> dict[str, str]:
    return {"pointer": pointer, "value": path[:500]}


def _unreadable(path: str, why: str) -> SidecarError:
    return SidecarError("fileNotReadable", f"/path: {path!r} cannot be read: {why}", **_at(path), cause=why)


def _damaged(path: str, why: str, pointer: str = "/path") -> SidecarError:
    problem = f"{pointer}: {path!r} is damaged: {why}"
    return SidecarError("modelDamaged", problem, **_at(path, pointer), cause=why)
