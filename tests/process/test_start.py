"""The modules that each role may import before its first answer, so that a slow import is noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from driver import Sidecar
from late_log import wait_log
from process_work import load

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import startup

pytestmark = pytest.mark.process

OURS = {
    "sidecar",
    "sidecar.options",
    *(
        f"sidecar.message_handler{name}"
        for name in ("", "._wire", ".errors", ".framing", ".log", ".notifier")
    ),
    *(f"sidecar.message_handler.{name}" for name in ("reader", "stdio", "validation", "writer")),
    *(f"sidecar.worker{name}" for name in ("", ".idle", ".intake", ".ledger", ".lifecycle", ".methods")),
    *(
        f"sidecar.worker.{name}"
        for name in ("exit_status", "one_file", "outcome", "pool", "process", "router", "supervisor")
    ),
}
"""To add one, see first that it imports nothing slow: `python build/dev.py bench --startup`."""

ENGINE = {
    *("sidecar", "sidecar.options"),
    *(
        f"sidecar.message_handler{name}"
        for name in ("", "._wire", ".errors", ".framing", ".log", ".notifier", ".reader", ".stdio", ".writer")
    ),
    *(
        f"sidecar.core{name}"
        for name in (
            *("", ".crash", ".engine", ".engine_process", ".jobs"),
            *(".methods", ".methods.init", ".preparation"),
        )
    ),
    *(
        f"sidecar.core.llama{name}"
        for name in (
            "",
            ".backends",
            ".bindings",
            ".cpu_backend",
            ".devices",
            ".ggml",
            ".log",
            ".rpc",
            ".time_slice",
        )
    ),
    *(("sidecar.core.preload",) if sys.platform == "win32" else ()),
}
"""Until it is ready. It imports the rest while the app reads the answer to `init`."""

STANDARD = {
    *("collections", "collections.abc", "contextlib", "copyreg", "enum", "functools", "heapq", "importlib"),
    *("importlib.machinery", "importlib.util", "itertools", "json", "json.decoder", "json.encoder"),
    *("json.scanner", "keyword", "math", "operator", "queue", "re", "re._casefix", "re._compiler"),
    *("re._constants", "re._parser", "reprlib", "runpy", "select", "signal", "sre_compile", "sre_constants"),
    *("sre_parse", "threading", "types", "typing", "warnings"),
    *(
        ("fcntl", "locale", "subprocess") if sys.platform == "win32" else ()
    ),  # on a thread; fcntl is not there
}
"""From the standard library of Python 3.10 to 3.13: all that json, queue and typing import. dataclasses and argparse
would take 35 ms more on a slow machine."""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    found = set(startup.router_imports())
    assert "sidecar.worker.router" in found
    return found


def test_only_these_modules_of_the_program_are_imported(imported: set[str]) -> None:
    found = {name for name in imported if name.partition(".")[0] == "sidecar"}
    assert not found - OURS
    # On Windows a thread imports beside, and two lines of Python's list may be mixed.
    assert len(OURS - found) <= (1 if sys.platform == "win32" else 0), OURS - found


def test_no_module_of_other_packages_is_imported(imported: set[str]) -> None:
    tops = {name.partition(".")[0] for name in imported}
    assert tops - {"sidecar", "org"} <= set(sys.stdlib_module_names)  # org: Jython's, looked for by copy


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the list is of Python 3.10 to 3.13")
def test_only_these_modules_of_the_standard_library_are_imported(imported: set[str]) -> None:
    """Built-in modules cost nothing, and private ones come with a public one: both are left out."""
    standard = {name for name in imported if name.partition(".")[0] in sys.stdlib_module_names}
    public = {name for name in standard if not name.startswith("_") and not name.startswith("importlib._")}
    assert public - set(sys.builtin_module_names) - STANDARD == set()


def test_an_engine_is_ready_before_it_has_imported_what_answers_requests() -> None:
    found = set(startup.engine_imports())
    assert {name for name in found if name.partition(".")[0] == "sidecar"} == ENGINE
    assert "llama_cpp.llama_cpp" in found
    assert not found & {"argparse", "dataclasses", "inspect", "numpy", "jinja2", "jsonschema", "asyncio"}


@pytest.mark.real
def test_a_run_without_errors_imports_nothing_slow(model_path: str, tmp_path: Path) -> None:
    """Each of these took 1 to 7 MB of the router and up to 130 ms of a first load."""
    command = [sys.executable, "-X", "importtime", "-m", "sidecar"]
    sidecar = Sidecar(command, stderr=tmp_path / "imports.txt")
    try:
        sidecar.call("init")
        load(sidecar, model_path, contextSize=256)
        asked = {"messages": [{"role": "user", "content": "Hi"}], "maxTokens": 2}
        sidecar.call("chat", {"contextId": "context-1", **asked})
        # Imported last, beside the requests: to note when the model was used.
        log = wait_log(sidecar, lambda log: "sidecar.models.store.store" in startup.told(log))
    finally:
        sidecar.end()
    found = set(startup.told(log))
    assert {"sidecar.models.store.store", "sidecar.message_handler.fast_check"} <= found
    slow = {"argparse", "dataclasses", "hashlib", "inspect", "jsonschema", "psutil", "shutil", "urllib.parse"}
    assert not found & slow
