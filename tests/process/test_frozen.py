"""What only a frozen program can do wrong: where it lies, what it unpacks, and what it leaves there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from conftest import Start
from driver import Sidecar, environment
from process_work import COUNTED, count, load, send_endless

import freeze

pytestmark = pytest.mark.process

PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'
FIRST_ANSWER_S = 20.0
REMOVED_S = 5.0


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    chosen: str = request.config.getoption("--runtime")
    if chosen == "source":
        pytest.skip("the program is not frozen")
    return chosen


@pytest.fixture
def one_file(runtime: str) -> Path:
    if runtime != "onefile":
        pytest.skip("only the one-file program unpacks itself")
    return freeze.ONE_FILE


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A temporary folder of one's own for the program, named as people name theirs."""
    folder = tmp_path / "Temporäre Dateien 模型"
    folder.mkdir()
    return folder


def installed(runtime: str, folder: Path) -> Path:
    """The program, put somewhere else, as an app's installer does."""
    source = freeze.PROGRAMS[runtime]
    if runtime == "onefile":
        return Path(shutil.copy2(source, folder))
    shutil.copytree(source.parent, folder / source.parent.name, symlinks=True)
    return folder / source.parent.name / source.name


def wait_until(true: Callable[[], object], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert true()


def in_temp(folder: Path, **more: str) -> dict[str, str]:
    names = ("TMPDIR", "TEMP", "TMP")
    return {**environment(**dict.fromkeys(names, str(folder))), **more}


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Make folders read-only until the test ends. Root may write nevertheless, so files are compared as well."""
    made: list[Path] = []

    def make(folder: Path) -> None:
        for path in [folder, *folder.rglob("*")]:
            if not path.is_symlink():
                made.append(path)
                path.chmod(0o555)

    yield make
    for path in made:
        path.chmod(0o755)


def listing(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_it_runs_from_a_read_only_folder_with_any_name_and_writes_nothing_there(
    runtime: str,
    model_path: str,
    tmp_path: Path,
    temporary: Path,
    read_only: Callable[[Path], None],
) -> None:
    folder = tmp_path / "Mein Programm Äpp 模型 🦊"
    folder.mkdir()
    program = installed(runtime, folder)
    read_only(folder)
    before = listing(folder)
    env = in_temp(temporary, LC_ALL="C", LANG="C")
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME"):
        env.pop(name, None)
    sidecar = Sidecar([str(program)], stderr=tmp_path / "stderr.txt", env=env, cwd=temporary)
    try:
        load(sidecar, model_path)
        assert count(sidecar) == COUNTED
        assert sidecar.log() == ""
    finally:
        assert sidecar.end() == []
    assert listing(folder) == before
    assert list(temporary.iterdir()) == []


def test_the_manifest_tells_every_file_with_its_hash(runtime: str) -> None:
    program = freeze.PROGRAMS[runtime]
    place = program.parent
    beside = place / f"{program.name}.manifest.json"
    manifest = beside if runtime == "onefile" else place / "_internal" / "MANIFEST.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    for name, facts in told["files"].items():
        if "link" not in facts:
            content = (place / name).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (
                facts["sha256"],
                facts["sizeBytes"],
            )
    if runtime == "onedir":
        there = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file() or p.is_symlink()}
        assert there - set(told["files"]) == {"_internal/MANIFEST.json"}
        bill = json.loads((place / "_internal" / "sbom.cdx.json").read_text(encoding="utf-8"))
        names = {component["name"].lower() for component in bill["components"]}
        assert {"python", "llama.cpp", "llama_cpp_python", "openssl"} <= names
        assert not names & {"numpy", "diskcache", "hf_xet", "pytest", "setuptools"}
        assert all(component["licenses"][0]["expression"] != "unknown" for component in bill["components"])


def test_no_library_is_in_it_twice(runtime: str) -> None:
    if runtime != "onedir":
        pytest.skip("the one file holds what the folder holds")
    seen: dict[str, Path] = {}
    for file in freeze.FOLDER.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.stat().st_size > 20_000:
            key = hashlib.sha256(file.read_bytes()).hexdigest()
            assert key not in seen, f"{file} is {seen[key]}"
            seen[key] = file


def test_it_is_small(runtime: str) -> None:
    files = [freeze.ONE_FILE] if runtime == "onefile" else list(freeze.FOLDER.rglob("*"))
    size = sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
    assert size <= {"onefile": 25e6, "onedir": 60e6}[runtime]


def test_workers_of_the_one_file_unpack_nothing(
    one_file: Path, start: Start, model_path: str, temporary: Path
) -> None:
    sidecar = start(env=in_temp(temporary))
    load(sidecar, model_path)
    sidecar.call("init")
    assert len(sidecar.workers()) == 2
    assert len(list(temporary.iterdir())) == 1
    sidecar.close_stdin()
    assert sidecar.wait_exit(5) == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("state", ["idle", "in generation"])
def test_the_launcher_killed_takes_everything_with_it_though_the_app_lives_on(
    one_file: Path, start: Start, model_path: str, temporary: Path, state: str
) -> None:
    sidecar = start(env=in_temp(temporary))
    sidecar.call("init")
    if state == "in generation":
        load(sidecar, model_path)
        sidecar.wait_progress(send_endless(sidecar), "generate")
    sidecar.process.kill()
    assert not sidecar.survivors(1.0)
    assert list(temporary.iterdir()) == []  # its program's last act


def test_the_launcher_killed_while_it_starts_leaves_nobody(
    one_file: Path, start: Start, temporary: Path
) -> None:
    for tenth in range(8):
        sidecar = start(env=in_temp(temporary))
        time.sleep(0.03 * tenth)  # from unpacking to having answered
        sidecar.process.kill()
        assert not sidecar.survivors(1.5)


def test_the_router_killed_is_told_by_the_launchers_end(
    one_file: Path, start: Start, temporary: Path
) -> None:
    sidecar = start(env=in_temp(temporary))
    sidecar.call("init")
    sidecar.router().kill()
    assert sidecar.wait_exit(5) != 0
    assert not sidecar.survivors(1.0)
    assert list(temporary.iterdir()) == []


def test_the_next_start_removes_what_a_killed_program_left(
    one_file: Path, start: Start, temporary: Path
) -> None:
    killed = start(env=in_temp(temporary))
    killed.call("ping")
    for process in sorted(killed.family(), key=lambda process: process.pid):
        process.kill()  # the launcher first: nobody is left who could remove anything
    killed.process.wait()
    (left,) = temporary.iterdir()
    assert (left / "MANIFEST.json").is_file()
    strangers = [temporary / "_MEI7ffffffeabcdef", temporary / "notes"]
    for stranger in strangers:
        stranger.mkdir()
        (stranger / "base_library.zip").write_text("of another program")
    living = start(env=in_temp(temporary))
    living.call("ping")
    wait_until(lambda: not left.exists(), REMOVED_S)
    assert all((stranger / "base_library.zip").exists() for stranger in strangers)
    other = start(env=in_temp(temporary))
    other.call("ping")
    time.sleep(0.5)
    assert living.call("init")["protocolVersion"] == 1  # and its folder is still whole
    living.close_stdin()
    other.close_stdin()
    assert (living.wait_exit(5), other.wait_exit(5)) == (0, 0)
    assert sorted(temporary.iterdir()) == sorted(strangers)


def test_half_unpacked_folders_go_once_they_are_old(one_file: Path, start: Start, temporary: Path) -> None:
    old, new = temporary / "_MEI7ffffffe000001", temporary / "_MEI7ffffffe000002"
    for folder in (old, new):
        folder.mkdir()
        (folder / "libz.so.1").write_bytes(b"half")
    long_ago = time.time() - 3600
    os.utime(old, (long_ago, long_ago))
    sidecar = start(env=in_temp(temporary))
    sidecar.call("ping")
    (own,) = (path for path in temporary.iterdir() if path not in (old, new))
    if not (own / "libz.so.1").exists():
        pytest.skip("the program has another set of libraries here")
    wait_until(lambda: not old.exists(), REMOVED_S)
    assert new.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="makes file systems as Linux does")
@pytest.mark.parametrize(
    ("options", "words"), [("noexec", "failed to map segment"), ("size=8m", "Failed to extract")]
)
def test_a_temporary_folder_that_will_not_do_ends_it_with_a_word(
    one_file: Path, tmp_path: Path, options: str, words: str
) -> None:
    folder = tmp_path / "temp"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount here")
    try:
        done = subprocess.run(
            [one_file],
            input=PING,
            capture_output=True,
            env=in_temp(folder),
            timeout=FIRST_ANSWER_S,
            check=False,
        )
        assert done.returncode not in (0, None)
        assert done.stdout == b""
        assert words in done.stderr.decode()  # PyInstaller's; build/README.md tells what they mean
        left = [file.name for path in folder.iterdir() for file in path.iterdir()]
        assert not {"base_library.zip", "MANIFEST.json"} & set(left)  # so a later start removes it
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_it_needs_no_network(runtime: str, start: Start, model_path: str) -> None:
    """No socket is ever opened while a model is loaded and used."""
    sidecar = start()
    load(sidecar, model_path)
    assert count(sidecar) == COUNTED
    for process in sidecar.family():
        assert psutil.Process(process.pid).net_connections() == []
