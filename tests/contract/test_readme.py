"""The README is true: its example runs, its messages fit the schema, its tree is the tree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from download_work import surroundings
from driver import environment
from hub import Hub
from jsonschema import Draft7Validator

from sidecar.message_handler._wire import PARAMS
from sidecar.models.part import SYNC_BYTES

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPENRPC = json.loads((ROOT / "sidecar/message_handler/openrpc.json").read_text(encoding="utf-8"))
METHODS = json.loads((ROOT / "schema" / "methods.json").read_text(encoding="utf-8"))["requests"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.real
def test_the_pipe_example_runs_as_written(program: list[str], model_path: str) -> None:
    (example,) = blocks("sh")
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


def test_the_messages_it_shows_fit_the_schema() -> None:
    shown = [json.loads(line) for block in blocks("json") for line in block.splitlines()]
    assert len(shown) >= 9
    asked: dict[Any, str] = {}
    for message in shown:
        if message.get("method") == "progress":
            _check("Progress", message["params"])
        elif "error" in message:
            _check("ErrorData", message["error"]["data"])
        elif "method" in message:
            asked[message["id"]] = message["method"]
            _check(PARAMS[message["method"]], message["params"])
        elif message["id"] in asked:  # others are answers to the shell's requests, cut short
            _check(METHODS[asked[message["id"]]]["result"], message["result"])
    assert asked.keys() >= {4, 7}


HOME = "/home/ada"
SHOWN_MODEL = "owner/SmolLM2-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf"


def _told(text: str) -> list[str]:
    """Lines without figures of memory, which are the machine's, and what they do to the widths of columns."""
    figure = r"\d[\d.]* [kMG]B"
    lines = [
        re.sub(figure, "…", line) if "free" in line or "CPU" in line else line for line in text.splitlines()
    ]
    return [re.sub(r" +", " ", line) for line in lines if line]


@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="shows a Linux user's own place for data")
def test_the_commands_on_models_print_what_it_shows(
    program: list[str], model_path: str, tmp_path: Path
) -> None:
    (block,) = blocks("console")
    parts = [part.partition("\n") for part in block.split("$ ")[1:]]
    layout = tmp_path / ".local" / "share" / "llama-sidecar" / "models"
    with Hub() as hub:
        repository, _, file = SHOWN_MODEL.rpartition("/")
        hub.add(repository, {file: Path(model_path).read_bytes()})
        env = surroundings(tmp_path / "hf", HF_ENDPOINT=hub.endpoint, HOME=str(tmp_path))
        for command, _, shown in parts:
            assert command.split()[0] == "llama-sidecar"
            ran = subprocess.run(
                [*program, *command.split()[1:]],
                stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", env=env, timeout=120,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            assert _told(ran.stdout.replace(str(tmp_path), HOME)) == _told(shown), command
            if command.split()[1] == "list":
                _check_layout(layout)


def _check_layout(models: Path) -> None:
    """The files of the directory are those that the README shows in it."""
    shown = README.split("```\nmodels/\n")[1].split("```")[0]
    names = {line.split()[0] for line in shown.splitlines()}
    found = {path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file()}
    assert {name for name in found if not name.endswith(".lock")} == names


def test_what_it_says_of_the_disk_is_what_the_code_does() -> None:
    assert f"the last {SYNC_BYTES // 2**20} MiB" in README


def _check(type_name: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{type_name}", "components": OPENRPC["components"]}
    Draft7Validator(schema).validate(value)


def test_its_tree_is_the_tree() -> None:
    tree = "sidecar/\n" + README.split("```\nsidecar/\n")[1].split("```")[0]
    for line in re.sub(r"\n {4,}", " ", tree).splitlines():  # a folder's row may go over two lines
        name = line.split()[0]
        place = ROOT / "sidecar" / name if line.startswith("  ") else ROOT / name
        assert place.exists(), f"README's tree names {name}, which is not there"
        if line.startswith("  ") and place.is_dir():
            for module in place.glob("*.py"):
                named = module.stem in ("__init__", "_wire", "client") or module.stem in line
                assert named, f"README's tree does not name {module.relative_to(ROOT)}"


def test_its_table_names_every_method() -> None:
    for method in OPENRPC["methods"]:
        assert f"`{method['name']}`" in README
