"""What a killed one-file program left behind: which folders go, and when."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from sidecar.worker import one_file

NOBODY = "7ffffffe"
"""The pid of a launcher that cannot be."""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder that the program itself runs from."""
    folder = tmp_path / f"_MEI{os.getpid():08x}own"
    folder.mkdir()
    for name in ("libz.so.1", one_file.MARK, one_file.LAST_PART):
        (folder / name).write_text("a part")
    return folder


def half_unpacked(folder: Path, age_s: float) -> Path:
    folder.mkdir()
    (folder / "libz.so.1").write_text("a part")
    changed = time.time() - age_s
    os.utime(folder, (changed, changed))
    return folder


def test_half_unpacked_folders_are_removed_when_they_are_old(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    old = half_unpacked(tmp_path / f"_MEI{NOBODY}000001", one_file.UNPACKING_S + 1)
    new = half_unpacked(tmp_path / f"_MEI{NOBODY}000002", one_file.UNPACKING_S / 2)

    def sleep(seconds: float) -> None:
        assert new.exists() and not old.exists(), "one that may still be unpacked was not let be"
        slept.append(seconds)
        half_unpacked_at = time.time() - one_file.UNPACKING_S
        os.utime(new, (half_unpacked_at, half_unpacked_at))

    monkeypatch.setattr(one_file.time, "sleep", sleep)
    one_file.sweep(str(own))
    assert len(slept) == 1 and 0 < slept[0] <= one_file.UNPACKING_S / 2
    assert list(tmp_path.iterdir()) == [own]


@pytest.mark.parametrize("later_s", [-1.0, one_file.CLOCKS_DIFFER_S + 1])
def test_a_folder_whose_launcher_runs_stays_but_not_for_another_process_with_its_number(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later_s: float
) -> None:
    other = half_unpacked(tmp_path / f"_MEI{os.getpid():08x}other", one_file.UNPACKING_S + 1)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: other.lstat().st_ctime + later_s)
    one_file.sweep(str(own))
    assert other.exists() == (later_s < 0)


def test_without_half_unpacked_folders_nothing_waits(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_file.time, "sleep", lambda _: pytest.fail("it waits"))
    one_file.sweep(str(own))
