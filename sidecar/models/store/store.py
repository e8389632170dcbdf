"""The models directory: where a file lies, what is remembered of it, and who may write it.

<modelsDirectory>/owner/repo/file.gguf                   whole and verified, never anything else
<modelsDirectory>/.llama-sidecar/owner/repo/file.gguf.*
    json     its record: source, size, checksum, when it was used
    part     an unfinished download, with its journal
    lock     held by the one process that writes
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.store.durable_files import disk_error, replace_file
from sidecar.models.store.safe_names import is_safe

STATE_FOLDER: Final = ".llama-sidecar"
DEFAULT_REVISION: Final = "main"
MAX_RECORD_BYTES: Final = 256 * 1024
"""A longer record is not ours, and is not read."""


def default_directory() -> str:
    """Where this user's programs keep their data, by the custom of the system."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return os.path.join(base, "llama-sidecar", "models")


class Record:
    """What is remembered of a whole file. Times are milliseconds since 1970."""

    def __init__(
        self,
        source: dict[str, Any],
        size: int,
        sha256: str,
        verified: bool,
        etag: str | None,
        modified_ns: int,
        downloaded_at: float,
        last_used_at: float | None = None,
        header: dict[str, Any] | None = None,
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
        """The file's own description, so that listing need not read it again."""


class Place:
    """Where one file goes. All paths are absolute."""

    def __init__(self, directory: str, relative: str) -> None:
        names = relative.split("/")
        if not is_ours(relative):
            raise ValueError(f"{relative!r} is no name of the directory")
        self.relative = relative
        self.path = os.path.join(directory, *names)
        self._state = os.path.join(directory, STATE_FOLDER, *names)
        self.part = self._state + ".part"
        self.journal = self._state + ".journal"
        self.lock = self._state + ".lock"
        self.record_path = self._state + ".json"

    def record(self) -> Record | None:
        """What is remembered of the file that is there now; None if it is another one, or there is none."""
        record = read_record(self.record_path)
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        same = record and status.st_size == record.size and status.st_mtime_ns == record.modified_ns
        return record if same else None

    def remember(self, record: Record) -> None:
        """Write the record. Raises OSError."""
        replace_file(self.record_path, json.dumps(vars(record)).encode("utf-8"))


class Store:
    """A models directory, by its absolute path."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)

    def place(self, relative: str) -> Place:
        """The place of a file of this name; its folders are made. Raises SidecarError."""
        if not is_ours(relative):
            problem = f"/model: {relative!r} is no name that can be stored on every system"
            raise SidecarError("invalidParams", problem, pointer="/model", value=relative[:200])
        place = Place(self.directory, relative)
        root = os.path.realpath(self.directory)
        try:
            for path in (place.path, place.part):
                folder = os.path.dirname(path)
                os.makedirs(folder, exist_ok=True)
                if os.path.commonpath([root, os.path.realpath(folder)]) != root:
                    problem = f"{folder!r} is a link that leads out of modelsDirectory"
                    raise SidecarError("directoryNotWritable", problem, value=folder, cause="a link")
        except OSError as error:
            raise disk_error(error, self.directory) from error
        return place

    def place_of(self, path: str) -> Place | None:
        """The place of a path in this directory; None if it is outside, or could not be made by us."""
        path = os.path.abspath(os.path.join(self.directory, path))
        relative = os.path.relpath(path, self.directory).replace(os.sep, "/")
        if not is_ours(relative):
            return None
        folder, root = os.path.realpath(os.path.dirname(path)), os.path.realpath(self.directory)
        inside = folder == root or folder.startswith(root + os.sep)
        return Place(self.directory, relative) if inside else None

    def state_files(self, suffix: str) -> list[tuple[Place, str]]:
        """All files of the state folder that end so, with their places."""
        root = os.path.join(self.directory, STATE_FOLDER)
        found = []
        for folder, _, names in os.walk(root):
            for name in names:
                relative = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
                if relative.endswith(suffix) and is_ours(relative.removesuffix(suffix)):
                    place = Place(self.directory, relative.removesuffix(suffix))
                    found.append((place, os.path.join(folder, name)))
        return found


def is_ours(relative: str) -> bool:
    """Whether a file of this name may lie in the directory."""
    return is_safe(relative) and relative.split("/")[0].lower() != STATE_FOLDER


def read_record(path: str) -> Record | None:
    """A record by its path; None if there is none that can be read."""
    try:
        if os.path.getsize(path) > MAX_RECORD_BYTES:
            return None
        with open(path, encoding="utf-8") as file:
            return Record(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def hub_name(repository: str, revision: str, file: str) -> str:
    """Where a file of a repository lies, relative to the directory. Another revision lies beside it."""
    folder = repository
    if revision != DEFAULT_REVISION:
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in revision)[:80].rstrip(".")
        if name != revision:  # `a/b` and `a-b` are two
            import hashlib  # brings OpenSSL: 3 MB that a router seldom needs

            name += f"-{hashlib.sha256(revision.encode()).hexdigest()[:8]}"
        folder += f"@{name}"
    return f"{folder}/{file}"


def url_name(url: str) -> str:
    """Where a file of another server lies. Raises SidecarError if it has no name that can be stored."""
    from urllib.parse import unquote, urlsplit  # 6 ms, and a router needs none of it

    parts = urlsplit(url)
    host = "".join(c if c.isalnum() or c in "-." else "-" for c in parts.netloc.rpartition("@")[2])
    relative = f"{host}/{unquote(parts.path).strip('/')}"
    if not is_safe(relative):
        problem = "/model: the address has a file name that cannot be stored on every system"
        raise SidecarError("invalidParams", problem, pointer="/model", value=parts.path[:200])
    return relative


def note_use(path: str, now_ms: float) -> None:
    """Remember that a model was loaded, if it lies in a models directory, whichever that is."""
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
            place.remember(record)
