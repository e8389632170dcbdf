"""Writing so that nothing half-written is ever taken for whole: beside, to the disk, then renamed."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final

from sidecar.message_handler.errors import SidecarError

FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""What a system says when there is no more room: on the disk, in a file, in a user's share."""


def replace_file(path: str, content: bytes) -> None:
    """Give a small file new content, all of it or none. Raises OSError."""
    beside = f"{path}.new"
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def publish(path: str, final: str) -> None:
    """Give a whole file its final name, for good. Raises OSError."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
    os.replace(path, final)
    sync_folder(os.path.dirname(final))


def sync_folder(folder: str) -> None:
    """Give a folder's entries to the disk. Windows does that by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no fsync of a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: str) -> int:
    """Delete a file if it is there; returns the bytes that it took on the disk. Raises OSError."""
    try:
        status = os.stat(path)
        os.unlink(path)
    except FileNotFoundError:
        return 0
    # A partial file has holes, which take nothing; Windows does not tell blocks.
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, blocks * 512)


def disk_error(error: OSError, directory: str) -> SidecarError:
    """The typed error for a failed write."""
    cause = error.strerror or str(error)
    if error.errno in FULL:
        return SidecarError("diskFull", f"The disk of {directory!r} is full", cause=cause)
    return SidecarError(
        "directoryNotWritable", f"{directory!r} cannot be written to: {cause}", value=directory, cause=cause
    )
