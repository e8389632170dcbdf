"""Reads the header of a GGUF file on a server. It skips most of the vocabulary, the largest part of a header.

Only a walk over all texts finds the exact end of an array of texts. This reader jumps, and reads small windows. A
window full of texts is inside the array. Where the texts stop, the array has ended, and the last text is the next
key. The tensor table verifies the guess: its offsets must follow from its sizes. If not, the whole header is read.

inspectModel of a model of 253 MB with 262,144 tokens reads 1.5 MB instead of 7.3 MB. With 50 ms of latency it takes
3.3 s instead of 7.5 s at 10 Mbit/s, 2.4 s instead of 2.8 s at 50 Mbit/s; without any limit 2.2 s instead of 1.8 s.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.gguf.header import Header

WINDOW_BYTES: Final = 64 * 1024
MAX_WINDOWS: Final = 32
LONG_ARRAY: Final = 16384
"""Shorter arrays of texts are read whole."""

LONGEST_TEXT: Final = 4096
"""Bytes of the longest text of a vocabulary. Anything longer is something else."""

MIN_TEXTS: Final = 64
"""Texts that must follow one another, so that it is not a coincidence."""

JUMP_SHARE: Final = 0.85
"""Share of the estimated distance to the end that one jump covers."""

OVERLAP: Final = 4
"""Texts at the end of a window that the next window reads again: the key may be one of them."""

KEY: Final = re.compile(rb"[A-Za-z0-9_.-]{1,128}")
LAST_TYPE: Final = 12


def read_header(file: BinaryIO, size: int, name: str, pointer: str = "/path") -> Header:
    """Returns and raises what `reader.parse` does, for a file where each read is a request."""
    sparse = _SparseReader(file, size, name, pointer)
    try:
        header = sparse.read()
        if not sparse.jumped or _in_order(header, size):
            return header
    except SidecarError as error:
        if not sparse.jumped or error.kind != "modelDamaged":
            raise
    file.seek(0)
    return reader.parse(file, size, name, pointer)


def _in_order(header: Header, size: int) -> bool:
    """Whether the tensors follow one another without gaps, as llama.cpp requires, and end within the file."""
    alignment = header.typed("general.alignment", int) or 32
    end = 0
    for tensor in header.tensors:
        if tensor.size is None or tensor.offset != end:
            return False
        end += -(-tensor.size // alignment) * alignment
    return 0 < end < size - header.data_start + alignment


@dataclass(slots=True)
class _Row:
    """`count` texts that follow one another, from `start` to `stop`. `key`: the offset of the key after them."""

    start: int
    stop: int
    count: int
    key: int | None

    @property
    def width(self) -> float:
        """Bytes per text, with its length field."""
        return (self.stop - self.start) / self.count


class _SparseReader(reader.Reader):
    read_ahead = 4 * WINDOW_BYTES
    jumped = False

    def _skip_texts(self, count: int) -> None:
        start = self._base + self._at
        end = self._end_of_texts(start, count) if count >= LONG_ARRAY else None
        self._file.seek(self._base + len(self._data))
        if end is None:
            super()._skip_texts(count)
        else:
            self.jumped = True
            self._skip(end - start)

    def _end_of_texts(self, start: int, count: int) -> int | None:
        """The end of the array whose first text is at `start`; None if it is not found."""
        low, left, width = start, float(count), 0.0
        high = self._size
        jump = 0
        for _ in range(MAX_WINDOWS):
            row = self._row(low + jump, exact=not jump)
            if row is None:
                if not jump:
                    return None
                high = low + jump
            elif row.key is not None:
                return row.key
            else:
                passed = (row.start - low) / ((width + row.width) / 2)
                left = max(left - passed - row.count, 1.0)
                low, width = row.stop, row.width
            far = int(min(JUMP_SHARE * left * width, (high - low) / 2))
            jump = far if far > WINDOW_BYTES else 0
        return None

    def _row(self, position: int, *, exact: bool) -> _Row | None:
        """The texts in the window at `position`. `exact`: the first text begins there. None: not inside the array."""
        self._file.seek(position)
        data = self._file.read(WINDOW_BYTES)
        self._read_bytes += len(data)
        for first in range(1 if exact else LONGEST_TEXT + 8):
            starts, ended = _texts(data, first)
            if not exact and len(starts) < MIN_TEXTS:
                continue
            if not exact and starts[-1] - first < 9 * (len(starts) - 1):
                return None  # zeros look like empty texts
            if ended:
                key = next((at for at in reversed(starts[-OVERLAP:]) if _is_key(data, at)), None)
                return None if key is None else _Row(position + first, 0, 0, position + key)
            if len(starts) > OVERLAP:
                return _Row(position + first, position + starts[-OVERLAP], len(starts) - OVERLAP, None)
        return None


def _texts(data: bytes, at: int) -> tuple[list[int], bool]:
    """The offsets of texts that follow one another, and whether something else follows the last one."""
    starts: list[int] = []
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if length > LONGEST_TEXT:
            return starts, True
        starts.append(at)
        at += 8 + length
    return starts, False


def _is_key(data: bytes, at: int) -> bool:
    """Whether a text can be a key or a tensor's name: a type, or a number of dimensions, follows."""
    (length,) = struct.unpack_from("<Q", data, at)
    end = at + 8 + length
    if not KEY.fullmatch(data[at + 8 : end]):
        return False
    (kind,) = struct.unpack_from("<I", data, end)
    return bool(kind <= LAST_TYPE)
