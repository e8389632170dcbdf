"""GPU packs: llama.cpp's backend for a GPU, one more library, built from the wheel's source with its settings.

It belongs into the folder of the frozen program's libraries; `pack` writes it to out/packs/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cache
import pins
from checkout import OUT, ROOT, VENV_BIN, Failed, environment, quietly
from llama import compiler, source, wheel

PACKS = OUT / "packs"
VULKAN = Path(__file__).with_name("vulkan.cmake")
OPTIONS = {
    "vulkan": ("-DGGML_VULKAN=ON", f"-DCMAKE_PROJECT_ggml_INCLUDE={VULKAN.as_posix()}"),
    "cuda": ("-DGGML_CUDA=ON", "-DCMAKE_CUDA_ARCHITECTURES=75-virtual;86-real;89-real"),
}
ALWAYS = (
    *("-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF"),
    *(f"-DLLAMA_BUILD_{part}=OFF" for part in ("TESTS", "TOOLS", "EXAMPLES", "SERVER")),
)
SUFFIXES = (".so", ".dll")


class Cross(NamedTuple):
    """How a pack is compiled for another system."""

    key: str
    """The hash of what it adds to the recipe."""
    defines: Callable[[Path], list[str]]
    """The CMake arguments, given a folder in which to put what they name."""


def build(backend: str, cross: Cross | None = None) -> None:
    """Builds the pack of a backend for this system or for another one, or takes it from the cache."""
    if backend not in OPTIONS:
        raise Failed(f"there is no pack {backend!r}, but {', '.join(OPTIONS)}.")
    made = cache.entry("packs", _key(backend, cross), lambda into: _build(backend, into, cross))
    PACKS.mkdir(parents=True, exist_ok=True)
    placed = Path(shutil.copy2(made, PACKS))
    print(
        f"{placed.relative_to(ROOT)}: {placed.stat().st_size / 1e6:.1f} MB, of llama.cpp {pins.llama_cpp_commit()}"
    )


def _key(backend: str, cross: Cross | None) -> str:
    recipe = [
        VULKAN.read_text(encoding="utf-8"),
        *(option.replace(VULKAN.parent.as_posix(), "") for option in (*OPTIONS[backend], *ALWAYS)),
    ]
    parts = [backend, wheel.key(), *recipe, sysconfig.get_platform(), *([cross.key] if cross else [])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _build(backend: str, into: Path, cross: Cross | None) -> Path:
    compiler.require()
    print(f"Building the {backend} backend: many minutes, once.", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        unpacked = llama_cpp(Path(temporary))
        output = Path(temporary) / "build"
        defines = [*wheel.defines(), *OPTIONS[backend], *ALWAYS]
        if cross is not None:
            needed = Path(temporary) / "needed"
            needed.mkdir()
            defines += cross.defines(needed)
        cmake = cmake_program()
        quietly([cmake, "-G", "Ninja", "-S", unpacked, "-B", output, *defines], "Configuring llama.cpp")
        target = ["--target", f"ggml-{backend}", "--parallel", str(os.cpu_count() or 1)]
        quietly([cmake, "--build", output, "--config", "Release", *target], f"Building the {backend} backend")
        names = [file for file in output.rglob(f"*ggml-{backend}*") if file.suffix in SUFFIXES]
        return Path(shutil.move(names[0], into))


def cmake_program() -> str:
    """CMake: the one on the PATH, else the one that `llama_cpp` installs."""
    return str(shutil.which("cmake", path=environment()["PATH"]) or VENV_BIN / "cmake")


def llama_cpp(folder: Path) -> Path:
    """Unpacks the pinned llama.cpp into a folder, and installs what builds it; returns its own folder."""
    pins.install(pins.pinned(pins.WHEEL_TOOLS), "the build tools")
    return source.unpack(folder) / "vendor" / "llama.cpp"
