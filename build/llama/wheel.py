"""The llama-cpp-python wheel, built from the pinned source for every processor of this platform, once a user.

The package index has it as source only. What is built here is what the frozen program ships.
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
from pathlib import Path

import cache
import pins
from checkout import ROOT, TAIL_LINES, Failed, environment, quietly, tail
from llama import compiler
from llama.progress import Progress

INCLUDE = Path(__file__).with_name("llama_cpp.cmake")
# Upstream knows no variants for Windows on ARM: one library for all there.
_HAS_VARIANTS = not (sys.platform == "win32" and platform.machine().lower() == "arm64")
DEFINES = (
    # One build for every processor: the CPU backend is a library a generation, chosen when the program runs.
    "-DGGML_NATIVE=OFF",
    "-DGGML_BACKEND_DL=ON",
    *(["-DGGML_CPU_ALL_VARIANTS=ON"] if _HAS_VARIANTS else []),
    # Devices of other machines: a library that is loaded only where they are asked for.
    "-DGGML_RPC=ON",
    "-DGGML_RPC_RDMA=OFF",  # else it needs libibverbs on every machine, if the one that builds has it
    # OpenMP's threads fall far behind when another process, were it only our router, wants a core for a
    # moment: 37 against 217 tokens/s through the pipe on 2 cores. ggml's own threads do not.
    "-DGGML_OPENMP=OFF",
    "-DLLAVA_BUILD=OFF",  # mtmd: images and sound, which the text bindings never load
    # Upstream's own install rules would put a second copy of everything atop site-packages.
    "-DCMAKE_INSTALL_BINDIR=llama_cpp/lib",
    "-DCMAKE_INSTALL_LIBDIR=llama_cpp/lib",
    "-DCMAKE_INSTALL_INCLUDEDIR=llama_cpp/include",
)

_ERROR = re.compile(r"CMake Error|\berror:|^\s*FAILED:|\berror [A-Z]+\d+:")


def key() -> str:
    """Names everything that decides what the wheel contains."""
    parts = [
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


def install() -> None:
    """Puts the wheel into the virtual environment, building it first if the cache has none."""
    wheel = cache.entry("wheels", key(), _build)
    command = ["install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)]
    quietly(pins.pip_command(command), "Installing llama-cpp-python")


def _build(into: Path) -> Path:
    compiler.require()
    print("Building llama-cpp-python: some minutes, once.", flush=True)
    pins.install(pins.pinned(pins.WHEEL_TOOLS), "the build tools")
    requirement = into / "requirements.txt"
    requirement.write_text("\n".join(pins.pinned(pins.LLAMA_CPP)), encoding="utf-8")
    # --no-cache-dir: pip's cache has no room for CMAKE_ARGS in its key.
    command = ["wheel", "-v", "--no-cache-dir", "--no-build-isolation", "--no-binary", ":all:"]
    command += ["--wheel-dir", str(into)]
    log = cache.folder() / "wheels" / f"{key()}.log"
    _run(pins.pip_command([*command, *pins.hashed(requirement)]), log)
    requirement.unlink()
    return next(into.glob("*.whl"))


def _run(command: list[str | Path], log: Path) -> None:
    """Runs the build with a progress line and its whole output in a log."""
    settings = {
        # The person's own come last, so that e.g. -DGGML_CUDA=ON builds for their GPU.
        "CMAKE_ARGS": shlex.join(defines()) + f" {os.environ.get('CMAKE_ARGS', '')}",
        "CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1)),
        "PYTHONUNBUFFERED": "1",
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
    """The lines from the first error on: what follows it is long, and mostly other files' commands."""
    lines = log.read_text(encoding="utf-8").splitlines()
    first = next((number for number, line in enumerate(lines) if _ERROR.search(line)), None)
    return tail("\n".join(lines if first is None else lines[: first + TAIL_LINES]))
