"""Writes files so that no reader ever sees half of one: write another file, sync it, rename it."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final

from sidecar.message_handler.errors import SidecarError

FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""Error numbers for a full disk, a file that is too large, an exhausted quota."""


def replace_file(path: str, content: bytes) -> None:
    """Replace the content of a small file, completely or not at all. Raises OSError."""
    new_path = f"{path}.new"
    with open(new_path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new_path, path)


def publish(path: str, final: str) -> None:
    """Sync a complete file and give it its final name. Raises OSError."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
    os.replace(path, final)
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


def remove(path: str) -> int:
    """Delete a file if it exists; returns the bytes that it occupied on the disk. Raises OSError."""
    try:
        status = os.stat(path)
        os.unlink(path)
    except FileNotFoundError:
        return 0
    # A partial file has holes, which occupy nothing. Windows does not report blocks.
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, blocks * 512)


def disk_error(error: OSError, directory: str) -> SidecarError:
    """The SidecarError for a failed write: `diskFull` or `directoryNotWritable`."""
    cause = error.strerror or str(error)
    if error.errno in FULL:
        return SidecarError("diskFull", f"The disk of {directory!r} is full", cause=cause)
    return SidecarError(
        "directoryNotWritable", f"{directory!r} cannot be written to: {cause}", value=directory, cause=cause
    )
