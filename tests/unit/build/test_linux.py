"""The program for another Linux: what can be checked without its compiler and its Python."""

from __future__ import annotations

import platform
import shutil
import zipfile
from pathlib import Path

import pytest
from driver import WAIT_S

import suites
import tasks
from checkout import Failed
from foreign import pinned
from linux import debian, libraries, programs, python, suite, targets, tools
from linux.targets import TARGETS, Target
from llama import packs, wheel
from ship import bundle

X64, ARM64 = TARGETS


def test_an_unknown_target_is_refused_with_those_there_are() -> None:
    with pytest.raises(Failed, match=r"'linux-x86'.*linux-x64-glibc2.31, linux-arm64"):
        tasks.frozen(["--target", "linux-x86"])
    with pytest.raises(Failed, match="--again and --target NAME"):
        tasks.frozen(["linux-arm64"])


@pytest.mark.skipif(platform.system() != "Linux", reason="targets are made on Linux")
def test_what_is_missing_is_named_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_SYSTEM", ())
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "release", lambda: "6.7.0-1-amd64")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Failed, match=r"apt-get install maven$"):
        tools.require(X64)
    with pytest.raises(Failed, match=r"maven debootstrap util-linux qemu-user binutils-aarch64-linux-gnu$"):
        tools.require(ARM64)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    tools.require(ARM64)
    monkeypatch.setattr(platform, "release", lambda: "6.6.87+")
    with pytest.raises(Failed, match=r"needs Linux 6\.7.*this is 6\.6\.87"):
        tools.require(ARM64)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_it_is_made_of_needs_no_newer_glibc(target: Target) -> None:
    libc = tuple(int(part) for part in target.compiled.partition("gnu.")[2].split("."))
    assert libc <= targets.NEWEST_GLIBC
    for tag in python.TAGS:
        if tag.startswith("manylinux_"):
            assert tuple(int(part) for part in tag.split("_")[1:]) <= targets.NEWEST_GLIBC


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_packages_are_those_of_its_python(target: Target) -> None:
    chosen = pinned.requirements(target.markers)
    names = [line.partition("==")[0] for line in chosen]
    assert {"psutil", "pyinstaller", "pytest", "huggingface-hub"} <= {*names}
    assert not {"colorama", "pefile", "macholib", "ziglang", "llama-cpp-python"} & {*names}
    assert len(names) == len({*names}), "one version of each"


def test_the_archive_is_laid_out_so_that_each_file_finds_its_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python, "OUT", tmp_path)
    place = "org/bytedeco/cpython/linux-x86_64/"
    there = ["bin/python3.13", "libpython3.13.so.1.0", "libffi.so.7", "lib/python3.13/json/decoder.py"]
    left_out = [
        "bin/idle3",
        "libjnipython.so",
        "lib/python3.13/test/test_os.py",
        "include/python3.13/Python.h",
    ]
    jar = tmp_path / "python.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for name in (*there, *left_out):
            archive.writestr(place + name, name)
    python._unpack(X64, jar)
    folder = python.folder(X64)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files - {"lib/python3.13/LICENSE.txt"} == {
        "bin/python3.13",
        "lib/libpython3.13.so.1.0",
        "lib/python3.13/libffi.so.7",
        "lib/python3.13/json/decoder.py",
    }
    assert python.program(X64).stat().st_mode & 0o111 or platform.system() == "Windows"


def test_the_libraries_key_tells_targets_compilers_and_settings_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {libraries.key(X64), libraries.key(ARM64)}
    monkeypatch.setattr(wheel, "DEFINES", (*wheel.DEFINES, "-DGGML_OTHER=ON"))
    keys.add(libraries.key(X64))
    pins_of = libraries.pins.pinned
    monkeypatch.setattr(libraries.pins, "pinned", lambda names: [*pins_of(names), "ziglang==9"])
    keys.add(libraries.key(X64))
    assert len(keys) == 4


def test_all_that_a_build_is_given_is_in_its_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(libraries, "OUT", tmp_path / "out")
    monkeypatch.setattr(libraries, "compiler", lambda: tmp_path / "zig")
    monkeypatch.setattr(libraries.wheel, "build", lambda *args: given.append((args[1], args[-1])) or tmp_path)
    libraries._build(ARM64, tmp_path)
    settings, environment = libraries._settings, libraries._environment
    folder, zig, out = libraries.HERE.as_posix(), str(tmp_path / "zig"), str(tmp_path / "out")
    assert given == [(settings(ARM64, folder, zig), environment(ARM64, out))]

    keys = [libraries.key(ARM64)]
    monkeypatch.setattr(libraries, "HERE", tmp_path)  # another checkout
    assert libraries.key(ARM64) == keys[0]
    monkeypatch.setattr(libraries, "_settings", lambda *args: [*settings(*args), "-DGGML_OTHER=ON"])
    keys.append(libraries.key(ARM64))
    monkeypatch.setattr(libraries, "_environment", lambda *args: {**environment(*args), "CFLAGS": "-Os"})
    keys.append(libraries.key(ARM64))
    assert len({*keys}) == 3


@pytest.mark.parametrize("place", ["ALWAYS", "OPTIONS"])
def test_the_key_of_a_pack_changes_with_its_settings(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    before, changed = packs._key("vulkan", None), (*packs.ALWAYS, "-DGGML_OTHER=ON")
    monkeypatch.setattr(packs, place, changed if place == "ALWAYS" else {"vulkan": changed})
    assert packs._key("vulkan", None) != before


def elf(folder: Path, name: str, *versions: str) -> None:
    """A file that begins as a library and names these versions of glibc."""
    (folder / name).write_bytes(
        b"\x7fELF\0" + b"".join(b"\0" + version.encode() for version in versions) + b"\0"
    )


def test_what_the_program_needs_is_what_its_neediest_file_needs(tmp_path: Path) -> None:
    elf(tmp_path, "a.so", "GLIBC_2.2.5", "GLIBC_2.9", "GLIBC_2.30")
    elf(tmp_path, "b.so", "GLIBC_2.4", "GLIBCXX_3.4.32")
    (tmp_path / "c.py").write_bytes(b"\0GLIBC_2.99")
    assert bundle.needed_glibc(tmp_path) == {"a.so": (2, 30), "b.so": (2, 4)}
    assert bundle.glibc(tmp_path) == "2.30"
    programs.check(tmp_path)
    elf(tmp_path, "d.so", "GLIBC_2.34")
    with pytest.raises(Failed, match=r"d\.so needs glibc 2\.34; the newest allowed is 2\.31"):
        programs.check(tmp_path)


def test_a_runtime_names_a_target_and_a_form() -> None:
    assert suite.chosen("linux-arm64-onedir") == (ARM64, "onedir")
    assert suite.chosen("linux-x64-glibc2.31-onefile") == (X64, "onefile")
    assert suite.chosen("onedir") is None


def test_the_tests_of_a_target_run_in_its_debian_or_its_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(tools, "program", lambda name: f"/usr/bin/{name}")
    for module, name in ((suite.tools, "require"), (suite.provision, "everything"), (programs, "make")):
        monkeypatch.setattr(module, name, lambda *_, **__: None)
    monkeypatch.setattr(suite, "ensure", lambda _: None)

    def call(command: list[str], env: dict[str, str]) -> int:
        ran.append(([str(part) for part in command], env))
        return 0

    monkeypatch.setattr(suite, "call", call)
    assert suites.run(["--runtime=linux-x64-glibc2.31-onedir", "-k", "ping"])
    assert suites.run(["--runtime=linux-arm64-onefile", "tests/test_transcripts.py"])
    (in_debian, its_env), (in_emulator, slow_env) = ran
    name = "LLAMA_SIDECAR_TEST_WAIT_S"
    assert name not in its_env
    assert float(slow_env[name]) > WAIT_S
    assert its_env["LLAMA_SIDECAR_DIST"] == str(programs.dist(X64))
    assert {str(debian.IN_THE_ROOT), str(python.program(X64)), "--runtime=onedir", "-k", "ping"} <= {
        *in_debian
    }
    assert "tests/process/test_frozen.py" in in_debian
    assert {str(debian.OF_ANOTHER_PROCESSOR), "/usr/bin/qemu-aarch64", "--runtime=onefile"} <= {*in_emulator}
    assert str(python.program(ARM64)) not in in_emulator
    assert "tests/process/test_frozen.py" not in in_emulator
