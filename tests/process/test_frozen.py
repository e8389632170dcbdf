"""What only a frozen program can get wrong: its folder, its files, and what it leaves behind."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import elf
import psutil
import pytest
from conftest import Start
from driver import WAIT_S, Sidecar
from process_work import COUNTED, count, in_temp, load, send_endless

import pins
from ship import freeze
from sidecar import __version__ as sidecar_version

pytestmark = [pytest.mark.process, pytest.mark.form("onedir", "onefile")]

MIT_TERMS = 800
"""Length in characters of a very short licence."""

VARIANTS = {*("x64", "sse42", "sandybridge", "haswell", "icelake", "zen4", "alderlake", "sapphirerapids")}
""".github/decisions/002"""

PROCESSORS = {"AMD64": "x86_64", "arm64": "aarch64"}
SYSTEMS = {"linux": "unknown-linux-gnu", "darwin": "apple-darwin", "win32": "pc-windows-msvc"}
"""Python's names → Rust's."""


def installed(runtime: str, folder: Path) -> Path:
    """A copy of the program in another folder, as an app's installer makes it."""
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


@pytest.fixture
def described(runtime: str) -> Callable[[str], str]:
    """Read what describes the program: MANIFEST.json, sbom.cdx.json or LICENCES.txt."""
    program = freeze.PROGRAMS[runtime]

    def read(name: str) -> str:
        sibling = program.with_name(f"{program.name}.{name.lower()}")
        path = sibling if runtime == "onefile" else program.parent / "_internal" / name
        return path.read_text(encoding="utf-8")

    return read


def test_the_manifest_lists_every_file_with_its_hash(runtime: str, described: Callable[[str], str]) -> None:
    program = freeze.PROGRAMS[runtime]
    files = json.loads(described("MANIFEST.json"))["files"]
    for name, facts in files.items():
        if "link" not in facts:
            content = (program.parent / name).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (
                facts["sha256"],
                facts["sizeBytes"],
            )
    if runtime == "onefile":
        assert files.keys() == {program.name}
    else:
        paths = (path for path in program.parent.rglob("*") if path.is_file() or path.is_symlink())
        there = {path.relative_to(program.parent).as_posix() for path in paths}
        assert there - set(files) == {"_internal/MANIFEST.json"}


def test_the_manifest_says_what_the_program_is(program: list[str], described: Callable[[str], str]) -> None:
    manifest = json.loads(described("MANIFEST.json"))
    said = subprocess.run([*program, "--version"], capture_output=True, check=True).stdout.decode()
    assert manifest["version"] == said.split()[-1] == sidecar_version
    assert manifest["llamaCpp"] == {
        "bindingsVersion": metadata.version("llama-cpp-python"),
        "commit": pins.llama_cpp_commit(),
    }
    if platform.libc_ver()[0] == "glibc":
        needed, here = (tuple(map(int, v.split("."))) for v in (manifest["glibc"], platform.libc_ver()[1]))
        assert (2, 17) <= needed <= here


@pytest.mark.form("onedir")  # the one file holds what the folder holds
def test_the_manifest_names_the_glibc_that_its_neediest_file_needs(described: Callable[[str], str]) -> None:
    needed = {
        version
        for file in freeze.FOLDER.rglob("*")
        if file.is_file()
        for name, version in elf.needed_versions(file)
        if name == "GLIBC"
    }
    said = json.loads(described("MANIFEST.json"))["glibc"]
    assert said == (".".join(map(str, max(needed)[:2])) if needed else None)


def test_every_component_is_listed_with_its_licence(runtime: str, described: Callable[[str], str]) -> None:
    bill = json.loads(described("sbom.cdx.json"))["components"]
    names = {component["name"].lower() for component in bill}
    assert {"python", "llama.cpp", "llama_cpp_python", "openssl"} <= names
    assert not names & {"numpy", "diskcache", "hf_xet", "pytest", "setuptools"}
    licences = {component["name"]: component["licenses"][0]["expression"] for component in bill}
    assert "unknown" not in licences.values()
    components = json.loads(described("MANIFEST.json"))["components"]
    assert {each["name"]: each["licence"] for each in components} == licences
    texts = described("LICENCES.txt").split(f"\n{'-' * 80}\n")
    for component, text in zip(bill, texts, strict=False):
        head, _, terms = text.strip().partition("\n\n")
        assert head == f"{component['name']} {component['version']}: {licences[component['name']]}"
        if sys.platform == "linux" and shutil.which("dpkg-query"):
            assert len(terms) > MIT_TERMS, f"no text of {head}"


@pytest.mark.form("onefile")
def test_the_one_file_has_the_name_that_tauri_looks_for(one_file: Path) -> None:
    host = f"{PROCESSORS.get(platform.machine(), platform.machine())}-{SYSTEMS[sys.platform]}"
    if rustc := shutil.which("rustc"):
        about = subprocess.run([rustc, "-vV"], capture_output=True, text=True, check=True).stdout
        (host,) = (line.split()[1] for line in about.splitlines() if line.startswith("host:"))
    assert one_file.name == f"llama-sidecar-{host}{'.exe' if sys.platform == 'win32' else ''}"
    assert one_file.is_file()


@pytest.mark.skipif(
    sys.platform == "darwin" or platform.machine() not in ("x86_64", "AMD64"),
    reason="the variants are x86-64's",
)
def test_every_processors_variant_is_in_it() -> None:
    libraries = (freeze.FOLDER / "_internal" / "llama_cpp" / "lib").glob("*ggml-cpu-*")
    left_out = {"sapphirerapids"} if sys.platform == "win32" else set()  # not compiled by mingw-w64
    assert {path.stem.partition("ggml-cpu-")[2] for path in libraries} == VARIANTS - left_out


@pytest.mark.form("onedir")
def test_no_library_is_in_it_twice() -> None:
    seen: dict[str, Path] = {}
    for file in freeze.FOLDER.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.stat().st_size > 20_000:
            key = hashlib.sha256(file.read_bytes()).hexdigest()
            assert key not in seen, f"{file} is {seen[key]}"
            seen[key] = file


def test_it_is_small(runtime: str) -> None:
    files = [freeze.ONE_FILE] if runtime == "onefile" else list(freeze.FOLDER.rglob("*"))
    size = sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
    # A Python for older Linux has OpenSSL in two of its modules. Hashes by Python's own code take three times as long.
    folder = 56e6 if "glibc" in freeze.DIST.name else 50e6
    assert size <= {"onefile": 26e6, "onedir": folder}[runtime]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not tell what a process has loaded")
def test_llama_cpp_comes_from_the_bundle_whatever_the_environment_says(
    runtime: str, start: Start, temporary: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    sidecar = start(env=in_temp(temporary, LLAMA_CPP_LIB_PATH=str(tmp_path / "empty")))
    sidecar.call("init")
    (engine,) = sidecar.workers()
    mapped = {Path(each.path) for each in engine.memory_maps()}
    folders = {path.parent for path in mapped if path.name.startswith(("libllama", "libggml", "ggml"))}
    inside = next(temporary.iterdir()) if runtime == "onefile" else freeze.FOLDER / "_internal"
    assert folders == {inside / "llama_cpp" / "lib"}


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not tell what a process has loaded")
def test_a_ping_loads_no_library_that_only_engines_need(start: Start, temporary: Path) -> None:
    """PyInstaller's own start would import ctypes."""
    sidecar = start(env=in_temp(temporary))
    sidecar.call("ping")
    loaded = {Path(each.path).name.partition(".")[0] for each in sidecar.router().memory_maps()}
    assert any("python3" in name for name in loaded), "the list is whole"
    assert not loaded & {"_ctypes", "libffi", "libffi-8", "_ssl", "_hashlib"}


def test_an_engine_starts_no_other_process(start: Start, temporary: Path) -> None:
    """Windows starts one for each console."""
    sidecar = start(env=in_temp(temporary))
    sidecar.call("init")
    (engine,) = sidecar.workers()
    assert engine.children() == []


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
        assert sidecar.wait_exit(WAIT_S) == 0
        app.kill()
    assert list(temporary.iterdir()) == []
