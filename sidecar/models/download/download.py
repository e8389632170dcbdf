"""`downloadModel`: find out what to fetch, fetch it, verify it, give it its name."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from filelock import FileLock, Timeout

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.download import journal
from sidecar.models.download.connections import Fetch
from sidecar.models.download.hasher import Behind
from sidecar.models.download.journal import Identity
from sidecar.models.download.partial_file import MAX_NAMED, Part
from sidecar.models.download.progress import Report
from sidecar.models.http.address import Address
from sidecar.models.hub.client import Hub
from sidecar.models.store import durable_files
from sidecar.models.store.store import Place, Record, Store

SPARE_BYTES: Final = 64 * 1024 * 1024
"""Space that a download leaves free on the disk."""

WAIT_INTERVAL_S: Final = 0.2
"""How often somebody who waits for another's download looks at it."""


Fetched = tuple[str, Record, int, bool]
"""Path, record, bytes that an earlier attempt had brought, whether it was here already."""


@dataclass(slots=True)
class Wanted:
    """One file to fetch; `relative` is where it goes, from the models directory."""

    relative: str
    source: dict[str, Any]
    size: int | None
    sha256: str | None
    etag: str | None
    address: Address

    @property
    def identity(self) -> Identity:
        return Identity(self.source["url"], self.size, self.sha256, self.etag)


class Download:
    """One file on its way. `kept` and `discard` may be called from another thread at any moment."""

    def __init__(self, hub: Hub, store: Store, wanted: Wanted, report: Report) -> None:
        self._hub = hub
        self._store = store
        self._wanted = wanted
        self._place = store.place(wanted.relative)
        self._report = report
        self._part: Part | None = None
        self._opening = threading.Lock()
        self._discarded = False
        self._ours = False
        """Whether the lock is ours, and with it what is on the disk."""

    def run(self, force: bool) -> Fetched:
        """Raises SidecarError, Changed."""
        lock = FileLock(self._place.lock)
        try:
            self._wait_for(lock)
            self._ours = True
            try:
                if not force or self._report.waited:
                    known = self._known()
                    if known is not None:
                        if not os.path.exists(self._place.part):  # what an end right after its renaming left
                            durable_files.remove(self._place.journal)
                        return known
                return self._fetch()
            finally:
                lock.release()
        except OSError as error:
            raise durable_files.disk_error(error, self._store.directory) from error

    def kept(self) -> int:
        """Bytes on the disk that need not come again."""
        return self._part.journal.total if self._part is not None else self._on_disk()

    def discard(self) -> None:
        """Delete what came, as far as the system lets us while it is being written; of our own bytes only."""
        if not self._ours:
            return
        with self._opening:
            self._discarded = True
            with suppress(OSError):
                durable_files.remove(self._place.part)
            with suppress(OSError):
                if self._part is not None:
                    self._part.journal.remove()
                else:
                    durable_files.remove(self._place.journal)

    # ---- somebody else's download ----------------------------------------------------------------

    def _wait_for(self, lock: FileLock) -> None:
        """Take the lock; while another process holds it, show how far it is."""
        while True:
            try:
                lock.acquire(timeout=0)
                return
            except Timeout:
                self._report.waited = True
                self._report.downloaded(self._on_disk())
                time.sleep(WAIT_INTERVAL_S)

    def _on_disk(self) -> int:
        """Bytes of the partial file, by its journal."""
        known = journal.read(self._place.journal)
        return sum(end - start for start, end in known[1]) if known else 0

    # ---- what is here already --------------------------------------------------------------------

    def _known(self) -> Fetched | None:
        """The file, if it is here and the right one."""
        wanted, place = self._wanted, self._place
        record = place.record()
        if record is not None and _matches(record, wanted):
            self._report.downloaded(record.size)
            return (place.path, record, 0, True)
        if wanted.sha256 is None or not os.path.isfile(place.path):
            return None
        if os.path.getsize(place.path) != wanted.size:
            return None
        # It has the right name and size, but nothing is remembered of it: it was put there by hand, or the
        # program was ended in the moment between its name and its record.
        if self._hash_of_file(place.path, wanted.size) != wanted.sha256:
            log.log("warning", "a file of this name is here, but another one", path=place.path)
            return None
        record = self._remember(wanted.sha256, wanted.size)
        return (place.path, record, 0, True)

    def _hash_of_file(self, path: str, size: int) -> str:
        import hashlib

        digest = hashlib.sha256()
        done = 0
        with open(path, "rb") as file:
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
                done += len(chunk)
                self._report.verified(min(done, size))
        return digest.hexdigest()

    # ---- fetching --------------------------------------------------------------------------------

    def _fetch(self) -> Fetched:
        wanted, place = self._wanted, self._place
        part = self._open_part()
        if wanted.size is not None:
            _check_space(self._store.directory, wanted.relative, wanted.size - part.resumed)
        resumed = part.resumed
        sha256, size = self._bring(part)
        if wanted.sha256 not in (None, sha256):
            self._report.info(
                f"{place.relative}: the checksum is wrong ({sha256} instead of {wanted.sha256}); fetching it again"
            )
            part.start_again()
            sha256, size = self._bring(part)
            self._name_wrong(part)
            if sha256 != wanted.sha256:
                self.discard()
                problem = f"{place.relative}: the checksum is {sha256}, not {wanted.sha256}"
                raise SidecarError("checksumMismatch", problem, value=sha256, allowed=wanted.sha256)
        part.journal.close()
        durable_files.publish(place.part, place.path)
        record = self._remember(sha256, size)
        durable_files.remove(place.journal)
        return (place.path, record, resumed, False)

    def _open_part(self) -> Part:
        with self._opening:
            if self._discarded:  # in the moment before; the process is about to end
                raise SidecarError("aborted", f"{self._place.relative} was given up")
            place, wanted = self._place, self._wanted
            self._part = Part(place.part, place.journal, wanted.identity, wanted.source)
            return self._part

    def _bring(self, part: Part) -> tuple[str, int]:
        """Fetch what is missing, hashing on the way. Returns the hash and the size."""
        fetch = Fetch(self._hub.client, self._wanted.address, part, self._wanted.size)

        def told() -> None:
            self._report.downloaded(part.received)

        if self._wanted.size is None:
            fetch.run(told)
            assert fetch.size is not None
            behind = Behind(part, fetch.size)
        else:
            behind = Behind(part, self._wanted.size)
            try:
                fetch.run(told)
            except BaseException:
                behind.stop()
                if not part.journal.total and part.wrong is None:
                    self.discard()  # nothing came: there is nothing to go on with
                raise
        size = fetch.size or 0
        return behind.finish(self._report.verified), size

    def _name_wrong(self, part: Part) -> None:
        for start, end in (part.wrong or [])[:MAX_NAMED]:
            self._report.info(f"{self._place.relative}: bytes {start} to {end - 1} were wrong at first")
        part.wrong = None

    def _remember(self, sha256: str, size: int) -> Record:
        from sidecar.models.gguf import reader

        wanted, place = self._wanted, self._place
        try:
            header = reader.describe(place.path)
            summary = {name: header[name] for name in SUMMARY}
        except SidecarError as error:
            summary = {"problem": error.problem.removeprefix(f"/path: {place.path!r} ")}
        record = Record(
            source=wanted.source,
            size=size,
            sha256=sha256,
            verified=wanted.sha256 is not None,
            etag=wanted.etag,
            modified_ns=os.stat(place.path).st_mtime_ns,
            downloaded_at=round(time.time() * 1000),
            header=summary,
        )
        place.remember(record)
        return record


def check_space(store: Store, wanted: list[Wanted], force: bool) -> None:
    """Whether there is room for all files of a model together, before the first is begun.

    Raises SidecarError `diskFull`.
    """
    needed = 0
    for file in wanted:
        place = store.place(file.relative)
        here = not force and os.path.isfile(place.path) and os.path.getsize(place.path) == file.size
        if file.size is not None and not here:
            needed += max(0, file.size - _begun(place))
    _check_space(store.directory, wanted[0].relative, needed)


def _begun(place: Place) -> int:
    """Bytes that an unfinished download has taken from the disk."""
    known = journal.read(place.journal)
    return sum(end - start for start, end in known[1]) if known else 0


def _check_space(directory: str, name: str, needed: int) -> None:
    free = max(0, shutil.disk_usage(directory).free - SPARE_BYTES)
    if needed > free:
        problem = f"{name} needs {needed} bytes on the disk, {free} are free"
        raise SidecarError("diskFull", problem, value=needed, allowed={"maximum": free})


SUMMARY: Final = (
    "architecture",
    "name",
    "parameters",
    "quantization",
    "contextLengthTrained",
    "chatTemplate",
)
"""What of a header is remembered, and listed."""


def _matches(record: Record, wanted: Wanted) -> bool:
    if wanted.sha256 is not None:
        return record.sha256 == wanted.sha256
    return wanted.etag is not None and record.etag == wanted.etag and record.size == wanted.size
