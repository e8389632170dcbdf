"""Conversations on a disk, in the folder `cacheDirectory`, which several programs may share.

Each is a file in the format of state_file.py, with the checkpoints after llama.cpp's data. Its name begins with a hash
of all that the context must have in common with the one that computed it, so files for other models are not opened.
The folder has at most so many bytes and files; the one that was used longest ago goes first. A file is read to its end
and checked before llama.cpp sees it. One that is damaged is deleted; one of another user is not touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from contextlib import suppress
from typing import Any, Final, NamedTuple

from sidecar.core.context import state_file
from sidecar.core.context.checkpoints import Checkpoint
from sidecar.core.context.context import Context
from sidecar.core.context.conversation_store import Held, usable
from sidecar.core.context.sequence import shared_length
from sidecar.core.context.state_file import Check, State
from sidecar.core.media import media_id
from sidecar.core.model.adapters import Scales
from sidecar.hardware.machine import available_bytes
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.store import durable_files

SUFFIX: Final = ".conversation"
MAX_FILES: Final = 256
"""In the folder. Their tokens are kept in memory: 4 bytes each."""

STALE_S: Final = 3600.0
"""An unfinished file that is older was left by a program that has ended."""


class Entry(NamedTuple):
    """What is known of a file before it is read."""

    tokens: media_id.Packed
    scales: Scales
    aligned: int
    oldest: int
    checkpoints: list[tuple[int, int]]
    """Their lengths in tokens, and their bytes."""


class DiskStore:
    """The conversations of one context on a disk. Thread-safe. `open` comes first."""

    def __init__(self, context: Context, folder: str, max_bytes: int) -> None:
        self.folder = folder
        self._context = context
        self._max_bytes = max_bytes
        self._header: dict[str, object] = {}
        self._prefix = ""
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._unusable: set[str] = set()
        """Names of files that turned out to be for another context."""

    def open(self) -> None:
        """Find out what the files of this context are called. Reads parts of the model's file."""
        self._header = state_file.header_of(self._context)
        text = json.dumps(self._header, sort_keys=True)
        self._prefix = hashlib.sha256(text.encode()).hexdigest()[:24]

    # ---- find --------------------------------------------------------------------------------------

    def find(self, tokens: list[int], scales: Scales) -> tuple[str, int]:
        """The name of the file that can begin most of these tokens, and how many of them."""
        best, most = "", 0
        text = media_id.packed(tokens[: media_id.text_length(tokens)])
        for name, entry in self._scan().items():
            if entry.scales != scales:
                continue
            lengths = [length for length, _ in entry.checkpoints]
            asked = tokens if isinstance(entry.tokens, list) else text
            count = usable(self._context, entry.tokens, entry.aligned, entry.oldest, lengths, asked)
            if count > most:
                best, most = name, count
        return best, most

    def holds(self, tokens: list[int], scales: Scales) -> bool:
        """Whether exactly these tokens are there."""
        asked = media_id.packed(tokens)
        return any(e.tokens == asked and e.scales == scales for e in self._scan().values())

    @property
    def size(self) -> tuple[int, int]:
        """How many conversations the folder has, and their bytes: with those of other contexts."""
        files = self._files()
        return len(files), sum(size for _, size, _ in files)

    def _files(self) -> list[tuple[float, int, str]]:
        """When each file of this user was last used, its size, its name."""
        found = []
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if SUFFIX not in entry.name:
                    continue
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode) and _is_own(status):
                        found.append((status.st_mtime, status.st_size, entry.name))
        return found

    def _scan(self) -> dict[str, Entry]:
        """The files for this context, as they are now."""
        names = {name for _, _, name in self._files() if name.startswith(self._prefix)}
        names = {name for name in names if name.endswith(SUFFIX)} - self._unusable
        with self._lock:
            known = {name: entry for name, entry in self._entries.items() if name in names}
        for name in sorted(names - known.keys())[:MAX_FILES]:
            entry = self._entry(name)
            if entry is not None:
                known[name] = entry
        with self._lock:
            self._entries = known
        return known

    def _entry(self, name: str) -> Entry | None:
        try:
            return self._fitting(state_file.read_tokens(self._path(name), self._context.size), name)
        except SidecarError as error:
            self._give_up(name, error)
            return None

    def _fitting(self, state: State, name: str) -> Entry:
        """What a file says about itself. Raises SidecarError `stateMismatch` if it is for another context."""
        path = self._path(name)
        checkpoints, oldest, aligned = _extras(state.header)
        scales = state_file.compare(state, self._context, path)
        if checkpoints is None:
            raise state_file.mismatch(path, "it has no checkpoints")
        self._context.model.check_tokens(state.tokens, "/path")
        return Entry(media_id.packed(state.tokens), scales, aligned, oldest, checkpoints)

    # ---- read --------------------------------------------------------------------------------------

    def read(self, name: str, check: Check) -> Held | None:
        """A conversation; None if its file is gone, damaged, or for another context. Raises what `check` raises."""
        path = self._path(name)
        try:
            state = state_file.read(path, available_bytes() // 2, check)
            entry = self._fitting(state, name)
        except SidecarError as error:
            if error.kind in ("aborted", "timedOut"):
                raise
            self._give_up(name, error)
            return None
        with suppress(OSError):
            os.utime(path)
        checkpoints, end = [], len(state.data)
        if sum(size for _, size in entry.checkpoints) >= end:
            self._give_up(name, state_file.mismatch(path, "its checkpoints are longer than it is"))
            return None
        for length, size in reversed(entry.checkpoints):
            checkpoints.append(Checkpoint(length, state.data[end - size : end]))
            end -= size
        del state.data[end:]
        places = entry.oldest, state.data, entry.aligned
        return Held(state.tokens, entry.scales, checkpoints[::-1], *places, "disk")

    def _give_up(self, name: str, error: SidecarError) -> None:
        """Forget a file that cannot be used; delete it if nobody can use it."""
        with self._lock:
            self._entries.pop(name, None)
        log.log("debug", "a cached conversation is not used", file=name, cause=error.problem)
        if error.kind == "stateDamaged":
            self._delete(name)
        elif error.kind in ("stateMismatch", "invalidToken") and len(self._unusable) < MAX_FILES:
            self._unusable.add(name)  # other errors may pass

    # ---- write -------------------------------------------------------------------------------------

    def write(self, held: Held, check: Check) -> None:
        """Keep a conversation in place of older ones, if it fits at all. Raises SidecarError as `state_file.write`."""
        used = self._context.model.adapters.to_fingerprints(held.scales)
        tokens = media_id.packed(held.tokens)
        extras = {
            **state_file.media_of(self._context, held.tokens),
            "adapters": used,
            "checkpoints": [(each.length, len(each.data)) for each in held.checkpoints],
            "oldest": held.oldest,
            "aligned": held.aligned,
        }
        more = tuple(each.data for each in held.checkpoints)
        state = State({**self._header, **extras}, held.tokens, held.data, more)
        size = held.size + 4 * len(held.tokens) + state_file.MAX_HEADER_BYTES
        if size > self._max_bytes:
            return
        self._make_room(size, 1)
        own = str(tokens).encode() if isinstance(tokens, list) else tokens.tobytes()
        digest = hashlib.sha256(json.dumps(used).encode() + own).hexdigest()
        name = f"{self._prefix}-{digest[:24]}{SUFFIX}"
        state_file.write(self._path(name), state, check)
        # What it begins with is in it.
        for other, entry in self._scan().items():
            begins = shared_length(entry.tokens, tokens) == len(entry.tokens)
            if other != name and entry.scales == held.scales and begins:
                self._delete(other)

    def _make_room(self, size: int, count: int) -> None:
        """Delete the files used longest ago, until there is room for `count` more of `size` bytes."""
        files, now = sorted(self._files()), time.time()
        for used_at, _, name in files:
            if not name.endswith(SUFFIX) and now - used_at > STALE_S:
                self._delete(name)
        files = [each for each in files if each[2].endswith(SUFFIX)]
        total = sum(each for _, each, _ in files)
        while files and (total + size > self._max_bytes or len(files) + count > MAX_FILES):
            _, gone, name = files.pop(0)
            self._delete(name)
            total -= gone

    def _delete(self, name: str) -> None:
        """Another program may have deleted it already, or hold it open."""
        with suppress(OSError):
            durable_files.remove(self._path(name), 0)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)


def prepare(folder: str) -> None:
    """Make the folder, for this user only. Raises SidecarError `directoryNotWritable`."""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        status = os.stat(folder)
        cause = "" if os.access(folder, os.W_OK | os.X_OK) else "permission is missing"
    except (OSError, ValueError) as error:  # ValueError: no system has such a path
        cause = (isinstance(error, OSError) and error.strerror) or str(error)
    else:
        if not stat.S_ISDIR(status.st_mode):
            cause = "it is not a folder"
        elif not _is_own(status) or (hasattr(os, "geteuid") and status.st_mode & 0o022):
            cause = "other users can write to it"  # what they put there would be read by llama.cpp
    if cause:
        problem = f"/cacheDirectory: {folder!r:.500} cannot be used: {cause}"
        pointer = "/cacheDirectory"
        raise SidecarError("directoryNotWritable", problem, pointer=pointer, value=folder[:500], cause=cause)


def _is_own(status: os.stat_result) -> bool:
    """Whether this user owns a file. Windows has other means against strangers: the rights of the folder."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def _extras(header: dict[str, Any]) -> tuple[list[tuple[int, int]] | None, int, int]:  # Any: JSON of a file
    """Remove what only these files have from a header: checkpoints, oldest position, `aligned` of Sequence."""
    checkpoints, oldest, aligned = (header.pop(name, None) for name in ("checkpoints", "oldest", "aligned"))
    try:
        found = [(int(length), int(size)) for length, size in checkpoints]
        return found if all(min(each) > 0 for each in found) else None, int(oldest), int(aligned)
    except (TypeError, ValueError, OverflowError):
        return None, 0, 0
