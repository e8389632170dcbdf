"""Cleans up after the one-file program, whose launcher unpacks it into a temporary folder and starts it there.

The app spawns and kills the launcher. A launcher that ends normally removes the folder; one that is killed cannot.
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
from typing import Final

from sidecar.message_handler import log
from sidecar.worker import lifecycle

MARK: Final = "MANIFEST.json"
"""A file that only folders of this program have."""

LAST_PART: Final = "base_library.zip"
"""Unpacked last, after the libraries and the mark. The program never ran from a folder without it."""

UNPACKING_S: Final = 60.0
"""Longest time that unpacking may take."""

CLOCKS_DIFFER_S: Final = 2.0
"""So much later than the folder its launcher may seem to be made."""

_launcher_gone: Final = threading.Event()
_held: Final[list[object]] = []
"""Keeps the lock on our folder until this process ends."""

_FOLDER: Final = re.compile(r"_MEI(?P<launcher>[0-9a-f]{8}).*", re.IGNORECASE)


def folder() -> str | None:
    """The folder that this program was unpacked into; None if it is not the one-file program."""
    place = str(getattr(sys, "_MEIPASS", ""))
    return place if _FOLDER.fullmatch(os.path.basename(place)) else None


def attend(on_launcher_gone: Callable[[], None]) -> None:
    """Watch the launcher, and remove the folders that killed launchers have left. Only in the one-file program."""
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
        log.log("info", "the launcher has ended", launcher=launcher)
        on_launcher_gone()

    threading.Thread(target=watch, name="sidecar:launcher-watch", daemon=True).start()
    threading.Thread(target=sweep, args=(place,), name="sidecar:sweep", daemon=True).start()


def leave() -> None:
    """Remove the folder if the launcher was killed. Called last, when all other processes have ended."""
    place = folder()
    if place is not None and _launcher_gone.is_set():
        _remove(place)


def sweep(place: str) -> None:
    """Remove the folders next to this one whose launcher and program have ended.

    A launcher in another container may still be unpacking an incomplete folder. So it is checked again later.
    """
    wait_s = _sweep(place)
    if wait_s > 0:
        time.sleep(wait_s)
        _sweep(place)


def _sweep(place: str) -> float:
    """Returns after how many seconds to check again; 0: no need."""
    wait_s = 0.0
    with contextlib.suppress(OSError), os.scandir(os.path.dirname(place)) as entries:
        found = [entry.path for entry in entries if entry.path != place and _FOLDER.fullmatch(entry.name)]
        for other in found:
            with contextlib.suppress(OSError):
                if not (_is_ours(other, set(os.listdir(place))) and _is_abandoned(other)):
                    continue
                unpacking_s = _unpacking_s(other)
                wait_s = max(wait_s, unpacking_s)
                if unpacking_s == 0:
                    log.log("info", "removing the folder of a killed program", folder=other)
                    _remove(other)
    return wait_s


def _is_ours(place: str, names: set[str]) -> bool:
    """Whether the folder is this user's, and of this program, in any version, even if it is incomplete."""
    about = os.lstat(place)
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
        return False
    inside = set(os.listdir(place))
    if MARK not in inside:  # killed while unpacking?
        return LAST_PART not in inside and inside <= names
    with open(os.path.join(place, MARK), encoding="utf-8", errors="replace") as file:
        return '"name": "llama-sidecar"' in file.read(100)


def _unpacking_s(place: str) -> float:
    """How many more seconds the unpacking may take; 0 if it is complete, or takes too long."""
    if os.path.exists(os.path.join(place, MARK)):
        return 0.0
    return max(0.0, os.lstat(place).st_mtime + UNPACKING_S - time.time())


def _is_abandoned(place: str) -> bool:
    about = os.lstat(place)
    made_at = getattr(about, "st_birthtime", about.st_ctime)  # Linux: when it last changed, which is later
    if _runs(_launcher(place), made_at):
        return False
    # A launcher in another container is not visible here, but the lock of its program is.
    return not os.path.exists(os.path.join(place, MARK)) or _lock(place, alone=True) is not None


def _runs(launcher: int, made_at: float) -> bool:
    """Whether the process runs that has made the folder, and not another one that has got its number since.

    A zombie, which was killed and never waited for, does not.
    """
    import psutil

    try:
        process = psutil.Process(launcher)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() < made_at + CLOCKS_DIFFER_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _launcher(place: str) -> int:
    match = _FOLDER.fullmatch(os.path.basename(place))
    assert match is not None
    return int(match["launcher"], 16)


def _lock(place: str, alone: bool = False) -> object:
    """An object that holds a shared lock while it is referred to; None if another process prevents it.

    `alone`: an exclusive lock.
    """
    if sys.platform == "win32":
        return place  # Windows does not remove libraries in use, so no lock is needed
    import fcntl

    try:
        file = open(os.path.join(place, MARK), "rb")  # noqa: SIM115
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return None
    return file


def _remove(place: str) -> None:
    """Remove a folder, its mark last, so that the next sweep finds what is left."""
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
