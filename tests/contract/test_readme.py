"""The README is true: its example runs, its messages fit the schema, its tree is the tree."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from driver import environment
from jsonschema import Draft7Validator

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPENRPC = json.loads((ROOT / "sidecar/message_handler/openrpc.json").read_text(encoding="utf-8"))


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
    assert len(shown) >= 5
    for message in shown:
        if message.get("method") == "progress":
            _check("Progress", message["params"])
        elif "error" in message:
            _check("ErrorData", message["error"]["data"])
        elif message.get("method") == "abort":
            _check("AbortParams", message["params"])


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
