"""The llama-cpp-python wheel, built from the pinned source once per user, and kept in the cache.

The package index has it as source only. `setup` needs the CPU variant of this processor, so it builds that one
alone; `freeze` needs all, and the build goes on where it stopped. The libraries have the same bytes either way.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import cache
import pins
from checkout import OUT, ROOT, TAIL_LINES, Failed, environment, quietly, tail
from llama import compiler, processors, source
from llama.progress import Progress

INCLUDE = Path(__file__).with_name("llama_cpp.cmake")
# llama.cpp has no variants for Windows on ARM: one library serves all.
_HAS_VARIANTS = not (sys.platform == "win32" and platform.machine().lower() == "arm64")
DEFINES = (
    # One build for every processor: the CPU backend is one library per generation, chosen at run time.
    "-DGGML_NATIVE=OFF",
    "-DGGML_BACKEND_DL=ON",
    *(["-DGGML_CPU_ALL_VARIANTS=ON"] if _HAS_VARIANTS else []),
    # Devices of other machines: a library that is loaded only on request.
    "-DGGML_RPC=ON",
    "-DGGML_RPC_RDMA=OFF",  # else it needs libibverbs on every machine, if the one that builds has it
    # OpenMP's threads fall far behind when another process, even our router, needs a core for a
    # moment: 37 against 217 tokens/s through the pipe on 2 cores. ggml's own threads do not.
    "-DGGML_OPENMP=OFF",
    "-DMTMD_VIDEO=OFF",  # else libmtmd hands what it cannot decode to an ffmpeg of the machine
    # Upstream's own install rules would put a second copy of everything atop site-packages.
    "-DCMAKE_INSTALL_BINDIR=llama_cpp/lib",
    "-DCMAKE_INSTALL_LIBDIR=llama_cpp/lib",
    "-DCMAKE_INSTALL_INCLUDEDIR=llama_cpp/include",
)

TREE = OUT / "llama.cpp"
"""Source and objects of a build that lacks some variants."""

_ERROR = re.compile(r"CMake Error|\berror:|^\s*FAILED:|\berror [A-Z]+\d+:")


def key(variant: str = "") -> str:
    """The hash of everything that decides the wheel's content; with one CPU variant, or all."""
    parts = [
        variant,
        *pins.pinned(pins.LLAMA_CPP),
        INCLUDE.read_text(encoding="utf-8"),
        *DEFINES,
        os.environ.get("CMAKE_ARGS", ""),
        sysconfig.get_platform(),
        *platform.libc_ver(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def defines() -> list[str]:
    """The CMake arguments of every build of llama.cpp that is shipped."""
    return [f"-DCMAKE_PROJECT_INCLUDE={INCLUDE.as_posix()}", *DEFINES]


def variant_to_build() -> str:
    """The CPU variant that `setup` builds; empty for all, if unknown or if all are in the cache."""
    return "" if cache.has("wheels", key()) else processors.variant()


def install(variant: str) -> None:
    """Puts the wheel into the virtual environment, building it first if the cache has none."""
    wheel = cache.entry("wheels", key(variant), lambda into: _build(variant, into))
    command = ["install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)]
    quietly(pins.pip_command(command), "Installing llama-cpp-python")


def _build(variant: str, into: Path) -> Path:
    compiler.require()
    which = f"for this processor ({variant})" if variant else "for every processor"
    print(f"Building llama-cpp-python {which}: some minutes, once.", flush=True)
    tree = TREE / key()
    made = build(
        tree, [f"-DLLAMA_SIDECAR_VARIANT={variant}"], into, cache.folder() / "wheels" / f"{key(variant)}.log"
    )
    if not variant:
        source.discard(TREE)
    return made


def build(
    tree: Path, settings: list[str], into: Path, log: Path, env: Mapping[str, str] | None = None
) -> Path:
    """Builds the wheel in a folder of source and objects, where it goes on from the last time; returns its path."""
    pins.install(pins.pinned(pins.WHEEL_TOOLS), "the build tools")
    package = source.tree(tree)
    # --no-cache-dir: the key of pip's cache ignores CMAKE_ARGS.
    command = ["wheel", "-v", "--no-deps", "--no-cache-dir", "--no-build-isolation", "--wheel-dir", str(into)]
    command += [
        "--config-settings",
        f"build-dir={tree / 'build'}",
        str(package),
    ]
    _run(pins.pip_command(command), [*defines(), *settings], log, env or {})
    return next(into.glob("*.whl"))


def _run(command: list[str | Path], defines: list[str], log: Path, env: Mapping[str, str]) -> None:
    """Runs the build with a progress line and its whole output in a log."""
    settings = {
        # The user's own come last, so that e.g. -DGGML_CUDA=ON builds for their GPU.
        "CMAKE_ARGS": shlex.join(defines) + f" {os.environ.get('CMAKE_ARGS', '')}",
        "GIT_CEILING_DIRECTORIES": str(OUT),  # or llama.cpp would record this checkout's commit as its own
        "CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1)),
        "PYTHONUNBUFFERED": "1",
        **env,
    }
    shown = Progress("Building llama-cpp-python")
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            shown.feed(line)
    shown.finish("done" if process.returncode == 0 else "failed")
    if process.returncode != 0:
        raise Failed(f"llama-cpp-python did not build; the whole log is {log}\n{_cause(log)}")


def _cause(log: Path) -> str:
    """The log around the first error: what follows it is long, and mostly about other files."""
    lines = log.read_text(encoding="utf-8").splitlines()
    first = next((number for number, line in enumerate(lines) if _ERROR.search(line)), None)
    return tail("\n".join(lines if first is None else lines[: first + TAIL_LINES]))
