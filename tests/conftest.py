"""What all tests share: the program in the runtime under test, and the pinned model."""

from __future__ import annotations

import gc
import os
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests"), str(ROOT / "build")]
from driver import Sidecar

import cache
from ship import freeze

COMPILED = ROOT / "tests" / "__pycache__"
MODEL = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"

REAL_IN = {"unit": False, "real": True}
"""Folders in which no test, or each, has a real model: the parts of `dev.py test` leave them out for that."""

Start = Callable[..., Sidecar]
Once = Callable[[str, Callable[[], Any]], Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--runtime",
        choices=("source", *freeze.PROGRAMS),
        default="source",
        help="which program the process, transcript and real-model tests run",
    )
    parser.addoption(
        "--pin", action="store_true", help="keep each worker of pytest-xdist to its share of the processors"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker of pytest-xdist processors of its own, if there are enough; its children inherit them.

    With `--pin`, several share one if there are not. A model's threads wait for each other: where they are more
    than the free processors, they are slower than one.
    """
    if sys.platform == "linux" and "PYTEST_XDIST_WORKER" in os.environ:
        worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        processors = sorted(os.sched_getaffinity(0))
        if workers <= len(processors) or config.getoption("--pin"):
            os.sched_setaffinity(0, processors[worker % len(processors) :: workers])


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Nothing that importing the tests makes is garbage; looking for some would take a fifth of that time.

    What deals out tests to workers of pytest-xdist collects none, and is not told that collecting has ended.
    """
    if session.config.pluginmanager.has_plugin("dsession"):
        return (yield)
    gc.disable()
    with _first_alone(session.config):
        return (yield)


@contextmanager
def _first_alone(config: pytest.Config) -> Iterator[None]:
    """If the tests are not compiled yet, one worker of pytest-xdist does it while the others wait.

    Compiling takes longer than importing, and each would do it.
    """
    with ExitStack() as held:
        if "PYTEST_XDIST_WORKER" in os.environ and not sys.dont_write_bytecode:
            folder = config._tmp_path_factory.getbasetemp().parent  # type: ignore[attr-defined]
            held.enter_context(cache.exclusive(folder / "compile.lock"))
            compiled = folder / "compiled"  # by the first one, or by an earlier run
            if compiled.exists() or any(COMPILED.glob("test_transcripts.*.pyc")):
                held.close()
            compiled.touch()
        yield


def pytest_collection_finish() -> None:
    """From now on there is garbage, but not among the tests."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Leave out those of other forms; mark those with a real model before some are picked by their marks.

    Then deal out the slow ones.
    """
    runtime = config.getoption("--runtime")
    others = [item for item in items if not _is_of(runtime, item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if _is_of(runtime, item)]
    for item in items:
        if isinstance(item, pytest.Function) and "model_path" in item.fixturenames:
            item.add_marker(pytest.mark.real)
        folder, real = item.nodeid.split("/")[1], item.get_closest_marker("real") is not None
        if real != REAL_IN.get(folder, real):
            raise pytest.UsageError(
                f"{item.nodeid}: each test in tests/real has the mark `real`, none in tests/unit"
            )
    yield
    if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
        items[:] = dealt(items, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


def _is_of(runtime: str, item: pytest.Item) -> bool:
    """Whether a test is one of this form of the program."""
    mark = item.get_closest_marker("form")
    if mark is None:
        return True
    if unknown := {*mark.args} - {"source", *freeze.PROGRAMS}:
        raise pytest.UsageError(f"{item.nodeid}: there is no form {', '.join(sorted(unknown))}")
    return runtime in mark.args


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """On Windows, tell how many tests were skipped for which reason: not all that Linux has is there."""
    if sys.platform != "win32":
        return
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    ran = sum(len(terminalreporter.stats.get(outcome, [])) for outcome in ("passed", "failed", "error"))
    share = 100 * len(skipped) / max(1, len(skipped) + ran)
    terminalreporter.write_sep("=", f"{len(skipped)} skipped, {share:.1f} %")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4}  {reason}")


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The items in another order: each worker of pytest-xdist gets a run of the list, and slow ones come first in it.

    Otherwise all workers would wait for the last one's slow tests.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    result: list[pytest.Item] = []
    for worker in range(workers, 0, -1):
        share = (len(items) - len(result)) // worker
        first = min(share, -(-len(slow) // worker))
        result += slow[:first] + others[: share - first]
        del slow[:first], others[: share - first]
    return result


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> list[str]:
    """The command line of the program under test."""
    runtime = request.config.getoption("--runtime")
    return [sys.executable, "-m", "sidecar"] if runtime == "source" else [str(frozen(runtime))]


def frozen(runtime: str) -> Path:
    """The frozen program in one of its forms."""
    path = freeze.PROGRAMS[runtime]
    assert path.is_file(), f"{path} is missing; run: python build/dev.py freeze"
    return path


@pytest.fixture(scope="session")
def model_path() -> str:
    """The pinned test model, a real one; dev.py fetches it."""
    assert MODEL.is_file(), f"{MODEL} is missing; run: python build/dev.py setup"
    return str(MODEL)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Computes a named result once for all workers of pytest-xdist: they share the folder above their own."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def compute_once(name: str, compute: Callable[[], Any]) -> Any:
        file = folder / f"{name}.pickle"
        with cache.exclusive(folder / f"{name}.lock"):
            if not file.exists():
                part = file.with_suffix(".part")  # a worker that crashes leaves no half of a result
                part.write_bytes(pickle.dumps(compute()))
                part.replace(file)
        return pickle.loads(file.read_bytes())

    return compute_once


@pytest.fixture
def start(program: list[str], tmp_path: Path) -> Iterator[Start]:
    """Start programs; whatever a test leaves running is ended, and none may leave a process behind."""
    started: list[Sidecar] = []

    def start_one(*arguments: str, **options: object) -> Sidecar:
        options.setdefault("stderr", tmp_path / f"stderr-{len(started)}.txt")
        started.append(Sidecar([*program, *arguments], **options))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    left = [sidecar.end() for sidecar in started]
    assert not any(left), f"processes were left behind: {left}"


@pytest.fixture
def sidecar(start: Start) -> Sidecar:
    """One running program."""
    return start()


@pytest.fixture(scope="module")
def loaded(
    program: list[str], model_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """A program with the model as model-1 and a context of two sequences as context-1, for a whole module."""
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("loaded") / "stderr.txt")
    sidecar.call("loadModel", {"path": model_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 1024, "sequences": 2})
    yield sidecar
    sidecar.end()
