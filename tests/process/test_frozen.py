"""What only a frozen program can do wrong: where it lies, what is in it, and what it leaves behind."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from conftest import Start
from driver import Sidecar
from process_work import COUNTED, count, in_temp, load, send_endless

import freeze

pytestmark = pytest.mark.process

EXIT_S = 10.0


def installed(runtime: str, folder: Path) -> Path:
    """The program, put somewhere else, as an app's installer does."""
    source = freeze.PROGRAMS[runtime]
    if runtime == "onefile":
        return Path(shutil.copy2(source, folder))
    shutil.copytree(source.parent, folder / source.parent.name, symlinks=True)
    return folder / source.parent.name / source.name


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
        listing_params = {"modelsDirectory": str(temporary), "hubCache": False}
        assert sidecar.call("listModels", listing_params)["models"] == []  # a transfer runs there as well
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
    if runtime == "onefile":
        assert told["files"].keys() == {program.name}
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


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what is mapped into a process")
def test_llama_cpp_comes_from_the_bundle_whatever_the_environment_says(
    runtime: str, start: Start, temporary: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    sidecar = start(env=in_temp(temporary, LLAMA_CPP_LIB_PATH=str(tmp_path / "empty")))
    sidecar.call("init")
    (engine,) = sidecar.workers()
    mapped = {Path(each.path) for each in engine.memory_maps()}
    folders = {path.parent for path in mapped if path.name.startswith(("libllama", "libggml"))}
    inside = next(temporary.iterdir()) if runtime == "onefile" else freeze.FOLDER / "_internal"
    assert folders == {inside / "llama_cpp" / "lib"}


@pytest.mark.parametrize("killed", ["app", "engine"])
def test_nothing_is_left_in_the_temporary_folder(
    runtime: str, start: Start, model_path: str, temporary: Path, killed: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as app:
        sidecar = start("--parent-pid", str(app.pid), env=in_temp(temporary))
        load(sidecar, model_path)
        request = send_endless(sidecar)
        sidecar.wait_progress(request, "generate")
        if killed == "app":
            app.kill()
        else:
            psutil.Process(sidecar.engines()["model-1"]).kill()
            assert sidecar.response(request)["error"]["data"]["kind"] == "engineCrashed"
            sidecar.close_stdin()
        assert sidecar.wait_exit(EXIT_S) == 0
        app.kill()
    assert list(temporary.iterdir()) == []
