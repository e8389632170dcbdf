"""Files that survive a power failure: sync the bytes, then rename the file, then sync the folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.models.store import durable_files

FOLDER = [] if sys.platform == "win32" else [("fsync", "folder", 0)]
"""Windows does that by itself."""

Steps = list[tuple[str, str, int]]
"""fsync or replace, of which file, and the bytes that it had then."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Records the calls from now on, in order; each is also carried out."""
    done: Steps = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        folder = stat.S_ISDIR(status.st_mode)
        done.append(("fsync", "folder", 0) if folder else ("fsync", "file", status.st_size))
        fsync(descriptor)

    def noted_replace(source: str, target: str) -> None:
        done.append(("replace", Path(target).name, Path(source).stat().st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    return done


def test_a_whole_file_is_on_the_disk_before_it_has_its_name(steps: Steps, tmp_path: Path) -> None:
    part, final = tmp_path / "a.part", tmp_path / "a.gguf"
    part.write_bytes(b"x" * 1000)
    final.write_bytes(b"the one before")
    durable_files.publish(str(part), str(final))
    assert steps == [("fsync", "file", 1000), ("replace", "a.gguf", 1000), *FOLDER]
    assert final.read_bytes() == b"x" * 1000 and not part.exists()


def test_a_small_file_has_its_old_content_until_the_new_is_on_the_disk(steps: Steps, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    durable_files.replace_file(str(path), b"y" * 500)
    assert steps == [("fsync", "file", 500), ("replace", "a.json", 500)]
    assert path.read_bytes() == b"y" * 500
    assert list(tmp_path.iterdir()) == [path]


class Held(PermissionError):
    """What Windows raises for a file that another process holds."""

    winerror = 32


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock that only sleep moves; the function tells its time."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    monkeypatch.setattr(time, "sleep", sleep)
    return lambda: passed[0]


def hold(monkeypatch: pytest.MonkeyPatch, name: str, free: Callable[[], bool]) -> None:
    """This function of `os` fails until the file is free."""
    real = getattr(os, name)

    def guarded(*arguments: str) -> None:
        if not free():
            raise Held("held")
        real(*arguments)

    monkeypatch.setattr(os, name, guarded)


def test_a_file_that_is_held_for_two_seconds_is_replaced_and_removed(
    now: Callable[[], float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    hold(monkeypatch, "replace", lambda: now() > 2)
    durable_files.replace_file(str(path), b"new")
    assert path.read_bytes() == b"new" and now() > 2
    hold(monkeypatch, "unlink", lambda: now() > 4)
    assert durable_files.remove(str(path)) and not path.exists()


def test_a_file_that_stays_held_is_an_error_in_the_end(
    now: Callable[[], float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    hold(monkeypatch, "replace", lambda: False)
    hold(monkeypatch, "unlink", lambda: False)
    for action in (lambda: durable_files.replace(str(path), "b"), lambda: durable_files.remove(str(path))):
        before = now()
        with pytest.raises(Held):
            action()
        assert durable_files.HELD_S <= now() - before < durable_files.HELD_S + 1
    before = now()
    with pytest.raises(Held):
        durable_files.remove(str(path), 0)
    assert now() == before and path.read_bytes() == b"old"


def test_no_other_error_is_tried_again(now: Callable[[], float], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        durable_files.replace(str(tmp_path / "absent"), str(tmp_path / "b"))
    assert durable_files.remove(str(tmp_path / "absent")) == 0
    assert now() == 0


HOLDER = "import sys; file = open(sys.argv[1], 'rb'); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the file `held`."""
    path = tmp_path / "held"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows keeps files that are open")
def test_what_windows_says_of_a_held_file_is_known(
    holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "held"
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) % 2 == 0:
            holder.kill()
            holder.wait()

    monkeypatch.setattr(time, "sleep", sleep)
    durable_files.replace_file(str(path), b"new")
    assert path.read_bytes() == b"new" and waits
