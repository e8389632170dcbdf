"""The cache of a sequence in a file: how it is written, and what must be right before it is believed.

A file is: MAGIC, the length of the header (uint32), the header (JSON), the tokens (int32 each), llama.cpp's
own bytes, and the SHA-256 of all that. Numbers are little-endian. It is written beside its place and renamed.
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
from typing import Any, BinaryIO, Final

from sidecar.core.context.context import Context
from sidecar.core.llama import bindings
from sidecar.core.model.adapters import Scales
from sidecar.message_handler.errors import SidecarError

MAGIC: Final = b"LSSTATE\n"
FORMAT: Final = 1
"""Raised when what is written changes."""

MAX_HEADER_BYTES: Final = 64 * 1024
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""What is read or written before an abort is looked for."""

SHA256_BYTES: Final = 32

Check = Callable[[], None]
"""Raises SidecarError `aborted` if nobody wants the file any more."""


@dataclass
class State:
    """What a sequence has computed: llama.cpp's bytes for its tokens, and what they only hold for."""

    header: dict[str, Any]
    tokens: list[int]
    data: bytearray


def header_of(context: Context) -> dict[str, Any]:
    """What a state of this context only holds for, but for the adapters."""
    return {
        "format": FORMAT,
        "llamaCpp": bindings.version()[0],
        "byteOrder": sys.byteorder,
        "model": context.model.fingerprint,
        "kvCacheType": context.kv_cache_type,
        "flashAttention": context.flash_attention,
        "sequences": len(context.sequences),  # llama.cpp counts the parts of the cache in each state
    }


# ---- write ---------------------------------------------------------------------------------------------


def write(path: str, state: State, check: Check) -> int:
    """Write a state to a file, which has its name only when it is whole; returns its size.

    Raises SidecarError `diskFull`, `directoryNotWritable`, or what `check` raises.
    """
    folder = os.path.dirname(path)
    tokens = array("i", state.tokens)
    if sys.byteorder == "big":
        tokens.byteswap()
    head = json.dumps({**state.header, "tokens": len(tokens), "stateBytes": len(state.data)}).encode()
    parts = [MAGIC, struct.pack("<I", len(head)), head, tokens.tobytes(), state.data]
    size = sum(map(len, parts)) + SHA256_BYTES
    try:
        free = shutil.disk_usage(folder).free
        if size > free:
            raise _disk_full(path, size, free)
        handle, beside = tempfile.mkstemp(prefix=os.path.basename(path) + ".", suffix=".part", dir=folder)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            _write_parts(file, parts, check)
        os.replace(beside, path)  # not synced: after a power cut the checksum tells
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(path, size, None) from error
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            os.unlink(beside)  # gone if all went well
    return size


def _write_parts(file: BinaryIO, parts: list[Any], check: Check) -> None:
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
    problem = f"/path: the state takes {size} bytes, for which there is no room at {path!r}"
    allowed = {} if free is None else {"allowed": {"maximum": free}}
    return SidecarError("diskFull", problem, pointer="/path", value=size, **allowed)


def _cannot_write(path: str, error: OSError) -> SidecarError:
    cause = error.strerror or str(error)
    problem = f"/path: {path!r} cannot be written: {cause}"
    return SidecarError("directoryNotWritable", problem, pointer="/path", value=path[:500], cause=cause)


# ---- read ----------------------------------------------------------------------------------------------


def read(path: str, available_bytes: int, check: Check) -> State:
    """Read a file and compare its checksum; who it is for is still to be compared.

    Raises SidecarError `fileNotFound`, `fileNotReadable`, `stateDamaged`, `outOfMemory`, or what `check` raises.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for who writes into it
            raise _unreadable(path, "it is no regular file")
        with Path(path).open("rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size, path, available_bytes, check)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a path no system has
        problem = f"/path: there is no file {path!r}"
        raise SidecarError("fileNotFound", problem, pointer="/path", value=path[:500]) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


def _read(file: BinaryIO, size: int, path: str, available_bytes: int, check: Check) -> State:
    digest = hashlib.sha256()

    def take(count: int) -> bytearray:
        taken = bytearray(count)
        view = memoryview(taken)
        for start in range(0, count, CHUNK_BYTES):
            check()
            chunk = view[start : start + CHUNK_BYTES]
            if file.readinto(chunk) != len(chunk):  # type: ignore[attr-defined]
                raise _damaged(path, "it ends too early")
            digest.update(chunk)
        return taken

    prefix = len(MAGIC) + 4
    if size < prefix or take(len(MAGIC)) != MAGIC:
        raise _damaged(path, "it is no file of saveState")
    (head_bytes,) = struct.unpack("<I", take(4))
    if head_bytes > min(MAX_HEADER_BYTES, size - prefix):
        raise _damaged(path, f"it claims a header of {head_bytes} bytes")
    header, count, data_bytes = _parse_header(bytes(take(head_bytes)), path)
    if prefix + head_bytes + 4 * count + data_bytes + SHA256_BYTES != size:
        raise _damaged(path, f"it has {size} bytes, which are not those that its header tells")
    if size > available_bytes:
        problem = f"The state has {size} bytes, {available_bytes} of memory are available"
        raise SidecarError("outOfMemory", problem, value=size, allowed={"maximum": available_bytes})
    tokens = array("i", bytes(take(4 * count)))
    if sys.byteorder == "big":
        tokens.byteswap()
    state = State(header, list(tokens), take(data_bytes))
    if file.read() != digest.digest():
        raise _damaged(path, "its checksum is wrong")
    return state


def _parse_header(text: bytes, path: str) -> tuple[dict[str, Any], int, int]:
    """The header, and how many tokens and bytes of llama.cpp's come behind it."""
    try:
        header = json.loads(text)
        count, data_bytes = header.pop("tokens"), header.pop("stateBytes")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise _damaged(path, "its header cannot be read") from None
    if type(count) is not int or type(data_bytes) is not int or count < 1 or data_bytes < 0:
        raise _damaged(path, "its header tells impossible sizes")
    return header, count, data_bytes


def compare(state: State, context: Context, path: str) -> Scales:
    """The adapters that a state was computed with. Raises SidecarError `stateMismatch` if it does not fit."""
    own = header_of(context)
    for name in sorted(own.keys() | (state.header.keys() - {"adapters"})):
        if own.get(name) != state.header.get(name):
            saved, here = str(state.header.get(name))[:100], own.get(name)
            raise mismatch(path, f"{name} is {saved!r} in the file and {here!r} here")
    scales = context.model.adapters.from_fingerprints(state.header.get("adapters"))
    if scales is None:
        raise mismatch(path, "it was computed with adapters that were not loaded here")
    if len(state.tokens) > context.size:
        raise mismatch(path, f"it has {len(state.tokens)} tokens, a sequence here holds {context.size}")
    return scales


def mismatch(path: str, cause: str) -> SidecarError:
    """The error for a state that is whole, but for something else."""
    problem = f"/path: {path!r} does not fit: {cause}"
    return SidecarError("stateMismatch", problem, pointer="/path", value=path[:500], cause=cause)


def _damaged(path: str, cause: str) -> SidecarError:
    problem = f"/path: {path!r} is no whole state: {cause}"
    return SidecarError("stateDamaged", problem, pointer="/path", value=path[:500], cause=cause)


def _unreadable(path: str, cause: str) -> SidecarError:
    problem = f"/path: {path!r} cannot be read: {cause}"
    return SidecarError("fileNotReadable", problem, pointer="/path", value=path[:500], cause=cause)
