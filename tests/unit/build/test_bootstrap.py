"""The script that a frozen program runs first (build/ship/bootstrap.py), in this Python with PyInstaller's modules
replaced."""

from __future__ import annotations

import os
import runpy
import sys
import zipfile
import zipimport
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "build" / "ship" / "bootstrap.py"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the script defines, and PyInstaller's modules as it has left them. Undone after the test."""
    archive, importers = SimpleNamespace(), SimpleNamespace(install=lambda: None)
    monkeypatch.setitem(sys.modules, "pyimod01_archive", archive)
    monkeypatch.setitem(sys.modules, "pyimod02_importers", importers)
    monkeypatch.setattr(zipimport, "_io", zipimport._io)
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks])
    monkeypatch.setattr(sys, "frozen", False, raising=False)
    return {**runpy.run_path(str(SCRIPT)), "archive": archive}


def test_modules_in_a_zip_file_are_read_through_one_descriptor(
    ran: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "base_library.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("first", "second"):
            made.writestr(f"{name}.py", f"NAME = {name!r}\n" + "# filler\n" * 1000)
    importer = sys.path_hooks[0](path)
    with pytest.raises(ImportError):
        sys.path_hooks[0](str(tmp_path))
    for name in ("first", "second"):
        found: dict[str, object] = {}
        exec(importer.get_code(name), found)
        assert found["NAME"] == name
    (descriptor,) = ran["_descriptors"].values()
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_two_readers_of_a_file_have_a_place_each_and_read_it_in_pieces(
    ran: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "program").write_bytes(bytes(range(100)))
    real = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: real(descriptor, min(size, 7)))
    with (
        ran["archive"].open(str(tmp_path / "program"), "rb") as one,
        ran["Plain"](str(tmp_path / "program")) as other,
    ):
        assert one.seek(50) == one.tell() == 50
        assert other.read(10) == bytes(range(10))
        assert one.read(30) == bytes(range(50, 80))
        assert one.read(30) == bytes(range(80, 100)), "the end"
        assert other.seek(-5, os.SEEK_END) == 95
    os.close(one._descriptor)


@pytest.mark.skipif(sys.platform == "win32", reason="it opens files in another way there")
def test_a_closed_standard_descriptor_stays_closed(
    ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    free, closed = [0, 1, 5], []
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: free.pop(0))
        patched.setattr(os, "close", closed.append)
        found = ran["opened"]("/program")
    assert (found, sorted(closed)) == (5, [0, 1])
