"""Writes files so that no reader ever sees half of one: write another file, sync it, rename it.

Windows neither renames nor deletes a file that another process holds open, and virus scanners and indexers open each
new file for a moment. So both are tried again for a while.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from typing import Final, Literal

from sidecar.message_handler.errors import SidecarError

FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""Error numbers for a full disk, a file that is too large, an exhausted quota."""

HELD: Final = frozenset({5, 32, 33, 1224})
"""Windows' error numbers for a file that another process holds: access denied (for a target that is open, too),
sharing violation, lock violation, mapped into memory."""

HELD_S: Final = 4.0
"""How long a file may be held before the error is raised."""

RETRY_S: Final = 0.05

SHARE_ALL: Final = 7
"""Windows' flags for what others may do with an open file: read, write, delete."""


def replace_file(path: str, content: bytes) -> None:
    """Replace the content of a small file, completely or not at all. Raises OSError."""
    new_path = f"{path}.new"
    with open(new_path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    replace(new_path, path)


def replace(path: str, final: str) -> None:
    """Rename a file, also over another one. Raises OSError."""
    _patiently(lambda: os.replace(path, final), HELD_S)


def open_deletable(path: str, mode: Literal["rb", "r+b"]) -> FileIO:
    """Open a file, unbuffered, so that it can be deleted meanwhile: Windows must be asked for that. Raises OSError."""
    if sys.platform != "win32":
        return open(path, mode, buffering=0)
    import _winapi
    import msvcrt

    writes = mode == "r+b"
    access = _winapi.GENERIC_READ | (_winapi.GENERIC_WRITE if writes else 0)
    handle = _winapi.CreateFile(path, access, SHARE_ALL, 0, _winapi.OPEN_EXISTING, 0, 0)
    descriptor = msvcrt.open_osfhandle(handle, os.O_BINARY | (os.O_RDWR if writes else os.O_RDONLY))
    return open(descriptor, mode, buffering=0)


def publish(path: str, final: str) -> None:
    """Sync a complete file and give it its final name. Raises OSError."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
    replace(path, final)
    sync_folder(os.path.dirname(final))


def sync_folder(folder: str) -> None:
    """Sync the entries of a folder. Windows needs no such call. Raises OSError."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: str, held_s: float = HELD_S) -> int:
    """Delete a file if it exists; returns the bytes that it occupied on the disk. Raises OSError."""
    try:
        status = os.stat(path)
        _patiently(lambda: os.unlink(path), held_s)
    except FileNotFoundError:
        return 0
    # A partial file has holes, which occupy nothing. Windows does not report blocks.
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, blocks * 512)


def _patiently(action: Callable[[], None], held_s: float) -> None:
    """Do it, and try again for at most `held_s` while another process holds the file. Raises OSError."""
    deadline = time.monotonic() + held_s
    while True:
        try:
            return action()
        except OSError as error:
            if getattr(error, "winerror", None) not in HELD or time.monotonic() >= deadline:
                raise
        time.sleep(RETRY_S)


def disk_error(error: OSError, directory: str) -> SidecarError:
    """The SidecarError for a failed write: `diskFull` or `directoryNotWritable`."""
    cause = error.strerror or str(error)
    if error.errno in FULL:
        return SidecarError("diskFull", f"The disk of {directory!r} is full", cause=cause)
    return SidecarError(
        "directoryNotWritable", f"{directory!r} cannot be written to: {cause}", value=directory, cause=cause
    )
