"""The one-file program: a launcher unpacks it into a temporary folder, starts it there, waits, and removes the folder.

The launcher is what the app spawned and what it kills. Killed, it can neither forward that nor remove anything.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from sidecar.message_handler import log
from sidecar.worker import lifecycle

MARK: Final = "MANIFEST.json"
"""Tells a folder of ours from one of another program."""

LAST_PART: Final = "base_library.zip"
"""Unpacked after every library and after the mark: without it a folder has never been run from."""

MAKING_S: Final = 60.0
"""Longest time that unpacking is expected to take."""

_launcher_gone: Final = threading.Event()
_held: Final[list[Any]] = []
"""The lock on our folder, until this process ends."""

_FOLDER: Final = re.compile(r"_MEI(?P<launcher>[0-9a-f]{8}).*", re.IGNORECASE)


def folder() -> str | None:
    """Where the one-file program was unpacked; None if this is another form of it."""
    place = str(getattr(sys, "_MEIPASS", ""))
    return place if _FOLDER.fullmatch(os.path.basename(place)) else None


def attend(on_launcher_gone: Callable[[], None]) -> None:
    """Watch the launcher, and remove what killed ones have left behind. Does nothing in another form."""
    place = folder()
    if place is None:
        return
    launcher = _launcher(place)
    wait = lifecycle.waiter(launcher)
    _held.append(_lock(place))

    def watch() -> None:
        if wait is not None:
            wait()
        _launcher_gone.set()
        log.log("info", "the launcher is gone", launcher=launcher)
        on_launcher_gone()

    threading.Thread(target=watch, name="sidecar:launcher-watch", daemon=True).start()
    threading.Thread(target=sweep, args=(place,), name="sidecar:sweep", daemon=True).start()


def leave() -> None:
    """The last act of this process, when all others have ended: remove the folder if nobody else will."""
    place = folder()
    if place is not None and _launcher_gone.is_set():
        _remove(place)


def sweep(place: str) -> None:
    """Remove the folders beside this one whose launcher and program are no more.

    What is half there may still be unpacked, by a launcher in another container: it is looked at again when it is old.
    """
    later = _sweep(place)
    if later > 0:
        time.sleep(later)
        _sweep(place)


def _sweep(place: str) -> float:
    """Returns in how many seconds to look again; 0: there is nothing to wait for."""
    later = 0.0
    with contextlib.suppress(OSError), os.scandir(os.path.dirname(place)) as entries:
        found = [entry.path for entry in entries if entry.path != place and _FOLDER.fullmatch(entry.name)]
        for other in found:
            with contextlib.suppress(OSError):
                if not (_is_ours(other, set(os.listdir(place))) and _is_abandoned(other)):
                    continue
                making = _making_s(other)
                later = max(later, making)
                if making == 0:
                    log.log("info", "removing what a killed program left behind", folder=other)
                    _remove(other)
    return later


def _is_ours(place: str, names: set[str]) -> bool:
    """Whether this program, whatever its version, was or was to be unpacked there for this user."""
    about = os.lstat(place)
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
        return False
    inside = set(os.listdir(place))
    if MARK not in inside:  # killed while it unpacked?
        return LAST_PART not in inside and inside <= names
    with open(os.path.join(place, MARK), encoding="utf-8", errors="replace") as file:
        return '"name": "llama-sidecar"' in file.read(100)


def _making_s(place: str) -> float:
    """For how many seconds from now it may still be unpacked; 0 if it is, or should long have been."""
    if os.path.exists(os.path.join(place, MARK)):
        return 0.0
    return max(0.0, os.lstat(place).st_mtime + MAKING_S - time.time())


def _is_abandoned(place: str) -> bool:
    if _runs(_launcher(place)):
        return False
    # A launcher in another container cannot be seen from here, but its program's lock can.
    return not os.path.exists(os.path.join(place, MARK)) or _lock(place, alone=True) is not None


def _runs(pid: int) -> bool:
    """Whether a process does anything: one that was killed and whose end its app never asked for does not."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _launcher(place: str) -> int:
    match = _FOLDER.fullmatch(os.path.basename(place))
    assert match is not None
    return int(match["launcher"], 16)


def _lock(place: str, alone: bool = False) -> Any:
    """A file that holds a lock for as long as it is referred to; None if another process holds it."""
    if sys.platform == "win32":
        return place  # there a file in use cannot be removed: that is lock enough
    import fcntl

    try:
        file = open(os.path.join(place, MARK), "rb")  # noqa: SIM115
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return None
    return file


def _remove(place: str) -> None:
    """Remove a folder, the mark last: what is left of it is found again."""
    import shutil

    for name in sorted(os.listdir(place), key=lambda name: name == MARK):
        path = os.path.join(place, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
            continue
        with contextlib.suppress(OSError):
            if name != MARK or os.listdir(place) == [MARK]:
                os.remove(path)
    with contextlib.suppress(OSError):
        os.rmdir(place)
