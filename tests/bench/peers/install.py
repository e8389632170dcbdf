"""Builds and installs the peers, in the per-user cache, and finds them.

llama.cpp's tools are compiled from the source of the pinned wheel, which takes minutes; node-llama-cpp is the
prebuilt package from npm, which its users get. Without them the benchmark shows our own figures alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "build"))
import cache  # noqa: E402
from llama import packs  # noqa: E402

TOOLS = ("llama-bench", "llama-batched-bench", "llama-server")
NODE_LLAMA_CPP = "3.22.1"
PLATFORM_PACKAGE = {"linux": "linux-x64", "darwin": "mac-arm64-metal", "win32": "win-x64"}.get(sys.platform)


def prepare() -> None:
    """Build and install what is missing."""
    if any(not _built(name).is_file() for name in TOOLS):
        _build_tools(*TOOLS)
    folder = _node_folder()
    if not (folder / "node_modules").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"node-llama-cpp@{NODE_LLAMA_CPP}", f"@node-llama-cpp/{PLATFORM_PACKAGE}@{NODE_LLAMA_CPP}"]
        npm = shutil.which("npm") or "npm"
        subprocess.run(
            [npm, "install", "--ignore-scripts", "--omit=optional", *names], cwd=folder, check=True
        )


def tool(name: str) -> Path | None:
    """One of TOOLS, if it is there: in the folder $LLAMA_TOOLS or in the cache."""
    chosen = os.environ.get("LLAMA_TOOLS")
    program = Path(chosen) / "bin" / _exe(name) if chosen else _built(name)
    return program if program.is_file() else None


def server() -> Path:
    """llama-server, built if it is missing: $LLAMA_SERVER or the cache."""
    return _found_or_built("LLAMA_SERVER", "llama-server")


def media_tool() -> Path:
    """llama-mtmd-cli, built if it is missing: $LLAMA_MTMD_CLI or the cache."""
    return _found_or_built("LLAMA_MTMD_CLI", "llama-mtmd-cli")


def _found_or_built(variable: str, name: str) -> Path:
    program = Path(os.environ.get(variable, _built(name)))
    if not program.is_file():
        _build_tools(name)
    return program


def node_llama_cpp() -> Path | None:
    """Where node-llama-cpp is installed, if it is: $NODE_LLAMA_CPP or the cache."""
    folder = Path(os.environ.get("NODE_LLAMA_CPP", _node_folder()))
    return folder if (folder / "node_modules").is_dir() and shutil.which("node") else None


def _tools_folder() -> Path:
    return cache.folder() / "bench" / "llama-tools"


def _node_folder() -> Path:
    return cache.folder() / "bench" / f"node-llama-cpp-{NODE_LLAMA_CPP}"


def _built(name: str) -> Path:
    return _tools_folder() / "bin" / _exe(name)


def _build_tools(*targets: str) -> None:
    """Compile llama.cpp's tools from the pinned llama-cpp-python source, with the settings of the wheel."""
    folder = _tools_folder()
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    llama, cmake = packs.llama_cpp(source), packs.cmake_program()
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DLLAMA_BUILD_TESTS=OFF",
        "-DLLAMA_BUILD_EXAMPLES=OFF",
        "-DLLAMA_BUILD_UI=OFF",
        # As in the wheel. With OpenMP's threads llama-server is much slower when its clients share the processors.
        "-DGGML_OPENMP=OFF",
        f"-DCMAKE_PROJECT_INCLUDE={(HERE / 'llama_tools.cmake').as_posix()}",
    ]
    subprocess.run([cmake, "-S", str(llama), "-B", str(folder), *options], check=True)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(
        [cmake, "--build", str(folder), "--config", "Release", "-j", jobs, "--target", *targets], check=True
    )


def _exe(name: str) -> str:
    return f"{name}.exe" if sys.platform == "win32" else name
