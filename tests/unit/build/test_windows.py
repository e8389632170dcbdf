"""The Windows program as it is made on Linux: what can be checked without Wine and a cross-compiler."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

import suites
from checkout import NPM_PACKAGE, ROOT, Failed
from foreign import pinned
from ship import components, npm
from windows import libraries, node, python, suite, tools, vulkan, wine


def test_what_is_missing_is_named_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("wine", "mvn") else f"/usr/bin/{name}")
    with pytest.raises(Failed, match=r"apt-get install wine maven$"):
        tools.require()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    tools.require()


def test_the_packages_are_those_of_windows_and_its_python() -> None:
    chosen = pinned.requirements(python.MARKERS)
    names = [line.partition("==")[0] for line in chosen]
    assert {"colorama", "pefile", "psutil", "pyinstaller", "pytest"} <= {*names}
    assert not {
        "macholib",
        "exceptiongroup",
        "httpx2-jsfetch",
        "mypy",
        "numpy",
        "llama-cpp-python",
        "cmake",
    } & {*names}
    assert len(names) == len({*names}), "one version of each"
    assert all(";" not in line and line.count("--hash=sha256:") for line in chosen)


def test_the_archive_is_laid_out_as_an_installation() -> None:
    names = (
        "python.exe",
        "python313.dll",
        "jnipython.dll",
        "include/abstract.h",
        "lib/os.py",
        "lib/json/decoder.py",
    )
    names += (
        "lib/_ssl.pyd",
        "lib/libssl-3.dll",
        "lib/vcruntime140.dll",
        "lib/_wmi.pyd",
        "lib/test/test_os.py",
    )
    laid = dict(python._places([python.INSIDE + name for name in names]))
    assert {name.removeprefix(python.INSIDE): place for name, place in laid.items()} == {
        "python.exe": "python.exe",
        "python313.dll": "python313.dll",
        "lib/os.py": "Lib/os.py",
        "lib/json/decoder.py": "Lib/json/decoder.py",
        "lib/_ssl.pyd": "DLLs/_ssl.pyd",
        "lib/libssl-3.dll": "DLLs/libssl-3.dll",
        "lib/vcruntime140.dll": "vcruntime140.dll",
    }


def test_a_wheel_lists_its_files_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    made, package = tmp_path / "made", tmp_path / "package"
    (made / "llama_cpp" / "lib").mkdir(parents=True)
    (made / "llama_cpp" / "lib" / "ggml.dll").write_bytes(b"MZ")
    package.mkdir()
    (package / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 1.2.3\n", encoding="utf-8"
    )
    (package / "LICENSE.md").write_text("MIT", encoding="utf-8")
    wheels_made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        wheels_made.append(libraries._pack(made, package, tmp_path / name))
    first, second = wheels_made
    assert first.name == "llama_cpp_python-1.2.3-py3-none-win_amd64.whl"
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        record = archive.read("llama_cpp_python-1.2.3.dist-info/RECORD").decode().splitlines()
        assert [line.partition(",")[0] for line in record] == archive.namelist()
        (library,) = (line for line in record if line.startswith("llama_cpp/lib/ggml.dll"))
    digest = urlsafe_b64encode(hashlib.sha256(b"MZ").digest()).rstrip(b"=").decode()
    assert library == f"llama_cpp/lib/ggml.dll,sha256={digest},2"


@pytest.mark.parametrize("library", [*libraries.RUNTIME, "msvcp140.dll", "zlib1.dll", "vcruntime140_1.dll"])
def test_each_dll_of_a_compiler_or_of_python_has_its_licence(library: str, tmp_path: Path) -> None:
    found = components.system_library(library, tmp_path / library)
    assert found.licence and library not in found.version


def test_a_dll_of_the_cross_compiler_brings_its_own_licence(tmp_path: Path) -> None:
    source = tmp_path / "libgcc_s_seh-1.dll"
    (tmp_path / "libgcc_s_seh-1.dll.txt").write_text("12.2.0\nThe terms.\n", encoding="utf-8")
    found = components.system_library(source.name, source)
    assert (found.name, found.version, found.text) == ("gcc", "12.2.0", "The terms.\n")
    assert found in set(components.components([(f"llama_cpp\\lib\\{source.name}", str(source), "BINARY")]))


def test_the_npm_package_for_windows_has_the_exe(tmp_path: Path) -> None:
    program = tmp_path / "llama-sidecar-x86_64-pc-windows-msvc.exe"
    program.write_bytes(b"MZ")
    folder = npm.platform_package(program, tmp_path / "npm", ("win32", "x64"))
    assert folder.name == "win32-x64" and (folder / "llama-sidecar.exe").read_bytes() == b"MZ"
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert (manifest["os"], manifest["cpu"], manifest.get("libc")) == (["win32"], ["x64"], None)


def test_a_file_of_linux_has_a_name_in_wine() -> None:
    assert wine.windows_path(Path("/a b/ü/c.gguf")) == "Z:\\a b\\ü\\c.gguf"


def test_from_source_each_suite_is_a_part_and_no_test_runs_twice() -> None:
    assert list(suite.parts("source", suites.OF_A_FORM, ["-x"])) == [
        *(f"pytest in Wine, {name}" for name in (*suite.FROM_SOURCE, "the rest of a form"))
    ]
    assert list(suite.parts("source", suites.OF_A_FORM, ["tests/unit", "-x"])) == [
        "pytest in Wine, windows-source"
    ]
    assert len(suite.parts("source", suites.OF_A_FORM, ["-k", "ping"])) > len(suite.FROM_SOURCE)
    assert list(suite.parts("onefile", suites.OF_A_FORM, [])) == ["pytest in Wine, windows-onefile"]


def test_the_npm_tests_run_beside_those_of_the_folder_and_their_output_is_kept(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    at_once = threading.Barrier(2, timeout=60)

    def npm_tests(output: IO[bytes]) -> bool:
        at_once.wait()
        return output.write(b"words of npm") > 0

    prepared: list[str] = []
    monkeypatch.setattr(suite, "prepare", prepared.append)
    monkeypatch.setattr(suite, "_run", lambda *_: at_once.wait() >= 0)
    monkeypatch.setattr(node, "test", npm_tests)
    assert suites.run(["--runtime=windows-onedir"])
    assert prepared == ["onedir"] and b"words of npm" in capfdbinary.readouterr().out
    at_once = threading.Barrier(1)
    assert suites.run(["--runtime=windows-onefile", "--unpacking"])
    assert suites.run(["--runtime=windows-source"])
    assert suites.run(["--runtime=windows-onedir", "tests/process/test_start.py"])


def test_what_an_emulator_of_linux_tests_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []
    monkeypatch.setattr(suite, "_run", lambda _, arguments: ran.extend(arguments))
    suite.parts("onefile", suites.OF_A_FORM, ["-x"])["pytest in Wine, windows-onefile"]()
    assert suite.OF_LINUX in suites.OF_A_FORM and (ROOT / suite.OF_LINUX).is_file()
    assert ran == ["-x", *(test for test in suites.OF_A_FORM if test != suite.OF_LINUX)]


def test_the_npm_tests_of_windows_are_files_of_the_package() -> None:
    assert all((NPM_PACKAGE / "test" / f"{name}.test.mjs").is_file() for name in node.TESTS)


def test_a_pack_for_windows_sees_only_the_headers_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    core = tmp_path / "include" / "vulkan" / "vulkan_core.h"
    core.parent.mkdir(parents=True)
    core.write_text(
        "VKAPI_ATTR VkResult VKAPI_CALL vkB(VkDevice device);\nVKAPI_ATTR void VKAPI_CALL vkA(\n",
        encoding="ascii",
    )
    for name in ("vk_video", "spirv", "linux"):
        (tmp_path / "include" / name).mkdir()
    commands: list[list[object]] = []
    monkeypatch.setattr(vulkan, "HEADERS", tmp_path / "include")
    monkeypatch.setattr(vulkan, "quietly", lambda command, _: commands.append(command))
    needed = tmp_path / "needed"
    needed.mkdir()

    defines = vulkan._defines(needed)

    assert sorted(path.name for path in (needed / "headers").iterdir()) == ["spirv", "vk_video", "vulkan"]
    assert (needed / "vulkan-1.def").read_text() == "LIBRARY vulkan-1.dll\nEXPORTS\nvkA\nvkB\n"
    assert [str(part) for part in commands[0][1:]] == [
        *("--input-def", str(needed / "vulkan-1.def")),
        *("--output-lib", str(needed / "libvulkan-1.a")),
    ]
    assert f"-DVulkan_LIBRARY={needed / 'libvulkan-1.a'}" in defines
    (tmp_path / "include" / "spirv").rmdir()
    shutil.rmtree(needed / "headers")
    with pytest.raises(Failed, match="apt-get install libvulkan-dev spirv-headers glslc"):
        vulkan._defines(needed)


@pytest.fixture
def as_wine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put a shell script in the place of Wine and its server."""
    monkeypatch.setattr(wine, "environment", lambda: {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(wine, "DRAIN_SECONDS", 1.0)

    def make(script: str) -> None:
        for name in ("wine", "wineserver"):
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (tmp_path / name).chmod(0o755)

    return make


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand for Wine")


@posix_only
@pytest.mark.parametrize("status", [0, 3])
def test_services_of_wine_that_keep_the_output_open_are_not_waited_for(
    as_wine: Callable[[str], None], tmp_path: Path, status: int
) -> None:
    as_wine(f'sleep 60 & echo $! > "{tmp_path / "pid"}"; echo $1; exit {status}')
    try:
        if status:
            with pytest.raises(Failed, match=r"(?s)it failed in Wine \(exit status 3\).*program"):
                wine.quietly(["program"], "it")
        else:
            assert wine.quietly(["program"], "it") == "program\n"
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)  # fails if it was waited for


@posix_only
def test_a_program_that_hangs_in_wine_is_ended_after_its_time(
    as_wine: Callable[[str], None], tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    end = f'until [ -s "{pid}" ]; do sleep 0.01; done; kill $(cat "{pid}"); exit'
    as_wine(f'if [ "$1" = -k ]; then {end}; fi; echo $$ > "{pid}"; exec sleep 60')
    assert wine.call(["program"], {}, 0.3) != 0
