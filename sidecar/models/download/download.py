"""Downloads one file: fetches it, verifies its checksum, and gives it its final name."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from typing import Final

import httpx2
from filelock import FileLock, Timeout

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.download import journal
from sidecar.models.download.connections import Fetch
from sidecar.models.download.hasher import Hasher
from sidecar.models.download.partial_file import MAX_REPORTED, PartialFile
from sidecar.models.download.progress import Report
from sidecar.models.download.wanted import Fetched, Wanted
from sidecar.models.gguf import description
from sidecar.models.store import durable_files
from sidecar.models.store.store import Record, Store

SPARE_BYTES: Final = 64 * 1024 * 1024
"""Bytes that a download leaves free on the disk."""

WAIT_INTERVAL_S: Final = 0.2
"""How often a request that waits for another download of the same file checks it."""


class Download:
    """The download of one file. `kept_bytes` and `discard` may be called from any thread at any moment."""

    def __init__(self, client: httpx2.Client, store: Store, wanted: Wanted, report: Report) -> None:
        self._client = client
        self._store = store
        self._wanted = wanted
        self._place = store.place(wanted.relative)
        self._report = report
        self._part: PartialFile | None = None
        self._opening = threading.Lock()
        self._discarded = False
        self._locked = False
        """Whether this process holds the lock, and so owns the partial file."""

    def run(self, force: bool) -> Fetched:
        """Return the file; `force`: download it even if it is there. Raises SidecarError, Changed."""
        lock = FileLock(self._place.lock)
        try:
            self._wait_for(lock)
            self._locked = True
            try:
                if not force or self._report.waited:
                    existing = self._existing()
                    if existing is not None:
                        if not os.path.exists(self._place.part):  # left by a kill right after the renaming
                            durable_files.remove(self._place.journal)
                        return existing
                return self._fetch()
            finally:
                if self._part is not None:
                    self._part.journal.close()  # Windows lets nobody replace an open file, as the next try does
                lock.release()
        except OSError as error:
            raise durable_files.disk_error(error, self._store.directory) from error

    def kept_bytes(self) -> int:
        """Bytes on the disk that a later download does not fetch again."""
        return self._part.journal.total if self._part is not None else self._on_disk()

    def discard(self) -> None:
        """Delete the partial file if this download owns it, while other threads may write to it."""
        if not self._locked:
            return
        with self._opening:
            self._discarded = True
            with suppress(OSError):
                durable_files.remove(self._place.part, 0)
            with suppress(OSError):
                if self._part is not None:
                    self._part.journal.remove(0)
                else:
                    durable_files.remove(self._place.journal, 0)

    # ---- another download of the same file -------------------------------------------------------

    def _wait_for(self, lock: FileLock) -> None:
        """Take the lock; while another process holds it, report that process's progress."""
        while True:
            try:
                lock.acquire(timeout=0)
                return
            except Timeout:
                self._report.waited = True
                self._report.downloaded(self._on_disk())
                time.sleep(WAIT_INTERVAL_S)

    def _on_disk(self) -> int:
        return journal.downloaded_bytes(self._place.journal)

    # ---- a file that is there already ------------------------------------------------------------

    def _existing(self) -> Fetched | None:
        """The file, if it is there and has the right content."""
        wanted, place = self._wanted, self._place
        record = place.record()
        if record is not None and _matches(record, wanted):
            self._report.downloaded(record.size)
            return Fetched(place.path, record, 0, True)
        if wanted.sha256 is None or not os.path.isfile(place.path):
            return None
        if os.path.getsize(place.path) != wanted.size:
            return None
        # Name and size are right, but it has no record: it was copied here, or the program was killed after it
        # gave the file its name.
        if self._hash_of_file(place.path, wanted.size) != wanted.sha256:
            log.log("warning", "a file with this name and other content is replaced", path=place.path)
            return None
        record = self._write_record(wanted.sha256, wanted.size)
        return Fetched(place.path, record, 0, True)

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
        sha256, size = self._fetch_bytes(part)
        if wanted.sha256 not in (None, sha256):
            self._report.info(
                f"{place.relative}: the checksum is {sha256} instead of {wanted.sha256}; downloading it again"
            )
            part.start_again()
            sha256, size = self._fetch_bytes(part)
            self._report_differing(part)
            if sha256 != wanted.sha256:
                self.discard()
                problem = f"{place.relative}: the checksum is {sha256}, not {wanted.sha256}"
                raise SidecarError("checksumMismatch", problem, value=sha256, allowed=wanted.sha256)
        part.journal.close()
        durable_files.publish(place.part, place.path)
        record = self._write_record(sha256, size)
        durable_files.remove(place.journal)
        return Fetched(place.path, record, resumed, False)

    def _open_part(self) -> PartialFile:
        with self._opening:
            if self._discarded:  # a moment ago; the process is about to end
                raise SidecarError("aborted", f"The download of {self._place.relative} was aborted")
            place, wanted = self._place, self._wanted
            self._part = PartialFile(place.part, place.journal, wanted.identity, wanted.source)
            return self._part

    def _fetch_bytes(self, part: PartialFile) -> tuple[str, int]:
        """Fetch what is missing, hashing meanwhile. Returns hash and size."""
        fetch = Fetch(self._client, self._wanted.address, part, self._wanted.size)

        def on_tick() -> None:
            self._report.downloaded(part.journal.total)  # what is kept if this process is killed now

        if self._wanted.size is None:
            fetch.run(on_tick)
            assert fetch.size is not None
            hasher = Hasher(part, fetch.size)
        else:
            hasher = Hasher(part, self._wanted.size)
            try:
                fetch.run(on_tick)
            except BaseException:
                hasher.stop()
                if not part.journal.total and part.differing is None:
                    self.discard()  # no byte arrived, so there is nothing to resume
                raise
        size = fetch.size or 0
        return hasher.finish(self._report.verified), size

    def _report_differing(self, part: PartialFile) -> None:
        for start, end in (part.differing or [])[:MAX_REPORTED]:
            self._report.info(f"{self._place.relative}: bytes {start} to {end - 1} were wrong the first time")
        part.differing = None

    def _write_record(self, sha256: str, size: int) -> Record:
        wanted, place = self._wanted, self._place
        try:
            header = description.describe(place.path)
            summary = {name: header[name] for name in description.RECORDED}
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
        place.write_record(record)
        return record


def check_space(store: Store, wanted: list[Wanted], force: bool) -> None:
    """Check that the disk has room for all files of a model together. Raises SidecarError `diskFull`."""
    needed = 0
    for file in wanted:
        place = store.place(file.relative)
        here = not force and os.path.isfile(place.path) and os.path.getsize(place.path) == file.size
        if file.size is not None and not here:
            needed += max(0, file.size - journal.downloaded_bytes(place.journal))
    _check_space(store.directory, wanted[0].relative, needed)


def _check_space(directory: str, name: str, needed: int) -> None:
    free = max(0, shutil.disk_usage(directory).free - SPARE_BYTES)
    if needed > free:
        problem = f"{name} needs {needed} bytes on the disk, {free} are free"
        raise SidecarError("diskFull", problem, value=needed, allowed={"maximum": free})


def _matches(record: Record, wanted: Wanted) -> bool:
    if wanted.sha256 is not None:
        return record.sha256 == wanted.sha256
    return wanted.etag is not None and record.etag == wanted.etag and record.size == wanted.size
