"""The cache of a sequence in a file: its format, and the checks before llama.cpp reads it.

A file has these parts: MAGIC, the length of the header (uint32), the header (JSON), the tokens (int32 each),
llama.cpp's own bytes, and the SHA-256 of all these. Rows of pictures and sound are -1, -2, …: the first, second … of
`chunks` in the header. Numbers are little-endian. The file is written under another name
in the same folder, then renamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import struct
import sys
import tempfile
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from sidecar.core.context.context import Context
from sidecar.core.llama import bindings
from sidecar.core.media import media_id
from sidecar.core.model.adapters import Scales
from sidecar.message_handler.errors import SidecarError
from sidecar.models.store import durable_files

if TYPE_CHECKING:
    from io import BufferedReader

MAGIC: Final = b"LSSTATE\n"
FORMAT: Final = 1
"""Version of the format. Increase it with each change."""

MAX_HEADER_BYTES: Final = 256 * 1024
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""Bytes that are read or written between two checks for an abort."""

SHA256_BYTES: Final = 32

Check = Callable[[], None]
"""Raises SidecarError `aborted` if the request was cancelled."""


@dataclass
class State:
    """The cache of a sequence: `data` is llama.cpp's, `header` says which context it is valid for."""

    header: dict[str, object]
    tokens: list[int]
    data: bytearray
    more: tuple[bytearray, ...] = ()
    """What is written after `data`; read back, it is the end of `data`."""


def header_of(context: Context) -> dict[str, object]:
    """What a context must have in common with the one that saved a state, without the adapters."""
    return {
        "format": FORMAT,
        "llamaCpp": bindings.version()[0],
        "byteOrder": sys.byteorder,
        "model": context.model.fingerprint,
        "kvCacheType": context.kv_cache_type,
        "flashAttention": context.flash_attention,
        "window": context.window,
        "sequences": len(context.sequences),  # llama.cpp checks this number when it reads a state
        **({} if context.value_cache_type == context.kv_cache_type else {"values": context.value_cache_type}),
        **({"rope": context.rope} if context.rope else {}),
        **({"piece": context.piece} if context.piece else {}),
    }


def media_of(context: Context, tokens: list[int]) -> dict[str, str]:
    """What the context must have in common, besides, if there are pictures or sound among the tokens."""
    encoder = context.model.encoder
    return {} if encoder is None or min(tokens) >= 0 else {"projector": encoder.projector.fingerprint}


# ---- write ---------------------------------------------------------------------------------------------


def write(path: str, state: State, check: Check) -> int:
    """Write a state to a file, which gets its name when it is complete. Returns its size in bytes.

    Raises SidecarError `diskFull`, `directoryNotWritable`, or what `check` raises.
    """
    folder = os.path.dirname(path)
    chunks = sorted({token for token in state.tokens if token < 0})
    numbers = {chunk: -1 - number for number, chunk in enumerate(chunks)}
    tokens = array("i", (numbers.get(token, token) for token in state.tokens))
    if sys.byteorder == "big":
        tokens.byteswap()
    blobs = [state.data, *state.more]
    header = {**state.header, "tokens": len(tokens), "stateBytes": sum(map(len, blobs))}
    head = json.dumps(header | ({"chunks": [f"{-chunk:x}" for chunk in chunks]} if chunks else {})).encode()
    parts: list[bytes | bytearray] = [MAGIC, struct.pack("<I", len(head)), head, tokens.tobytes(), *blobs]
    size = sum(map(len, parts)) + SHA256_BYTES
    try:
        free = shutil.disk_usage(folder).free
        if size > free:
            raise _disk_full(path, size, free)
        handle, unfinished = tempfile.mkstemp(prefix=os.path.basename(path) + ".", suffix=".part", dir=folder)
    except (OSError, ValueError) as error:  # ValueError: no system has such a path
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            _write_parts(file, parts, check)
        durable_files.replace(
            unfinished, path
        )  # not synced: after a power cut the checksum shows missing bytes
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(path, size, None) from error
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            durable_files.remove(unfinished)  # after a success it no longer exists
    return size


def _write_parts(file: BinaryIO, parts: list[bytes | bytearray], check: Check) -> None:
    digest = hashlib.sha256()
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), CHUNK_BYTES):
            check()
            chunk = view[start : start + CHUNK_BYTES]
            digest.update(chunk)
            file.write(chunk)
    file.write(digest.digest())


def _disk_full(path: str, size: int, free: int | None) -> SidecarError:
    problem = f"/path: the state has {size} bytes, and there is not enough space at {path!r}"
    allowed = {} if free is None else {"allowed": {"maximum": free}}
    return SidecarError("diskFull", problem, pointer="/path", value=size, **allowed)


def _cannot_write(path: str, error: OSError | ValueError) -> SidecarError:
    cause = (isinstance(error, OSError) and error.strerror) or str(error)
    problem = f"/path: {path!r} cannot be written: {cause}"
    return SidecarError("directoryNotWritable", problem, pointer="/path", value=path[:500], cause=cause)


# ---- read ----------------------------------------------------------------------------------------------


def read(path: str, available_bytes: int, check: Check) -> State:
    """Read a file and check that it is complete. `compare` checks the context that it is for.

    Raises SidecarError `fileNotFound`, `fileNotReadable`, `stateDamaged`, `outOfMemory`, or what `check` raises.
    """
    return _with_file(path, lambda file, size: _read(file, size, path, available_bytes, check))


def read_tokens(path: str, most: int) -> State:
    """The header and the tokens of a file, unchecked, without its data. Raises SidecarError as `read` does, and

    `stateMismatch` for more than `most` tokens.
    """
    return _with_file(path, lambda file, size: _read_begin(_Reader(file, path, lambda: None), size, most)[0])


def _with_file(path: str, read_it: Callable[[BufferedReader, int], State]) -> State:
    """What `read_it` makes of an open file and its size."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for a writer
            raise _unreadable(path, "it is not a regular file")
        with Path(path).open("rb") as file:
            return read_it(file, os.fstat(file.fileno()).st_size)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no system has such a path
        problem = f"/path: there is no file {path!r}"
        raise SidecarError("fileNotFound", problem, pointer="/path", value=path[:500]) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


class _Reader:
    """Reads a file in pieces, and keeps the checksum of what was read."""

    def __init__(self, file: BufferedReader, path: str, check: Check) -> None:
        self._file = file
        self.path = path
        self._check = check
        self.digest = hashlib.sha256()

    def read(self, count: int) -> bytearray:
        """Raises SidecarError `stateDamaged` if the file has fewer bytes."""
        data = bytearray(count)
        view = memoryview(data)
        for start in range(0, count, CHUNK_BYTES):
            self._check()
            chunk = view[start : start + CHUNK_BYTES]
            if self._file.readinto(chunk) != len(chunk):
                raise _damaged(self.path, "it ends too early")
            self.digest.update(chunk)
        return data


def _read(file: BufferedReader, size: int, path: str, available_bytes: int, check: Check) -> State:
    if size > available_bytes:
        problem = f"The state has {size} bytes, {available_bytes} of memory are available"
        raise SidecarError("outOfMemory", problem, value=size, allowed={"maximum": available_bytes})
    reader = _Reader(file, path, check)
    state, data_bytes = _read_begin(reader, size)
    state.data = reader.read(data_bytes)
    if file.read() != reader.digest.digest():
        raise _damaged(path, "its checksum is wrong")
    return state


def _read_begin(reader: _Reader, size: int, most: int | None = None) -> tuple[State, int]:
    """The header and the tokens of a file of `size` bytes, and how many bytes of llama.cpp's follow."""
    path, prefix = reader.path, len(MAGIC) + 4
    if size < prefix or reader.read(len(MAGIC)) != MAGIC:
        raise _damaged(path, "it is not a file of saveState")
    (head_bytes,) = struct.unpack("<I", reader.read(4))
    if head_bytes > min(MAX_HEADER_BYTES, size - prefix):
        raise _damaged(path, f"it has a header of {head_bytes} bytes")
    header, count, data_bytes = _parse_header(bytes(reader.read(head_bytes)), path)
    if prefix + head_bytes + 4 * count + data_bytes + SHA256_BYTES != size:
        raise _damaged(path, f"it has {size} bytes, and its header says otherwise")
    if most is not None and count > most:
        raise mismatch(path, f"it has {count} tokens, a sequence here holds {most}")
    tokens = array("i", bytes(reader.read(4 * count)))
    if sys.byteorder == "big":
        tokens.byteswap()
    chunks = _chunks(header, path)
    if min(tokens) < -len(chunks):
        raise _damaged(path, "it has rows of a picture that it does not name")
    named = [chunks[-1 - token] if token < 0 else token for token in tokens] if chunks else list(tokens)
    return State(header, named, bytearray()), data_bytes


def _chunks(header: dict[str, object], path: str) -> list[int]:
    """Take the ids of pictures and sound out of a header."""
    written: Any = header.pop("chunks", [])  # JSON of a file
    try:
        chunks = [-int(text, 16) for text in written]
    except (TypeError, ValueError):
        raise _damaged(path, "its header has impossible chunks") from None
    if not all(chunk < 0 < media_id.rows_of(chunk) for chunk in chunks):
        raise _damaged(path, "its header has impossible chunks")
    return chunks


def _parse_header(text: bytes, path: str) -> tuple[dict[str, object], int, int]:
    """The header, the number of tokens, and the size of llama.cpp's data in bytes."""
    try:
        header = json.loads(text)
        count, data_bytes = header.pop("tokens"), header.pop("stateBytes")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise _damaged(path, "its header cannot be read") from None
    if type(count) is not int or type(data_bytes) is not int or count < 1 or data_bytes < 0:
        raise _damaged(path, "its header has impossible sizes")
    return header, count, data_bytes


def compare(state: State, context: Context, path: str) -> Scales:
    """The scales of the adapters that computed a state.

    Raises SidecarError `stateMismatch` if it is for another context.
    """
    own = header_of(context) | media_of(context, state.tokens)
    for name in sorted(own.keys() | (state.header.keys() - {"adapters"})):
        if own.get(name) != state.header.get(name):
            saved, here = str(state.header.get(name))[:100], own.get(name)
            raise mismatch(path, f"{name} is {saved!r} in the file and {here!r} here")
    scales = context.model.adapters.from_fingerprints(state.header.get("adapters"))
    if scales is None:
        raise mismatch(path, "it was computed with adapters that are not loaded here")
    if len(state.tokens) > context.size:
        raise mismatch(path, f"it has {len(state.tokens)} tokens, a sequence here holds {context.size}")
    return scales


def mismatch(path: str, cause: str) -> SidecarError:
    """The error for a state that is complete but for another context."""
    problem = f"/path: {path!r} does not fit: {cause}"
    return SidecarError("stateMismatch", problem, pointer="/path", value=path[:500], cause=cause)


def _damaged(path: str, cause: str) -> SidecarError:
    problem = f"/path: {path!r} is damaged: {cause}"
    return SidecarError("stateDamaged", problem, pointer="/path", value=path[:500], cause=cause)


def _unreadable(path: str, cause: str) -> SidecarError:
    problem = f"/path: {path!r} cannot be read: {cause}"
    return SidecarError("fileNotReadable", problem, pointer="/path", value=path[:500], cause=cause)
