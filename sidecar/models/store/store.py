"""The models directory: where each file lies, its record, and its lock.

<modelsDirectory>/owner/repo/file.gguf                   a complete, verified file
<modelsDirectory>/.llama-sidecar/owner/repo/file.gguf.*
    json            its record: source, size, checksum, last use
    part, journal   an unfinished download
    lock            held by the one process that writes
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.store.durable_files import disk_error, replace_file
from sidecar.models.store.safe_names import is_safe

if TYPE_CHECKING:
    from sidecar.message_handler._types import ModelSource

STATE_FOLDER: Final = ".llama-sidecar"
DEFAULT_REVISION: Final = "main"
MAX_RECORD_BYTES: Final = 256 * 1024
"""A longer file is not a record of ours and is not read."""


def default_directory() -> str:
    """The models directory of this user, where the system's conventions put the data of programs."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return os.path.join(base, "llama-sidecar", "models")


class Record:
    """What is known of a complete file. Sizes are bytes, times milliseconds since 1970."""

    def __init__(
        self,
        source: ModelSource,
        size: int,
        sha256: str,
        verified: bool,
        etag: str | None,
        modified_ns: int,
        downloaded_at: float,
        last_used_at: float | None = None,
        header: dict[str, object] | None = None,
    ) -> None:
        self.source = source
        self.size = size
        self.sha256 = sha256
        self.verified = verified
        self.etag = etag
        self.modified_ns = modified_ns
        self.downloaded_at = downloaded_at
        self.last_used_at = last_used_at
        self.header = header or {}
        """A summary of the GGUF header, so that listing does not read it again; `problem` if it is damaged."""


class Place:
    """The absolute paths of one file and of its state. Raises ValueError if the name is not allowed."""

    def __init__(self, directory: str, relative: str) -> None:
        names = relative.split("/")
        if not is_ours(relative):
            raise ValueError(f"{relative!r} is not an allowed name")
        self.relative = relative
        self.path = os.path.join(directory, *names)
        self._state = os.path.join(directory, STATE_FOLDER, *names)
        self.part = self._state + ".part"
        self.journal = self._state + ".journal"
        self.lock = self._state + ".lock"
        self.record_path = self._state + ".json"

    def record(self) -> Record | None:
        """The record of the file; None if there is no file, or if it has changed since."""
        record = read_record(self.record_path)
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        same = record and status.st_size == record.size and status.st_mtime_ns == record.modified_ns
        return record if same else None

    def write_record(self, record: Record) -> None:
        """Write the record. Raises OSError."""
        replace_file(self.record_path, json.dumps(vars(record)).encode("utf-8"))


class Store:
    """A models directory, by its absolute path."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)

    def place(self, relative: str) -> Place:
        """The place of a file of this name; creates its folders.

        Raises SidecarError: `invalidParams`, `directoryNotWritable`, `diskFull`.
        """
        if not is_ours(relative):
            problem = f"/model: not every system can store the file name {relative!r}"
            raise SidecarError("invalidParams", problem, pointer="/model", value=relative[:200])
        place = Place(self.directory, relative)
        root = os.path.realpath(self.directory)
        try:
            for path in (place.path, place.part):
                folder = os.path.dirname(path)
                os.makedirs(folder, exist_ok=True)
                if not _is_inside(root, os.path.realpath(folder)):
                    problem = f"{folder!r} is a link that leads out of modelsDirectory"
                    raise SidecarError("directoryNotWritable", problem, value=folder, cause="a link")
        except OSError as error:
            raise disk_error(error, self.directory) from error
        return place

    def place_of(self, path: str) -> Place | None:
        """The place of a path in this directory; None if it is outside, or not an allowed name."""
        path = os.path.abspath(os.path.join(self.directory, path))
        try:
            relative = os.path.relpath(path, self.directory).replace(os.sep, "/")
        except ValueError:  # on another drive of Windows
            return None
        if not is_ours(relative):
            return None
        inside = _is_inside(os.path.realpath(self.directory), os.path.realpath(os.path.dirname(path)))
        return Place(self.directory, relative) if inside else None

    def state_files(self, suffix: str) -> list[tuple[Place, str]]:
        """All files of the state folder with this suffix: place and path."""
        root = os.path.join(self.directory, STATE_FOLDER)
        found = []
        for folder, _, names in os.walk(root):
            for name in names:
                relative = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
                if relative.endswith(suffix) and is_ours(relative.removesuffix(suffix)):
                    place = Place(self.directory, relative.removesuffix(suffix))
                    found.append((place, os.path.join(folder, name)))
        return found


def _is_inside(root: str, folder: str) -> bool:
    """Whether a folder is this one or in it. Both are real paths; they may be on two drives of Windows."""
    return folder == root or folder.startswith(root.rstrip(os.sep) + os.sep)


def is_ours(relative: str) -> bool:
    """Whether a file of this name may be in the directory."""
    folder = unicodedata.normalize(
        "NFKC", relative.split("/")[0]
    ).casefold()  # as macOS and Windows compare names
    return is_safe(relative) and folder != STATE_FOLDER


def read_record(path: str) -> Record | None:
    """The record in a file; None if there is none, or it is invalid."""
    try:
        if os.path.getsize(path) > MAX_RECORD_BYTES:
            return None
        with open(path, encoding="utf-8") as file:
            return Record(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def hub_name(repository: str, revision: str, file: str) -> str:
    """The path of a repository's file, relative to the directory. Each revision but "main" has a folder of its own."""
    folder = repository
    if revision != DEFAULT_REVISION:
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in revision)[:80].rstrip(".")
        if name != revision:  # `a/b` and `a-b` must differ
            import hashlib  # imports OpenSSL: 3 MB that a router rarely needs

            name += f"-{hashlib.sha256(revision.encode()).hexdigest()[:8]}"
        folder += f"@{name}"
    return f"{folder}/{file}"


def url_name(url: str) -> str:
    """The path of another server's file, relative to the directory. Raises SidecarError `invalidParams`."""
    from urllib.parse import unquote, urlsplit  # takes 6 ms, and a router does not need it

    parts = urlsplit(url)
    host = "".join(c if c.isalnum() or c in "-." else "-" for c in parts.netloc.rpartition("@")[2])
    relative = f"{host}/{unquote(parts.path).strip('/')}"
    if not is_safe(relative):
        problem = "/model: not every system can store the file name in the URL"
        raise SidecarError("invalidParams", problem, pointer="/model", value=parts.path[:200])
    return relative


def note_use(path: str, now_ms: float) -> None:
    """Record that a model was loaded, if it lies in any models directory."""
    directory = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(os.path.join(directory, STATE_FOLDER)):
        inner, directory = directory, os.path.dirname(directory)
        if directory == inner:
            return
    place = Store(directory).place_of(path)
    record = place.record() if place else None
    if place and record:
        record.last_used_at = now_ms
        with suppress(OSError):
            place.write_record(record)
