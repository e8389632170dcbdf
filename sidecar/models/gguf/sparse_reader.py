"""Reads the header of a GGUF file that is far away without most of its vocabulary, which is most of the header.

Only walking over an array of texts tells for certain where it ends. Here a few windows of it are looked at: where
texts follow one another it still goes on, and where they stop, the last of them is the next key. Whether all that
was right the table of tensors tells, whose offsets must follow from its sizes. If they do not, all is read.
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
"""Texts of an array from which on a few windows are less than all of it."""

LONGEST_TEXT: Final = 4096
"""Bytes. What claims to be longer is no text of a vocabulary."""

ENOUGH: Final = 64
"""Texts in a row that are no chance."""

CAUTION: Final = 0.85
"""The share of the way to the end, by its estimate, that is jumped over at once."""

OVERLAP: Final = 4
"""The last texts of a window are looked at again in the next one: the key may be among them."""

KEY: Final = re.compile(rb"[A-Za-z0-9_.-]{1,128}")
LAST_TYPE: Final = 12


def read_header(file: BinaryIO, size: int, name: str, pointer: str = "/path") -> Header:
    """What `gguf.parse` returns and raises, for a file of which each read costs a request."""
    skimmer = _Skimmer(file, size, name, pointer)
    try:
        header = skimmer.read()
        if not skimmer.jumped or _in_order(header, size):
            return header
    except SidecarError as error:
        if not skimmer.jumped or error.kind != "modelDamaged":
            raise
    file.seek(0)
    return reader.parse(file, size, name, pointer)


def _in_order(header: Header, size: int) -> bool:
    """Whether the tensors follow one another without gaps, as llama.cpp wants them, and end with the file or before."""
    alignment: int = header.metadata.get("general.alignment", 32)
    end = 0
    for tensor in header.tensors:
        if tensor.size is None or tensor.offset != end:
            return False
        end += -(-tensor.size // alignment) * alignment
    return 0 < end < size - header.data_start + alignment


@dataclass(slots=True)
class _Row:
    """Texts that follow one another: from where to where, and how many. `key` is where a key follows, if one does."""

    start: int
    stop: int
    count: int
    key: int | None

    @property
    def width(self) -> float:
        """Bytes of a text with its length."""
        return (self.stop - self.start) / self.count


class _Skimmer(reader.Reader):
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
        """Where the array ends whose first text is at `start`; None: that cannot be told from here and there."""
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
            far = int(min(CAUTION * left * width, (high - low) / 2))
            jump = far if far > WINDOW_BYTES else 0
        return None

    def _row(self, position: int, *, exact: bool) -> _Row | None:
        """The texts in a window; `exact`: the first begins with it. None: there are none, or something else follows."""
        self._file.seek(position)
        data = self._file.read(WINDOW_BYTES)
        self._read_bytes += len(data)
        for first in range(1 if exact else LONGEST_TEXT + 8):
            starts, ended = _texts(data, first)
            if not exact and len(starts) < ENOUGH:
                continue
            if not exact and starts[-1] - first < 9 * (len(starts) - 1):
                return None  # zeros pass for texts, but for empty ones
            if ended:
                key = next((at for at in reversed(starts[-OVERLAP:]) if _is_key(data, at)), None)
                return None if key is None else _Row(position + first, 0, 0, position + key)
            if len(starts) > OVERLAP:
                return _Row(position + first, position + starts[-OVERLAP], len(starts) - OVERLAP, None)
        return None


def _texts(data: bytes, at: int) -> tuple[list[int], bool]:
    """Where texts begin that follow one another, and whether something else follows them."""
    starts: list[int] = []
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if length > LONGEST_TEXT:
            return starts, True
        starts.append(at)
        at += 8 + length
    return starts, False


def _is_key(data: bytes, at: int) -> bool:
    """Whether a text may be a key, or a tensor's name: the number of a type, or of dimensions, follows."""
    (length,) = struct.unpack_from("<Q", data, at)
    end = at + 8 + length
    if not KEY.fullmatch(data[at + 8 : end]):
        return False
    (kind,) = struct.unpack_from("<I", data, end)
    return bool(kind <= LAST_TYPE)
