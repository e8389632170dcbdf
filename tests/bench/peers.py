"""The peers, where they are there: llama.cpp's own tools from the same source, and node-llama-cpp.

`prepare` makes them, in the per-user cache: the tools compile for some minutes, node-llama-cpp's prebuilt
package comes from npm. Without them the benchmark shows our own figures alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "build"
sys.path.insert(0, str(BUILD))
import cache  # noqa: E402
from llama import packs  # noqa: E402

NODE_LLAMA_CPP = "3.22.1"
STREAM_PROMPT = 14
"""Tokens of the prompts with which streams begin; see ours.streams_tokens_a_second."""
PLATFORM_PACKAGE = {"linux": "linux-x64", "darwin": "mac-arm64-metal", "win32": "win-x64"}.get(sys.platform)


def tools_folder() -> Path:
    """Where llama-bench, llama-batched-bench and llama-server are, or will be."""
    return cache.folder() / "bench" / "llama-tools"


def node_folder() -> Path:
    """Where node-llama-cpp is installed, or will be."""
    return cache.folder() / "bench" / f"node-llama-cpp-{NODE_LLAMA_CPP}"


def prepare() -> None:
    """Build and install what is missing."""
    tools = ("llama-bench", "llama-batched-bench", "llama-server")
    if not all((tools_folder() / "bin" / _exe(tool)).is_file() for tool in tools):
        _build_tools(tools_folder(), *tools)
    if not (node_folder() / "node_modules").is_dir():
        node_folder().mkdir(parents=True, exist_ok=True)
        names = [f"node-llama-cpp@{NODE_LLAMA_CPP}", f"@node-llama-cpp/{PLATFORM_PACKAGE}@{NODE_LLAMA_CPP}"]
        npm = shutil.which("npm") or "npm"
        subprocess.run(
            [npm, "install", "--ignore-scripts", "--omit=optional", *names], cwd=node_folder(), check=True
        )


def server() -> Path:
    """llama-server, built if it is missing: $LLAMA_SERVER or the cache."""
    built = Path(os.environ.get("LLAMA_SERVER", tools_folder() / "bin" / _exe("llama-server")))
    if not built.is_file():
        _build_tools(tools_folder(), "llama-server")
    return built


def _build_tools(folder: Path, *targets: str) -> None:
    """Compile llama.cpp's tools from the pinned llama-cpp-python source, natively, as the wheel is."""
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    llama, cmake = packs.llama_cpp(source), packs.cmake_program()
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DLLAMA_BUILD_TESTS=OFF",
        "-DLLAMA_BUILD_EXAMPLES=OFF",
        "-DLLAMA_BUILD_UI=OFF",
        # As in the wheel: beside its clients, llama-server would fall far behind with OpenMP's threads.
        "-DGGML_OPENMP=OFF",
        # The wheel's own settings, so that both compute with the same instructions.
        f"-DCMAKE_PROJECT_INCLUDE={(HERE / 'llama_tools.cmake').as_posix()}",
    ]
    subprocess.run([cmake, "-S", str(llama), "-B", str(folder), *options], check=True)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(
        [cmake, "--build", str(folder), "--config", "Release", "-j", jobs, "--target", *targets], check=True
    )


def bare_loop(model: str, threads: int, generated: int, runs: int) -> dict[str, float]:
    """Tokens a second of bare_loop.py, `sampled` and `unsampled`."""
    command = [sys.executable, HERE / "bare_loop.py", model, str(threads), str(generated), str(runs)]
    figures: dict[str, float] = json.loads(_output(command))
    return figures


class Llama:
    """llama.cpp's own tools."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "bin"

    @classmethod
    def find(cls) -> Llama | None:
        """They, if they are there: $LLAMA_TOOLS or the cache."""
        folder = Path(os.environ.get("LLAMA_TOOLS", tools_folder()))
        return cls(folder) if (folder / "bin" / _exe("llama-batched-bench")).is_file() else None

    def bench(self, model: str, threads: int, prompts: Iterable[int], generated: int = 0) -> dict[int, float]:
        """Tokens a second by the length of the prompt, by llama-bench; under 0 those of `generated` tokens."""
        command = [self._bin / _exe("llama-bench"), "-m", model, "-t", str(threads), "-o", "json", "-r", "3"]
        command += ["-p", ",".join(map(str, prompts)), "-n", str(generated)]
        return {row["n_prompt"]: row["avg_ts"] for row in json.loads(_output(command))}

    def batched(self, model: str, threads: int, streams: Iterable[int], generated: int) -> dict[int, float]:
        """Tokens a second of all streams together by their number, by llama-batched-bench.

        As everybody's are counted: of several streams over the whole time, with the prompts in it, which on a
        slow processor are a tenth of it; of one from its first token to its last.
        """
        command = [self._bin / _exe("llama-batched-bench"), "-m", model, "-t", str(threads), "-c", "16384"]
        command += ["-npp", str(STREAM_PROMPT), "-ntg", str(generated), "-npl", ",".join(map(str, streams))]
        lines = _output([*command, "--output-format", "jsonl"]).splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        return {
            row["pl"]: row["speed_tg"] if row["pl"] == 1 else row["pl"] * row["tg"] / row["t"] for row in rows
        }


def find_server() -> Path | None:
    """llama-server, if it is there: $LLAMA_SERVER, or beside the other tools."""
    beside = Path(os.environ.get("LLAMA_TOOLS", tools_folder())) / "bin" / _exe("llama-server")
    program = Path(os.environ.get("LLAMA_SERVER", beside))
    return program if program.is_file() else None


class NodeLlamaCpp:
    """The library that an Electron developer would use instead."""

    @classmethod
    def find(cls) -> NodeLlamaCpp | None:
        """It, if it is there: $NODE_LLAMA_CPP or the cache."""
        folder = Path(os.environ.get("NODE_LLAMA_CPP", node_folder()))
        return cls(folder) if (folder / "node_modules").is_dir() and shutil.which("node") else None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def modules(self) -> Path:
        """Where it and all that it needs is installed."""
        return self._folder / "node_modules"

    def measure(self, model: str, threads: int, **task: Any) -> dict[str, Any]:
        """One run of node_llama_cpp.mjs: see there for the tasks and the figures."""
        script = HERE / "node_llama_cpp.mjs"
        command = ["node", script, self._folder, model, str(threads)]
        figures: dict[str, Any] = json.loads(_output(command, json.dumps(task)).splitlines()[-1])
        return figures


def _output(command: list[Any], said: str = "") -> str:
    words = [str(part) for part in command]
    run = subprocess.run(words, input=said, capture_output=True, text=True, timeout=900)
    if run.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} ended with {run.returncode}: {run.stderr[-500:]}")
    return run.stdout


def _exe(name: str) -> str:
    return f"{name}.exe" if sys.platform == "win32" else name
