"""A program with the real model and one with a made model for all of these tests, and the results of plain loops."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from conftest import Once
from driver import Sidecar
from process_work import EXACT, made_contexts

SIZE = 1024
"""Tokens that a sequence of the contexts holds."""


@pytest.fixture(scope="session")
def real(program: list[str], model_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """A program with model-1, context-1 (one sequence) and context-2 (four), whose engine must survive."""
    yield from ready(Sidecar(program, stderr=tmp_path_factory.mktemp("real") / "stderr.txt"), model_path)


@pytest.fixture(scope="session")
def made(program: list[str], made_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """The same with a made model, for tests in which words do not matter; its tokens take no time."""
    yield from ready(
        Sidecar(program, stderr=tmp_path_factory.mktemp("made") / "stderr.txt"), made_path, **EXACT
    )


@pytest.fixture(scope="session")
def worded(
    program: list[str], worded_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """The same with a made model that has the real one's vocabulary, for what depends on tokens and not on sense."""
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("worded") / "stderr.txt")
    yield from ready(sidecar, worded_path, **EXACT)


@pytest.fixture(scope="session")
def worded_path(model_path: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """That model."""
    return gguf_files.worded_model(tmp_path_factory.mktemp("worded") / "worded.gguf", model_path)


@pytest.fixture(scope="session")
def made_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A made model: a token is a byte, and it says characters of ASCII without an end."""
    return gguf_files.ascii_model(tmp_path_factory.mktemp("made") / "made.gguf")


def ready(sidecar: Sidecar, path: str, **params: Any) -> Iterator[Sidecar]:
    """Prepare a program for all tests, and see at their end that it is as it was."""
    sidecar.call("loadModel", {"path": path})
    own = {"modelId": "model-1", "contextSize": SIZE, **params}
    sidecar.call("createContext", own)
    sidecar.call("createContext", {**own, "sequences": 4})
    engines = sidecar.engines()
    yield sidecar
    assert sidecar.engines() == engines, "a test cost the engine"
    assert sidecar.call("status")["requests"] == []
    assert [context["contextId"] for context in sidecar.call("status")["contexts"]] == [
        "context-1",
        "context-2",
    ]
    log = sidecar.log()
    assert not sidecar.end()
    assert "traceback" not in log, log


@pytest.fixture
def fresh(real: Sidecar) -> Iterator[Callable[..., str]]:
    """Makes contexts with nothing in their caches, for one test."""
    with made_contexts(real, contextSize=SIZE) as make:
        yield make


@pytest.fixture
def anew(made: Sidecar) -> Iterator[Callable[..., str]]:
    """Makes contexts of the made model for one test."""
    with made_contexts(made, contextSize=SIZE, **EXACT) as make:
        yield make


@pytest.fixture
def worded_anew(worded: Sidecar) -> Iterator[Callable[..., str]]:
    """Makes contexts of the worded model for one test."""
    with made_contexts(worded, contextSize=SIZE, **EXACT) as make:
        yield make


def chatml(*turns: tuple[str, str]) -> str:
    """A conversation as SmolLM2's template writes it, with the opening of the assistant's turn."""
    return (
        "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"
    )


SYSTEM = ("system", "You are a helpful AI assistant named SmolLM, trained by Hugging Face")

LONG = " ".join(f"Item {number} costs {number * 3} dollars." for number in range(1, 56))
"""A prompt of more than 520 tokens, which is more than one batch holds."""

PROMPTS: dict[str, tuple[str, int]] = {
    "story": ("Once upon a time", 16),
    "capital": ("The capital of France is", 16),
    "count": ("1, 2, 3, 4, 5,", 30),
    "alphabet": ("The alphabet: a b c d e f g", 19),
    "faces": ("😀😁😂🤣😃😄😅😆" * 3, 18),
    "letters and faces": ("A😀B😀C😀D😀E😀F😀G😀H😀", 32),
    "foxes": ("🦊🦝" * 6, 20),
    "japanese": ("日本語の文章です。日本語の文章です。", 18),
    "chinese": ("漢字" * 7, 18),
    "code": ("def add(a, b):\n    return a + b\n\ndef sub(a, b):\n    return", 18),
    "long": (LONG, 4),
    "chat": (chatml(SYSTEM, ("user", "Hi")), 20),
    "chat count": (chatml(SYSTEM, ("user", "Count from 1 to 20.")), 30),
}
"""Name → prompt, tokens to generate."""


@dataclass
class Plain:
    """The plain loop's result for a prompt."""

    prompt: list[int]
    tokens: list[int]
    pieces: list[bytes]
    margins: list[float]
    ended: bool

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode("utf-8", "replace")


@pytest.fixture(scope="session")
def plain(real: Sidecar, model_path: str, once: Once) -> dict[str, Plain]:
    """Name → the plain loop's result for each of PROMPTS, with context parameters like the program's."""
    jobs = {name: list(job) for name, job in PROMPTS.items()}
    found = once("plain", lambda: list(map(vars, run_plain(model_path, jobs, threads_of(real)).values())))
    return {name: Plain(**each) for name, each in zip(jobs, found, strict=True)}


@pytest.fixture(scope="session")
def plain_of_made(made_path: str) -> Plain:
    """The plain loop's result for the prompt "count" with the made model."""
    return run_plain(made_path, {"it": list(PROMPTS["count"])}, threads=1, exact=True)["it"]


@pytest.fixture(scope="session")
def plain_loop(real: Sidecar, model_path: str) -> Callable[..., Plain]:
    """Runs a plain loop for a prompt: (prompt, tokens to generate, pairs of adapter and scale)."""

    def run(prompt: str, tokens: int, adapters: list[tuple[str, float]]) -> Plain:
        return run_plain(model_path, {"it": [prompt, tokens]}, threads_of(real), adapters)["it"]

    return run


def threads_of(sidecar: Sidecar) -> int:
    """Compute threads of the program's contexts."""
    threads: int = sidecar.call("init")["threads"]
    return threads


def run_plain(
    model_path: str,
    jobs: dict[str, list[Any]],
    threads: int,
    adapters: list[tuple[str, float]] | None = None,
    size: int = SIZE,
    ignore_eos: bool = False,
    exact: bool = False,
) -> dict[str, Plain]:
    """Run plain_loop.py for these prompts (text or tokens, tokens to generate)."""
    order = {
        "model": model_path,
        "contextSize": size,
        "sequences": 1,
        "batchSize": 512,
        "threads": threads,
        "adapters": adapters or [],
        "ignoreEos": ignore_eos,
        "exact": exact,
        "jobs": [{"prompt": prompt, "maxTokens": tokens} for prompt, tokens in jobs.values()],
    }
    script = Path(__file__).parents[1] / "support" / "plain_loop.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(order).encode(),
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    results = json.loads(done.stdout)
    for result in results:
        result["pieces"] = [bytes.fromhex(piece) for piece in result["pieces"]]
    return {name: Plain(**result) for name, result in zip(jobs, results, strict=True)}


def run_chains(model_path: str, jobs: list[dict[str, Any]], exact: bool = False) -> list[dict[str, Any]]:
    """Run plain_chain.py for these jobs."""
    order = {"model": model_path, "contextSize": SIZE, "exact": exact, "jobs": jobs}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "support" / "plain_chain.py")],
        input=json.dumps(order).encode(),
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)  # type: ignore[no-any-return]


POOLINGS = {"none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
Vectors = list[list[list[float]]]
"""The vectors of each text."""


def plain_vectors(model_path: str, pooling: str, texts: list[list[int]], exact: bool = False) -> Vectors:
    """The result of plain_vectors.py for the texts."""
    return all_plain_vectors(model_path, [pooling], texts, exact)[pooling]


def all_plain_vectors(
    model_path: str, poolings: list[str], texts: list[list[int]], exact: bool = False
) -> dict[str, Vectors]:
    """The same for several poolings: the model is loaded once."""
    numbers = [POOLINGS[pooling] for pooling in poolings]
    order = {"model": model_path, "poolings": numbers, "texts": texts, "exact": exact}
    script = Path(__file__).parents[1] / "support" / "plain_vectors.py"
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(order).encode(), capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    return dict(zip(poolings, json.loads(done.stdout), strict=True))
