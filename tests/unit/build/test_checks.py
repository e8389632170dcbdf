"""Each rule of the tree finds what breaks it, in trees made for it, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import checks

Files = dict[str, str]


def found(root: Path, files: Files) -> list[str]:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return checks.tree_violations(root)


def test_a_tree_without_violations(tmp_path: Path) -> None:
    files = {
        "sidecar/__init__.py": "",
        "sidecar/hardware/memory.py": "from sidecar.message_handler import log",
        "sidecar/message_handler/log.py": "import json",
        "sidecar/core/llama/bindings.py": "import llama_cpp",
        "build/tool.py": "import llama_cpp",
    }
    assert found(tmp_path, files) == []


@pytest.mark.parametrize(
    "text",
    [
        "import llama_cpp.llama_cpp as module",
        "from llama_cpp import llama_cpp",
        "def later():\n    import llama_cpp",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import llama_cpp",
        "import importlib\nimportlib.import_module('llama_cpp')",
        "from importlib.util import find_spec\nfind_spec('llama_cpp.llama_cpp')",
    ],
)
def test_llama_cpp_is_imported_in_its_package_only(tmp_path: Path, text: str) -> None:
    (violation,) = found(tmp_path, {"sidecar/core/model/model.py": text})
    assert violation.endswith("only sidecar.core.llama may import llama_cpp")


def test_a_name_that_only_begins_alike_is_another_library(tmp_path: Path) -> None:
    assert found(tmp_path, {"sidecar/core/model/model.py": "import llama_cpp_tools"}) == []


def test_the_router_does_not_import_the_engine(tmp_path: Path) -> None:
    files = {"sidecar/worker/router.py": "import sidecar.core.engine", "sidecar/core/engine.py": ""}
    (violation,) = found(tmp_path, files)
    assert violation == "sidecar/worker/router.py:1: sidecar.worker must not import sidecar.core"


def test_the_role_is_known_before_the_engine_is_imported(tmp_path: Path) -> None:
    later = "def main():\n    from sidecar.core import engine_process"
    assert found(tmp_path / "later", {"sidecar/__main__.py": later}) == []
    (violation,) = found(
        tmp_path / "at start", {"sidecar/__main__.py": "from sidecar.core import engine_process"}
    )
    assert violation.endswith("sidecar.__main__ must not import sidecar.core before the role is known")


@pytest.mark.parametrize(
    "back",
    [
        "from sidecar.core.sampling.request_sampler import Sampler",
        "from .request_sampler import Sampler",
        "from . import request_sampler",
        "def later():\n    import sidecar.core.sampling.request_sampler",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .request_sampler import Sampler",
    ],
)
def test_a_circle_is_named(tmp_path: Path, back: str) -> None:
    files = {
        "sidecar/core/sampling/request_sampler.py": "from sidecar.core.sampling.sampler_chain import Chain",
        "sidecar/core/sampling/sampler_chain.py": "from sidecar.core.sampling.logprobs import Logprobs",
        "sidecar/core/sampling/logprobs.py": back,
    }
    (violation,) = found(tmp_path, files)
    names = violation.partition("import circle: ")[2].split(" → ")
    assert len(names) == 4 and names[0] == names[-1]
    follows = {
        "request_sampler": "sampler_chain",
        "sampler_chain": "logprobs",
        "logprobs": "request_sampler",
    }
    short = [name.rpartition(".")[2] for name in names]
    assert all(follows[one] == other for one, other in pairwise(short))


def test_a_package_and_its_module_are_a_circle_too(tmp_path: Path) -> None:
    files = {
        "sidecar/hardware/__init__.py": "from sidecar.hardware import machine",
        "sidecar/hardware/machine.py": "from sidecar.hardware import NAME",
    }
    (violation,) = found(tmp_path, files)
    assert "import circle: " in violation


def test_two_circles_are_both_named(tmp_path: Path) -> None:
    files = {
        "sidecar/hardware/a.py": "from sidecar.hardware import b",
        "sidecar/hardware/b.py": "from sidecar.hardware import a",
        "sidecar/worker/c.py": "from sidecar.worker import d",
        "sidecar/worker/d.py": "from sidecar.worker import c",
    }
    assert len(found(tmp_path, files)) == 2


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("message_handler/x", "hardware/x"),
        ("hardware/x", "models/gguf/x"),
        ("core/llama/x", "core/model/x"),
        ("core/model/x", "core/context/x"),
        ("core/model/x", "core/structured_output/x"),
        ("core/structured_output/x", "core/sampling/x"),
        ("core/context/x", "core/speculation/x"),
        ("core/output/x", "core/chat/x"),
        ("core/media/x", "core/scheduling/x"),
        ("core/embedding/x", "core/scheduling/x"),
        ("core/scheduling/x", "core/engine"),
        ("core/engine", "core/methods/x"),
        ("core/methods/x", "core/engine_process"),
        ("models/store/x", "models/sources/x"),
        ("models/http/x", "models/download/x"),
        ("models/download/x", "models/sources/x"),
        ("models/download/x", "models/inventory"),
        ("models/methods", "models/transfer"),
        ("worker/x", "cli/x"),
    ],
)
def test_packages_have_an_order(tmp_path: Path, lower: str, higher: str) -> None:
    one, other = (f"sidecar.{path.replace('/', '.')}" for path in (lower, higher))
    files = {f"sidecar/{higher}.py": f"import {one}", f"sidecar/{lower}.py": ""}
    assert found(tmp_path / "down", files) == []
    files = {f"sidecar/{lower}.py": f"import {other}", f"sidecar/{higher}.py": ""}
    (violation,) = found(tmp_path / "up", files)
    assert violation == f"sidecar/{lower}.py:1: {one} is below {other}, so it must not import it"


def test_a_new_package_needs_a_place_in_the_order(tmp_path: Path) -> None:
    (violation,) = found(tmp_path, {"sidecar/extras/x.py": ""})
    assert violation == "sidecar/extras/x.py:1: sidecar.extras.x has no place in the order of packages"


def test_the_engine_reads_model_files_and_does_not_fetch_them(tmp_path: Path) -> None:
    files = {
        "sidecar/core/model/x.py": "import sidecar.models.gguf.reader",
        "sidecar/models/gguf/reader.py": "",
    }
    assert found(tmp_path / "reads", files) == []
    files = {
        "sidecar/core/model/x.py": "import sidecar.models.sources.hub.client",
        "sidecar/models/sources/hub/client.py": "",
    }
    (violation,) = found(tmp_path / "fetches", files)
    assert violation.endswith("sidecar.core must not import sidecar.models.sources")


def test_lengths(tmp_path: Path) -> None:
    assert found(tmp_path, {"sidecar/worker/x.py": "x = 1\n" * checks.MODULE_LINES}) == []
    (violation,) = found(tmp_path, {"sidecar/worker/x.py": "x = 1\n" * (checks.MODULE_LINES + 1)})
    assert violation == "sidecar/worker/x.py:1: the module has 301 lines, more than 300"
    function = "async def long():\n" + "    x = 1\n" * checks.FUNCTION_LINES
    (violation,) = found(tmp_path, {"sidecar/worker/x.py": function})
    assert violation == "sidecar/worker/x.py:1: long has 61 lines, more than 60"
    text = '"""GENERATED from schema/ by a tool; do not edit."""\n' + "x = 1\n" * 1000
    assert found(tmp_path, {"sidecar/worker/x.py": text}) == []


def test_a_folder_holds_few_modules(tmp_path: Path) -> None:
    files = {f"sidecar/worker/x{number}.py": "" for number in range(checks.FOLDER_MODULES)}
    assert found(tmp_path, {**files, "sidecar/worker/__init__.py": ""}) == []
    (violation,) = found(tmp_path, {"sidecar/worker/more.py": ""})
    assert violation == "sidecar/worker: the folder has 13 modules, more than 12"


def test_an_any_has_its_reason_in_a_comment(tmp_path: Path) -> None:
    reasoned = 'from typing import Any\nx: Any  # JSON\ny: "list[Any]"  # JSON\nz = "Any text"\n'
    assert found(tmp_path, {"sidecar/worker/x.py": reasoned}) == []
    bare = 'import typing\nfrom typing import Any\nx: Any\ny: "list[Any]"\ndef f(z: typing.Any): ...\n'
    violations = found(tmp_path, {"sidecar/worker/x.py": bare})
    rule = "an Any without its reason in a comment on the line"
    assert violations == [f"sidecar/worker/x.py:{line}: {rule}" for line in (3, 4, 5)]
    assert found(tmp_path, {"sidecar/worker/x.py": f'"""GENERATED from schema/."""\n{bare}'}) == []


def test_there_are_few_anys(tmp_path: Path) -> None:
    text = "from typing import Any\n" + "x: Any  # JSON\n" * checks.ANYS
    assert found(tmp_path, {"sidecar/worker/x.py": text}) == []
    (violation,) = found(tmp_path, {"sidecar/worker/y.py": "from typing import Any\ny: Any  # JSON\n"})
    assert violation == "sidecar: 101 uses of Any, more than 100"


def test_tests_and_tools_have_other_rules(tmp_path: Path) -> None:
    text = "from typing import Any\nimport llama_cpp\nx: Any\n" + "x = 1\n" * 310
    assert found(tmp_path, {"tests/x.py": text}) == []


def test_an_init_below_core_and_models_holds_nothing_but_its_docstring(tmp_path: Path) -> None:
    docstring = '"""A package."""\n'
    good = {"sidecar/core/__init__.py": docstring, "sidecar/cli/__init__.py": f"{docstring}x = 1\n"}
    assert found(tmp_path, good) == []
    (violation,) = found(tmp_path, {"sidecar/models/store/__init__.py": f"{docstring}import sidecar\n"})
    expected = "sidecar/models/store/__init__.py:2: this __init__.py may hold nothing but its docstring"
    assert violation == expected
