"""The journal of an unfinished file: what it says after a crash, and when it is not believed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.models.download import journal
from sidecar.models.download import partial_file as parts
from sidecar.models.download.journal import Identity, Journal, read
from sidecar.models.download.partial_file import PartialFile

HUB = Identity("https://hub/a", 1000, "ab" * 32, None)
PLAIN = Identity("https://server/a", 1000, None, '"v1"')
SOURCE = {"url": "https://hub/a", "repository": None, "revision": None, "file": None}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "a.journal")


Open = Callable[..., Journal]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens journals; the one before loses its file, as if its program had been killed."""
    journals: list[Journal] = []

    def open_one(path: str, identity: Identity = HUB, held: int = 1000) -> Journal:
        for each in journals:
            each.close()  # it writes nothing
        journals.append(Journal(path, identity, SOURCE, held))
        return journals[-1]

    yield open_one
    for each in journals:
        each.close()


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Callable[[], PartialFile]]:
    """The same for partial files."""
    parts: list[PartialFile] = []

    def open_one() -> PartialFile:
        for each in parts:
            each.journal.close()
        parts.append(PartialFile(str(tmp_path / "a.part"), str(tmp_path / "a.journal"), HUB, SOURCE))
        return parts[-1]

    yield open_one
    for each in parts:
        each.journal.close()


def crash(path: str | Path) -> None:
    """Let a journal have been written before the system was started."""
    header, rest = Path(path).read_bytes().split(b"\n", 1)
    described = json.loads(header)
    Path(path).write_bytes(
        json.dumps({**described, "boot": described["boot"] - 3600}).encode() + b"\n" + rest
    )


def write(part: PartialFile, start: int, count: int) -> None:
    """One connection's bytes."""
    writer = part.writer(start)
    for _ in range(count // 100):
        writer.write(b"x" * 100)
    writer.close()


def test_what_was_added_is_there_after_it_is_opened_again(opened: Open, path: str) -> None:
    first = opened(path)
    first.add(0, 100)
    first.add(300, 400)
    first.add(100, 150)  # no close: as if the program had been killed
    again = opened(path)
    assert (again.total, again.contiguous) == (250, 150)
    assert again.missing(1000) == [(150, 300), (400, 1000)]


def test_the_whole_file_is_missing_at_first(opened: Open, path: str) -> None:
    journal = opened(path)
    assert (journal.total, journal.contiguous, journal.missing(1000)) == (0, 0, [(0, 1000)])


def test_half_a_line_at_the_end_is_not_believed(opened: Open, path: str) -> None:
    opened(path).add(0, 100)
    with Path(path).open("ab") as file:
        file.write(b"100 20")  # of "100 200"
    assert opened(path).total == 100


@pytest.mark.parametrize("rubbish", [b"\0\0\0\0\n", b"x y\n", b"1\n", b"1 2 3\n", b"\xff\xfe\n"])
def test_what_cannot_be_read_ends_it(opened: Open, path: str, rubbish: bytes) -> None:
    opened(path).add(0, 100)
    with Path(path).open("ab") as file:
        file.write(rubbish + b"100 200\n")
    assert opened(path).total == 100


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n0 100\n", b"[]\n", b'{"format": 99}\n0 100\n'])
def test_another_kind_of_file_is_not_a_journal(opened: Open, path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    assert read(path) is None
    assert opened(path).total == 0


OLD = b"""\
{"format": 1, "boot": 1790000000.0, "source": {"url": "https://hub/a", "repository": null, "revision": null, \
"file": null}, "url": "https://hub/a", "size": 1000, "sha256": "%s", "etag": null}
0 100
sync
300 350
100 200
350 400
""" % (b"ab" * 32)
"""As the first version wrote it. Later versions must still read it, because apps are updated during a download."""


@pytest.mark.parametrize(
    ("booted", "missing"), [(1790000003.0, [(200, 300), (400, 1000)]), (1790003600.0, [(100, 1000)])]
)
def test_a_journal_of_an_older_version_counts(
    opened: Open, path: str, monkeypatch: pytest.MonkeyPatch, booted: float, missing: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(journal, "_boot_time", lambda: booted)
    Path(path).write_bytes(OLD)
    header, *_ = read(path) or pytest.fail("it is not read")
    assert (header["size"], header["source"]) == (1000, SOURCE)
    assert opened(path).missing(1000) == missing


def test_after_a_crash_of_the_system_only_what_was_synced_counts(opened: Open, path: str) -> None:
    first = opened(path)
    first.add(0, 100)
    first.synced(first.ranges)
    first.add(100, 900)
    assert (first.total, first.unsynced) == (900, 800)
    crash(path)
    assert opened(path).total == 100


def test_opening_it_again_does_not_make_it_safe(opened: Open, path: str) -> None:
    first = opened(path)
    first.add(0, 100)
    first.synced(first.ranges)
    first.add(100, 900)
    again = opened(path)
    assert (again.total, again.unsynced) == (900, 800)
    crash(path)
    assert (opened(path).total, opened(path).unsynced) == (100, 0)


def test_rewriting_it_does_not_make_it_safe(opened: Open, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_LINES", 10)
    growing = opened(path)
    for i in range(100):
        growing.add(i, i + 1)
    crash(path)
    assert opened(path).total == 0


def test_bytes_are_given_to_the_disk_now_and_then(
    part: Callable[[], PartialFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that an earlier attempt has left."""
    monkeypatch.setattr(parts, "NOTE_BYTES", 100)
    monkeypatch.setattr(parts, "SYNC_BYTES", 300)
    write(part(), 0, 200)
    write(part(), 200, 100)
    write(part(), 300, 200)
    crash(tmp_path / "a.journal")
    assert part().resumed == 300


def test_what_comes_while_others_are_given_to_the_disk_may_be_lost(
    part: Callable[[], PartialFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SYNC_BYTES", 100)
    first, fsync, ours = part(), os.fsync, (tmp_path / "a.part").stat().st_ino
    given: list[int] = []

    def slow_fsync(descriptor: int) -> None:
        fsync(descriptor)
        if os.fstat(descriptor).st_ino == ours:
            first.journal.add(500, 600)  # by another connection
            given.append(descriptor)

    monkeypatch.setattr(os, "fsync", slow_fsync)
    write(first, 0, 100)
    assert len(given) == 1
    assert first.journal.missing(1000) == [(100, 500), (600, 1000)]
    os.truncate(tmp_path / "a.part", 1000)
    assert part().journal.missing(1000) == [(100, 500), (600, 1000)]
    crash(tmp_path / "a.journal")
    assert part().journal.missing(1000) == [(100, 1000)]


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (HUB, HUB, 100),
        (HUB, replace(HUB, url="https://mirror/b"), 100),  # the same bytes, wherever they come from
        (HUB, replace(HUB, sha256="cd" * 32), 0),
        (HUB, replace(HUB, size=999), 0),
        (PLAIN, PLAIN, 100),
        (PLAIN, replace(PLAIN, etag='"v2"'), 0),
        (PLAIN, replace(PLAIN, size=999), 0),
        (PLAIN, replace(PLAIN, url="https://other/a"), 0),
        (replace(PLAIN, etag=None), replace(PLAIN, etag=None), 0),  # it may be another file
    ],
)
def test_bytes_of_another_file_are_not_taken(
    opened: Open, path: str, before: Identity, after: Identity, kept: int
) -> None:
    opened(path, before).add(0, 100)
    assert opened(path, after).total == kept


def test_it_stays_short(opened: Open, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_LINES", 10)
    growing = opened(path)
    for i in range(100):
        growing.add(i, i + 1)
    assert Path(path).read_bytes().count(b"\n") < 15
    assert growing.total == 100


def test_a_journal_without_its_file_is_worth_nothing(part: Callable[[], PartialFile], tmp_path: Path) -> None:
    writer = part().writer(0)
    writer.write(b"x" * 100)
    writer.close()
    (tmp_path / "a.part").unlink()
    assert part().resumed == 0


def test_where_bytes_that_come_a_second_time_differ_is_reported(part: Callable[[], PartialFile]) -> None:
    twice = part()
    for data in (b"a" * 50 + b"X" + b"a" * 30 + b"YY" + b"a" * 17, b"a" * 120):
        writer = twice.writer(0)
        writer.write(data)
        writer.close()
        if twice.differing is None:
            twice.start_again()
    assert twice.differing == [(50, 120)], "from the first to the last of what came in one piece"


def test_what_the_file_does_not_hold_is_not_believed(opened: Open, path: str) -> None:
    first = opened(path)
    first.add(0, 100)
    first.add(300, 400)
    assert opened(path, held=350).missing(1000) == [(100, 300), (350, 1000)]
    assert opened(path, held=50).total == 50


def test_nothing_is_noted_after_its_removal(opened: Open, path: str, tmp_path: Path) -> None:
    journal = opened(path)
    journal.add(0, 100)
    journal.remove()
    journal.add(100, 200)
    journal.synced([(0, 200)])
    journal.forget()
    assert not list(tmp_path.iterdir())
