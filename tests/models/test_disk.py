"""downloadModel and the disk: no room, no right to write, and names that lead out of the directory."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from download_work import (
    FILE,
    MOST_TWICE,
    REPO,
    SPEC,
    TARGET,
    Begin,
    Downloads,
    assert_whole,
    files_below,
)
from driver import Refused
from hub import Hub, Synthetic

pytestmark = pytest.mark.process

BIG = Synthetic(6_000_000, seed=1)


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of a repository with one large file."""
    return hub.add(REPO, {FILE: BIG})


# ---- room ----------------------------------------------------------------------------------------


def test_not_enough_room_is_found_before_a_byte_is_fetched(downloads: Downloads) -> None:
    free = shutil.disk_usage(downloads.directory.parent).free
    size = free + (1 << 40)
    downloads.hub.add(REPO, {"Huge-Q8_0.gguf": Synthetic(size)})
    error = downloads.refused(f"hf:{REPO}:Q8_0")
    data = error["data"]
    assert (error["code"], data["kind"]) == (1059, "diskFull")
    assert data["value"] == size and 0 <= data["allowed"]["maximum"] < size
    assert downloads.hub.sent(f"{REPO}/Huge-Q8_0.gguf") == 0
    assert not downloads.files()


def test_not_enough_room_for_all_parts_together(downloads: Downloads) -> None:
    """Each alone fits. The first must not be fetched when the second has no room."""
    free = shutil.disk_usage(downloads.directory.parent).free
    names = [f"Split-Q8_0-0000{part}-of-00002.gguf" for part in (1, 2)]
    downloads.hub.add(REPO, {names[0]: BIG, names[1]: Synthetic(free + (1 << 40))})
    assert downloads.refused(f"hf:{REPO}:Q8_0")["data"]["kind"] == "diskFull"
    assert downloads.hub.sent(f"{REPO}/{names[0]}") == 0, "what cannot be whole was begun"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size (RLIMIT_FSIZE)")
def test_room_that_runs_out_in_the_middle_keeps_what_came(begin: Begin, downloads: Downloads) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, before[1]))
    try:
        limited = begin()  # takes the limit over
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = limited.refused(SPEC)
    assert (error["code"], error["data"]["kind"]) == (1059, "diskFull")
    assert not limited.files() and limited.unfinished()
    result = downloads.fetch(SPEC)
    assert result["resumedBytes"] >= 1_000_000
    assert_whole(result, BIG)
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) <= BIG.size + MOST_TWICE


# ---- rights --------------------------------------------------------------------------------------


def test_a_models_directory_that_is_a_file(downloads: Downloads) -> None:
    downloads.directory.write_text("in the way", encoding="utf-8")
    error = downloads.refused(SPEC)
    assert (error["code"], error["data"]["kind"]) == (1060, "directoryNotWritable")
    assert error["data"]["cause"]
    assert downloads.directory.read_text(encoding="utf-8") == "in the way"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode of a folder (chmod)")
@pytest.mark.skipif(sys.platform != "win32" and os.geteuid() == 0, reason="root may write everywhere")
def test_a_models_directory_without_the_right_to_write(downloads: Downloads) -> None:
    downloads.directory.mkdir()
    downloads.directory.chmod(0o500)
    try:
        assert downloads.refused(SPEC)["data"]["kind"] == "directoryNotWritable"
    finally:
        downloads.directory.chmod(0o700)


def test_a_folder_where_the_file_should_be(downloads: Downloads) -> None:
    (downloads.directory / REPO / FILE).mkdir(parents=True)
    error = downloads.refused(SPEC)
    assert error["data"]["kind"] == "directoryNotWritable"
    assert (downloads.directory / REPO / FILE).is_dir()


def link_folder(link: Path, folder: Path) -> None:
    """Make a link; on Windows a junction, which takes no right."""
    if sys.platform != "win32":
        link.symlink_to(folder, target_is_directory=True)
        return
    import _winapi

    try:
        _winapi.CreateJunction(str(folder), str(link))
    except OSError as error:
        pytest.skip(f"Wine 8 makes no junction: error {error.winerror} for FSCTL_SET_REPARSE_POINT")


def test_a_link_that_leads_out_of_the_models_directory(downloads: Downloads) -> None:
    outside = downloads.directory.parent / "outside"
    outside.mkdir()
    downloads.directory.mkdir()
    link_folder(downloads.directory / "owner", outside)
    assert downloads.refused(SPEC)["data"]["kind"] == "directoryNotWritable"
    assert files_below(outside) == []


def test_a_models_directory_that_is_made(begin: Begin, tmp_path: Path) -> None:
    """Several folders deep, with blanks and many kinds of letters in its name; also as `init` reports it."""
    downloads = begin()
    downloads.directory = tmp_path / "a b" / "modèles 模型"
    assert_whole(downloads.fetch(SPEC), BIG)
    other = tmp_path / "of init"
    downloads.sidecar.call("init", {"modelsDirectory": str(other)})
    params = {"model": SPEC, "endpoint": downloads.hub.endpoint}
    assert_whole(downloads.sidecar.call("downloadModel", params), BIG)
    assert [path.name for path in files_below(other) if path.suffix == ".gguf"] == [FILE]


# ---- names ---------------------------------------------------------------------------------------

HOSTILE = [
    "../x-Q8_0.gguf",
    "../../../../../../tmp/x-Q8_0.gguf",
    "a/../../x-Q8_0.gguf",
    "/x-Q8_0.gguf",
    "//host/share/x-Q8_0.gguf",
    "C:\\x-Q8_0.gguf",
    "C:x-Q8_0.gguf",
    "..\\x-Q8_0.gguf",
    "a\\..\\..\\x-Q8_0.gguf",
    "x-Q8_0.gguf\0.txt",
    "x\0-Q8_0.gguf",
    "x\n-Q8_0.gguf",
    "con/x-Q8_0.gguf",
    "NUL.Q8_0.gguf",
    "com1.Q8_0.gguf",
    "a./x-Q8_0.gguf",
    "a /x-Q8_0.gguf",
    "./x-Q8_0.gguf",
    "a//x-Q8_0.gguf",
    "a:stream-Q8_0.gguf",
    "a*-Q8_0.gguf",
    "x" * 300 + "-Q8_0.gguf",
    "y/" * 300 + "x-Q8_0.gguf",
    "\ud800x-Q8_0.gguf",
]


def test_hostile_names_from_the_hub(downloads: Downloads) -> None:
    """None of them is written or offered; the good file in the same repository can be downloaded."""
    downloads.hub.add(REPO, {name: Synthetic(1000) for name in HOSTILE})
    around = downloads.directory.parent
    error = downloads.refused(f"hf:{REPO}:Q8_0")
    assert (error["data"]["kind"], error["data"]["allowed"]) == ("remoteFileNotFound", ["Q4_K_M"])
    assert [path for path in files_below(around) if path.suffix == ".gguf"] == []
    assert_whole(downloads.fetch(f"hf:{REPO}"), BIG)
    assert [path for path in files_below(around) if path.suffix == ".gguf"] == downloads.files()
    assert len(downloads.files()) == 1


@pytest.mark.parametrize("name", ["a/../../x.gguf", "con/x.gguf"])
def test_hostile_names_in_the_request(downloads: Downloads, name: str) -> None:
    """More of them are in unit/models/sources/test_model_reference.py."""
    error = downloads.refused(f"hf:{REPO}/{name}")
    assert (error["code"], error["data"]["pointer"]) == (-32602, "/model")
    assert files_below(downloads.directory.parent) == []


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2fx.gguf", "%2e%2e/%2e%2e/x.gguf", "a%00.gguf", "a%5c..%5cx.gguf", "nul.gguf", "", "%2f"],
)
def test_hostile_names_in_an_address(downloads: Downloads, path: str) -> None:
    error = downloads.refused(f"{downloads.hub.cdn}/files/{path}")
    assert error["data"]["kind"] in ("invalidParams", "remoteFileNotFound")
    assert [path for path in files_below(downloads.directory.parent) if path.suffix == ".gguf"] == []


@pytest.mark.parametrize("revision", ["../../x", "refs/pr/1", "a b", "..", "x" * 300, "%2e%2e", "C:"])
def test_hostile_names_of_revisions(downloads: Downloads, revision: str) -> None:
    other = Synthetic(2_000, seed=5)
    downloads.hub.add(REPO, {FILE: other}, revision=revision)
    try:
        result = downloads.fetch(SPEC, revision=revision)
    except Refused as refused:
        assert refused.kind in ("revisionNotFound", "invalidParams")
    else:
        assert_whole(result, other)
        assert Path(result["path"]).resolve().is_relative_to(downloads.directory.resolve())
    found = [path for path in files_below(downloads.directory.parent) if path.suffix == ".gguf"]
    assert all(path.is_relative_to(downloads.directory) for path in found)
