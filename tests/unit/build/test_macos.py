"""The macOS program, as far as it can be checked elsewhere: what the recipe says there, and the order of signing."""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checkout import BUILD, Failed
from ship import bundle, signing

SPEC = BUILD / "ship" / "sidecar.spec"
IDENTITY = "Developer ID Application: Somebody"
ONE_FILE = "llama-sidecar-aarch64-apple-darwin"

Call = tuple[str, tuple[Any, ...], dict[str, Any]]  # what PyInstaller's classes take


def run_spec(monkeypatch: pytest.MonkeyPatch, platform: str) -> list[Call]:
    """Runs the recipe as on a platform, with PyInstaller's classes replaced by ones that note their arguments."""
    calls: list[Call] = []

    def noting(kind: str) -> Any:  # a class of PyInstaller
        def make(*arguments: Any, **options: Any) -> SimpleNamespace:  # whatever it takes
            calls.append((kind, arguments, options))
            toc = {"pure": [], "binaries": [("libssl.3.dylib", "/lib/libssl.3.dylib", "BINARY")]}
            empty = {"scripts": [], "datas": [], "dependencies": [("pyiboot01_bootstrap", "", "PYSOURCE")]}
            return SimpleNamespace(name=f"/dist/{options.get('name')}", **toc, **empty)

        return make

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(bundle, "describe", lambda *_: [])
    monkeypatch.setattr(bundle, "describe_one_file", lambda *_: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("LLAMA_SIDECAR_CODESIGN_IDENTITY", IDENTITY)
    monkeypatch.setenv("LLAMA_SIDECAR_ONE_FILE", ONE_FILE)
    names = {kind: noting(kind) for kind in ("Analysis", "PYZ", "EXE", "COLLECT")}
    places = {"SPECPATH": str(SPEC.parent), "workpath": "/work"}
    exec(compile(SPEC.read_text(encoding="utf-8"), SPEC, "exec"), {**places, **names})
    return calls


def test_both_programs_are_signed_with_the_identity_and_the_entitlements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = run_spec(monkeypatch, "darwin")
    programs = [options for kind, _, options in calls if kind == "EXE"]
    assert [options["name"] for options in programs] == ["llama-sidecar", ONE_FILE]
    for options in programs:
        assert options["codesign_identity"] == IDENTITY
        assert Path(options["entitlements_file"]) == signing.ENTITLEMENTS
        assert not options["upx"]
        assert options["console"]


@pytest.mark.parametrize(("platform", "stripped"), [("darwin", False), ("win32", False), ("linux", True)])
def test_what_is_signed_is_not_stripped(
    monkeypatch: pytest.MonkeyPatch, platform: str, stripped: bool
) -> None:
    calls = run_spec(monkeypatch, platform)
    assert {options["strip"] for kind, _, options in calls if kind in ("EXE", "COLLECT")} == {stripped}


def test_the_folders_libraries_are_signed_before_the_program_is_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = [kind for kind, _, _ in run_spec(monkeypatch, "darwin")]
    assert kinds == ["Analysis", "PYZ", "EXE", "COLLECT", "EXE"], "the one file takes what the folder has"


def test_the_entitlements_allow_what_ctypes_needs_and_no_more() -> None:
    allowed = plistlib.loads(signing.ENTITLEMENTS.read_bytes())
    assert allowed == {"com.apple.security.cs.allow-unsigned-executable-memory": True}


def program_folder(tmp_path: Path) -> Path:
    """A folder with what macOS' program has: libraries, a framework with its links, data."""
    folder = tmp_path / "llama-sidecar"
    framework = folder / "_internal" / "Python.framework"
    code = {
        folder / "llama-sidecar": b"\xcf\xfa\xed\xfe",
        folder / "_internal" / "libssl.3.dylib": b"\xcf\xfa\xed\xfe",
        folder / "_internal" / "llama_cpp" / "lib" / "libggml-metal.so": b"\xcf\xfa\xed\xfe",
        framework / "Versions" / "3.13" / "Python": b"\xca\xfe\xba\xbe",
        folder / "_internal" / "MANIFEST.json": b"{}",
        folder / "_internal" / "base_library.zip": b"PK\x03\x04",
    }
    for path, head in code.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + b"\0" * 60)
    return folder


def test_signing_goes_from_the_inside_out(tmp_path: Path) -> None:
    folder = program_folder(tmp_path)
    names = [path.relative_to(folder).as_posix() for path in signing.order(folder)]
    assert names == [
        "_internal/Python.framework/Versions/3.13/Python",
        "_internal/llama_cpp/lib/libggml-metal.so",
        "_internal/libssl.3.dylib",
        "llama-sidecar",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets no user make links")
def test_what_a_link_names_is_signed_once(tmp_path: Path) -> None:
    folder = program_folder(tmp_path)
    framework = folder / "_internal" / "Python.framework"
    (framework / "Versions" / "Current").symlink_to("3.13")
    (framework / "Python").symlink_to("Versions/Current/Python")
    (folder / "_internal" / "Python").symlink_to("Python.framework/Versions/3.13/Python")
    names = [path.name for path in signing.order(folder)]
    assert names.count("Python") == 1


def test_only_the_program_gets_entitlements_and_all_the_hardened_runtime(tmp_path: Path) -> None:
    *libraries, program = signing.commands(program_folder(tmp_path), IDENTITY)
    for command in (*libraries, program):
        assert command[command.index("--sign") + 1] == IDENTITY
        assert command[command.index("--options") + 1] == "runtime"
        assert "--timestamp" in command
    assert "--entitlements" in program
    assert not any("--entitlements" in command for command in libraries)


def test_a_folder_of_another_platform_is_refused(tmp_path: Path) -> None:
    folder = program_folder(tmp_path)
    (folder / "llama-sidecar").write_bytes(b"\x7fELF")
    with pytest.raises(Failed, match="no program of macOS"):
        signing.order(folder)
