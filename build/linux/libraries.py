"""llama.cpp's libraries by Zig's compiler: the wheel of llama-cpp-python for a target, kept in the cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import cache
import pins
from checkout import OUT, VENV, Failed
from linux.targets import Target
from llama import source, wheel

HERE: Final = Path(__file__).parent
TOOLCHAIN: Final = HERE / "zig.cmake"
VARIANTS: Final = HERE / "arm.cmake"


def key(target: Target) -> str:
    """The hash of everything that decides the wheel's content; where the checkout lies does not."""
    parts = [
        *_settings(target, "", ""),
        *map("=".join, _environment(target, "").items()),
        *(file.read_text(encoding="utf-8") for file in (wheel.INCLUDE, TOOLCHAIN, VARIANTS)),
        *pins.pinned([*pins.LLAMA_CPP, *pins.ZIG]),
        *wheel.DEFINES,
        os.environ.get("CMAKE_ARGS", ""),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def built(target: Target) -> Path:
    """The wheel, from the cache, or else built."""
    return cache.entry("linux-wheels", key(target), lambda into: _build(target, into))


def compiler() -> Path:
    """The folder of Zig, which this installs."""
    pins.install(pins.pinned(pins.ZIG), "Zig's compiler")
    found = next(VENV.glob("lib/python*/site-packages/ziglang"), None)
    if found is None:
        raise Failed("the package ziglang has no folder of its own in .venv.")
    return found


def _build(target: Target, into: Path) -> Path:
    print(f"Building llama.cpp for {target.name}: many minutes, once.", flush=True)
    tree = OUT / target.name / "llama.cpp"
    settings = _settings(target, HERE.as_posix(), str(compiler()))
    log = cache.folder() / "linux-wheels" / f"{key(target)}.log"
    made = wheel.build(tree / key(target), settings, into, log, _environment(target, str(OUT)))
    source.discard(tree)
    return made


def _settings(target: Target, recipes: str, zig: str) -> list[str]:
    """CMake's arguments, given this folder and that of the compiler."""
    return [
        f"-DCMAKE_TOOLCHAIN_FILE={recipes}/{TOOLCHAIN.name}",
        f"-DLLAMA_SIDECAR_ZIG={zig}/zig",
        f"-DLLAMA_SIDECAR_TARGET={target.compiled}",
        *([f"-DCMAKE_PROJECT_ggml_INCLUDE={recipes}/{VARIANTS.name}"] if target.machine == "aarch64" else []),
    ]


def _environment(target: Target, out: str) -> dict[str, str]:
    """What the build finds in its environment, given the folder of all that is made."""
    return {
        "ZIG_GLOBAL_CACHE_DIR": f"{out}/zig",
        "_PYTHON_HOST_PLATFORM": f"linux-{target.machine}",  # the wheel's name
    }


def add_terms(site_packages: Path) -> None:
    """Puts a text beside the libraries for what Zig links into each: its version in a line, then its licence."""
    (release,) = {requirement.split()[0].partition("==")[2] for requirement in pins.pinned(pins.ZIG)}
    parts = ("libcxx", "libcxxabi", "libunwind")
    texts = [(compiler() / "lib" / part / "LICENSE.TXT").read_text(encoding="utf-8") for part in parts]
    text = "\n".join([f"zig-{release}", *dict.fromkeys(texts)])
    (site_packages / "llama_cpp" / "lib" / "libc++.txt").write_text(text, encoding="utf-8")
