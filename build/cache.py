"""The per-user cache: slow things, kept by content key, outside the checkout and for all checkouts.

An entry is a folder with one file and its sha256. It is made beside its place and renamed into it,
so it is complete or absent. Each read verifies it; a damaged one is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

RECORD = "sha256"  # beside the file: its hash in hexadecimal


def folder() -> Path:
    """The cache's folder; LLAMA_SIDECAR_CACHE overrides the platform's own place."""
    if chosen := os.environ.get("LLAMA_SIDECAR_CACHE"):
        return Path(chosen).absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "llama-sidecar"


def sha256(path: Path) -> str:
    """A file's sha256 in hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def entry(kind: str, key: str, make: Callable[[Path], Path]) -> Path:
    """The verified file of entry `key`. If there is none, `make(folder)` writes it and returns its path.

    One maker at a time: a second run waits for the first and then finds the entry.
    """
    place = folder() / kind / key
    place.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(place.with_name(f"{key}.lock")):
        if (file := _verified(place)) is not None:
            return file
        if place.exists():
            print(f"The cached {kind} entry {key} is damaged; making it again.")
            shutil.rmtree(place)
        for left_behind in place.parent.glob(f".{key}.*"):  # by a run that was killed
            shutil.rmtree(left_behind)
        with tempfile.TemporaryDirectory(prefix=f".{key}.", dir=place.parent) as temporary:
            whole = Path(temporary) / "entry"
            whole.mkdir()
            made = make(whole)
            (whole / RECORD).write_text(sha256(made) + "\n", encoding="ascii")
            whole.rename(place)
        return place / made.name


def has(kind: str, key: str) -> bool:
    """Whether there is such an entry; it is verified only when it is read."""
    return (folder() / kind / key).is_dir()


def _verified(place: Path) -> Path | None:
    """The entry's file if it is there and its hash is the recorded one."""
    try:
        (file,) = (path for path in place.iterdir() if path.name != RECORD)
        recorded = (place / RECORD).read_text(encoding="ascii").strip()
        return file if sha256(file) == recorded else None
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a lock between processes while the block runs. The OS frees the lock of a process that ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        _lock(file.fileno(), path)
        yield


def _lock(descriptor: int, path: Path) -> None:
    """Waits for the lock, with a message if another run holds it. Closing the descriptor frees it."""
    if sys.platform == "win32":
        import msvcrt
        import time

        waiting = False
        while True:
            try:
                os.lseek(descriptor, 0, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return
            except OSError:
                if not waiting:
                    print(f"Waiting for another run that holds {path} …", flush=True)
                waiting = True
                time.sleep(0.2)
    else:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another run that holds {path} …", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
