"""The READMEs are true: their examples run, their messages fit the schema, their paths and tree exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from download_work import surroundings
from driver import environment
from hub import Hub
from jsonschema import Draft7Validator

from sidecar.message_handler._wire import PARAMS
from sidecar.models.download.partial_file import SYNC_BYTES

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {
    name: (ROOT / name / "README.md").read_text(encoding="utf-8")
    for name in (
        *(".", "sidecar", "sidecar/cli", "sidecar/core", "sidecar/models"),
        *("tests", "tests/bench", "build", "schema"),
    )
}
"""Folder → the README in it."""

CORE, MODELS, CLI = DOCUMENTS["sidecar/core"], DOCUMENTS["sidecar/models"], DOCUMENTS["sidecar/cli"]
MAX_README_LINES, MAX_TREE_LINES = 170, 25
OPENRPC = json.loads((ROOT / "sidecar/message_handler/openrpc.json").read_text(encoding="utf-8"))
METHODS = json.loads((ROOT / "schema" / "methods.json").read_text(encoding="utf-8"))["requests"]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.real
def test_the_pipe_example_runs_as_written(program: list[str], model_path: str) -> None:
    (example,) = blocks(README, "sh")
    command, _, rest = example.partition(" <<'END'\n")
    requests, _, _ = rest.partition("\nEND\n")
    assert command.split()[0] == "llama-sidecar"
    run = subprocess.run(
        [*program, *command.split()[1:]],
        input=requests.encode() + b"\n",
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        timeout=120,
        check=True,
    )
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    results = {m["id"]: m["result"] for m in messages if "method" not in m}
    assert sorted(results) == [1, 2, 3]
    assert results[1]["modelId"] == "model-1"
    deltas = [m["params"].get("delta", "") for m in messages if m.get("method") == "progress"]
    assert "".join(deltas) == results[3]["message"]["content"] != ""


@pytest.mark.parametrize(
    ("text", "answered"), [(README, {4}), (CORE, set()), (MODELS, {7})], ids=["project", "core", "models"]
)
def test_the_messages_it_shows_fit_the_schema(text: str, answered: set[int]) -> None:
    shown = [json.loads(line) for block in blocks(text, "json") for line in block.splitlines()]
    assert len(shown) >= 4
    asked: dict[Any, str] = {}
    results = set()
    for message in shown:
        if message.get("method") == "progress":
            _check("Progress", message["params"])
        elif "error" in message:
            _check("ErrorData", message["error"]["data"])
        elif "method" in message:
            asked[message["id"]] = message["method"]
            _check(PARAMS[message["method"]], message["params"])
        elif message["id"] in asked:  # the other files are shortened answers to the shell's requests
            results.add(message["id"])
            _check(METHODS[asked[message["id"]]]["result"], message["result"])
    assert results == answered


HOME = "/home/ada"
SHOWN_MODEL = "owner/SmolLM2-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf"


def _without_memory(text: str) -> list[str]:
    """Lines without figures of memory, which depend on the machine, and without the column widths that they change."""
    figure = r"\d[\d.]* [kMG]B"
    lines = [
        re.sub(figure, "…", line) if "free" in line or "CPU" in line else line for line in text.splitlines()
    ]
    return [re.sub(r" +", " ", line) for line in lines if line]


@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="shows a Linux user's own place for data")
def test_the_commands_print_what_they_show(program: list[str], model_path: str, tmp_path: Path) -> None:
    shown_blocks = [block for text in (MODELS, CLI) for block in blocks(text, "console")]
    parts = [part.partition("\n") for block in shown_blocks for part in block.split("$ ")[1:]]
    layout = tmp_path / ".local" / "share" / "llama-sidecar" / "models"
    with Hub() as hub:
        repository, _, file = SHOWN_MODEL.rpartition("/")
        hub.add(repository, {file: Path(model_path).read_bytes()})
        env = surroundings(tmp_path / "hf", HF_ENDPOINT=hub.endpoint, HOME=str(tmp_path))
        for command, _, shown in parts:
            name, *arguments = shlex.split(command)
            assert name == "llama-sidecar"
            ran = subprocess.run(
                [*program, *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", env=env, timeout=120,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            assert _without_memory(ran.stdout.replace(str(tmp_path), HOME)) == _without_memory(shown), command
            if arguments == ["list"]:
                _check_layout(layout)


def _check_layout(models: Path) -> None:
    """The files of the directory are those that the README shows in it."""
    shown = MODELS.split("```\nmodels/\n")[1].split("```")[0]
    names = {line.split()[0] for line in shown.splitlines()}
    found = {path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file()}
    assert {name for name in found if not name.endswith(".lock")} == names


def test_what_it_says_of_the_disk_is_what_the_code_does() -> None:
    assert f"the last {SYNC_BYTES // 2**20} MiB" in MODELS


def _check(type_name: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{type_name}", "components": OPENRPC["components"]}
    Draft7Validator(schema).validate(value)


def _packages(root: Path) -> Iterator[Path]:
    """Every folder with modules in it, `root` included."""
    return (file.parent for file in root.rglob("__init__.py"))


def _tree() -> set[str]:
    """The paths that the README's tree shows, by their indentation; a row may name several folders."""
    shown, above = set(), [""]
    for line in ("sidecar/\n" + README.split("```\nsidecar/\n")[1].split("```")[0]).splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, *words = line.split()
        above[depth + 1 :] = [f"{above[depth]}{name}"]
        shown.add(above[depth + 1])
        if depth:
            shown |= {f"{above[depth + 1]}{word}" for word in words if word.endswith("/")}
    return shown


def test_its_tree_is_the_tree() -> None:
    shown = _tree()
    for path in shown:
        assert (ROOT / path).exists(), f"README's tree shows {path}, which is not there"
    for folder in _packages(ROOT / "sidecar"):
        path = f"{folder.relative_to(ROOT).as_posix()}/"
        assert path in shown, f"README's tree does not show {path}"


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES
    tree = README.split("```\nsidecar/\n")[1].split("```")[0]
    assert len(tree.splitlines()) + 1 <= MAX_TREE_LINES


def _written_paths(text: str) -> Iterator[str]:
    """What looks like a file or folder of the tree: the targets of links, and words in backticks with a slash."""
    yield from (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text))
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for word in re.findall(r"`([\w./-]+)`", outside):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/([\w-]+\.(py|json|mjs|ts|md))?", word):
            yield word


@pytest.mark.parametrize("folder", DOCUMENTS)
def test_the_paths_it_names_exist(folder: str) -> None:
    """Each is relative to the document's folder, its package's or the root. Generated folders are not in the tree."""
    made = ("out/", "_internal/", "llama-sidecar/", ".venv/", ".models/", "~/")
    for path in _written_paths(DOCUMENTS[folder]):
        if path and not path.startswith(("http", *made)):
            places = [ROOT / folder / path, ROOT / path, ROOT / "package.json-shim" / path]
            assert any(place.exists() for place in places), f"{folder}/README.md names {path}"


def test_each_package_names_its_modules() -> None:
    for folder in _packages(ROOT / "sidecar"):
        tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        words = set(re.findall(r"\w+", ast.get_docstring(tree) or ""))
        modules = {module.stem for module in folder.glob("*.py")} - {"__init__", "__main__", "_wire"}
        assert modules <= words, f"{folder.relative_to(ROOT)} has modules that its docstring does not name"


def test_its_table_names_every_method() -> None:
    for method in OPENRPC["methods"]:
        assert f"`{method['name']}`" in README
