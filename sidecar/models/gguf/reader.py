"""Reads the header of a GGUF file: metadata and tensor table, without loading anything.

The format is described in ggml's docs/gguf.md. Files come from anywhere, so every size and count is
checked against a limit or the file's size before it is believed.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from typing import Any, BinaryIO, Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf.header import Header, Tensor

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
MAX_ENTRIES: Final = 65536
"""Metadata keys, and tensors, that a file may have."""
MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
"""All keys, texts and names of a header together. Vocabularies are not kept and do not count."""
MAX_STRINGS: Final = 4 * 1024 * 1024
"""Elements of an array of texts, which can only be counted by walking over them."""
MAX_SHOWN_ARRAY: Final = 16
"""Longer arrays (vocabularies) are told by their length."""
MAX_KEPT_ARRAY: Final = 1024
"""Longer arrays of numbers are not kept in the header either. Values a layer are far below this."""
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

TENSOR_TYPES: Final = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
    28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
    42: ("Q2_0", 64, 18),
}  # fmt: skip
"""ggml_type → name, weights a block, bytes a block (ggml-common.h)."""


def check_readable(path: str) -> int:
    """The file's size in bytes. Raises SidecarError: `fileNotFound`, `fileNotReadable`, `notGguf` (empty)."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for somebody to write into it
            raise _unreadable(path, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a path no system has
        raise SidecarError("fileNotFound", f"/path: there is no file {path!r}", **_at(path)) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if size == 0:
        raise SidecarError("notGguf", f"/path: {path!r} is empty", **_at(path))
    return size


def check(path: str) -> None:
    """Raise the SidecarError that explains what is wrong with a model file; return if nothing is found."""
    read_header(path)


def describe(path: str) -> dict[str, Any]:
    """What inspectModel returns. Raises SidecarError: see `check_readable`, `notGguf`, `modelDamaged`."""
    size = check_readable(path)
    header = read_header(path)
    return {
        "path": path,
        "source": None,
        "sizeBytes": size,
        "readBytes": header.read_bytes,
        "ggufVersion": header.version,
        **summary(header),
        "metadata": header.metadata,
    }


def summary(header: Header) -> dict[str, Any]:
    """The members that every description of a model has: architecture, quantisation, sizes."""
    architecture = header.architecture
    bytes_by_type: dict[str, int] = {}
    for tensor in header.tensors:
        bytes_by_type[tensor.type_name] = bytes_by_type.get(tensor.type_name, 0) + (tensor.size or 0)
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    short = len(tokens) if isinstance(tokens, list) else None
    return {
        "architecture": architecture,
        "name": header.known("general.name", str),
        "parameters": sum(tensor.weights for tensor in header.tensors),
        "quantization": max(bytes_by_type, key=lambda name: bytes_by_type[name], default=""),
        "tensors": len(header.tensors),
        "contextLengthTrained": header.known(f"{architecture}.context_length", int),
        "embeddingSize": header.known(f"{architecture}.embedding_length", int),
        "layers": header.known(f"{architecture}.block_count", int),
        "vocabularySize": tokens["length"] if isinstance(tokens, dict) else short,
        "chatTemplate": "tokenizer.chat_template" in header.metadata,
    }


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
    """Read and check the header of any seekable file of `size` bytes; its end is not looked at.

    `name` and the request's member `pointer` are for the error. Raises SidecarError: `notGguf`,
    `modelDamaged`, and OSError or what else the file raises.
    """
    return Reader(file, size, name, pointer).read()


class Reader:
    """Walks through the header from its beginning."""

    read_ahead = 1024 * 1024

    def __init__(self, file: BinaryIO, size: int, name: str, pointer: str) -> None:
        self._file, self._size = file, size
        self._name, self._pointer = name, pointer
        self._arrays: dict[str, list[Any]] = {}
        self._read_bytes = self._text_bytes = 0
        self._data, self._at, self._base = b"", 0, 0  # _base: where in the file _data begins

    def read(self) -> Header:
        if self._take(4) != MAGIC:
            raise self._no_gguf("is not a GGUF file")
        version = self._number("<I")
        if version not in VERSIONS:
            why = f"has version {version:#x}, or bytes in another order"
            raise self._no_gguf(why, allowed=list(VERSIONS))
        tensor_count = self._count("tensors", MAX_ENTRIES)
        entries = self._count("metadata keys", MAX_ENTRIES)
        metadata = {}
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

    def _value(self, kind: int, depth: int, key: str) -> Any:
        if kind in SCALARS:
            value = self._number(SCALARS[kind][1])
            # JSON has no word for these two.
            return str(value) if isinstance(value, float) and not math.isfinite(value) else value
        if kind == STRING:
            return self._text("a value")
        if kind == ARRAY and depth < MAX_NESTING:
            return self._array(depth, key)
        raise self._damaged(f"a value has the unknown type {kind}")

    def _array(self, depth: int, key: str) -> Any:
        kind = self._number("<I")
        # Each element takes a byte at least: a larger count cannot be true.
        count = self._count("array elements", self._size)
        if count <= MAX_SHOWN_ARRAY:
            return [self._value(kind, depth + 1, key) for _ in range(count)]
        if kind in SCALARS:
            name, form = SCALARS[kind]
            width = struct.calcsize(form)
            if depth == 0 and count <= MAX_KEPT_ARRAY and len(self._arrays) < MAX_KEPT_ARRAYS:
                self._arrays[key] = list(struct.unpack(f"<{count}{form[1]}", self._take(count * width)))
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
        return self._take(length).decode("utf-8", "replace")

    def _number(self, form: str) -> Any:
        size = struct.calcsize(form)
        self._need(size)
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += size
        return value

    def _take(self, count: int) -> bytes:
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
        """Have `count` bytes from here in memory."""
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

    def _no_gguf(self, why: str, **details: Any) -> SidecarError:
        problem = f"{self._pointer}: {self._name!r} {why}"
        return SidecarError("notGguf", problem, **_at(self._name, self._pointer), **details)

    def _damaged(self, why: str) -> SidecarError:
        return _damaged(self._name, why, self._pointer)


def _at(path: str, pointer: str = "/path") -> dict[str, Any]:
    return {"pointer": pointer, "value": path[:500]}


def _unreadable(path: str, why: str) -> SidecarError:
    return SidecarError("fileNotReadable", f"/path: {path!r} cannot be read: {why}", **_at(path), cause=why)


def _damaged(path: str, why: str, pointer: str = "/path") -> SidecarError:
    problem = f"{pointer}: {path!r} is damaged: {why}"
    return SidecarError("modelDamaged", problem, **_at(path, pointer), cause=why)
