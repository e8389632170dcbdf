"""schema/ is consistent, and its examples and all generated files agree with it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schema"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


OPENRPC = read_json(ROOT / "sidecar" / "message_handler" / "openrpc.json")
METHODS = read_json(SCHEMA / "methods.json")
ERRORS = read_json(SCHEMA / "errors.json")["errors"]
REQUESTS = METHODS["requests"]
TYPES = OPENRPC["components"]["schemas"]

ACCEPTED = {**REQUESTS, **METHODS["notifications"]}
PARAMS_TYPES = {row["params"] for row in ACCEPTED.values()}
RESULT_TYPES = {row["result"] for row in REQUESTS.values()}
SENT_TYPES = {row["params"] for row in METHODS["sent"].values()}


def progress_type(kind: str) -> str:
    return f"{kind[0].upper()}{kind[1:]}Progress"


PROGRESS_TYPES = {progress_type(kind) for row in REQUESTS.values() for kind in row["progress"]}


def validator(type_name: str) -> Draft7Validator:
    reference = f"#/components/schemas/{type_name}"
    return Draft7Validator({"$ref": reference, "components": OPENRPC["components"]})


def types_with(folder: str) -> set[str]:
    """The types that have files in examples/ or counterexamples/: each has a folder there."""
    return {path.parent.name for path in (SCHEMA / folder).glob("*/*.json")}


def faults(folder: str, type_name: str) -> dict[str, list[str]]:
    """File of a type → what is wrong with it."""
    paths = sorted((SCHEMA / folder / type_name).glob("*.json"))
    valid = validator(type_name)
    return {path.name: [error.message for error in valid.iter_errors(read_json(path))] for path in paths}


@pytest.mark.parametrize("type_name", sorted(types_with("examples")))
def test_examples_validate(type_name: str) -> None:
    assert {name: errors for name, errors in faults("examples", type_name).items() if errors} == {}


@pytest.mark.parametrize("type_name", sorted(types_with("counterexamples")))
def test_each_counterexample_breaks_one_rule(type_name: str) -> None:
    # With more than one error it would still be refused after its own rule is lost.
    found = faults("counterexamples", type_name)
    assert {name: errors for name, errors in found.items() if len(errors) != 1} == {}


def test_folders_name_types() -> None:
    for folder in ("examples", "counterexamples"):
        assert {path.name for path in (SCHEMA / folder).iterdir()} <= TYPES.keys()


def test_every_message_has_an_example() -> None:
    wanted = PARAMS_TYPES | RESULT_TYPES | SENT_TYPES | PROGRESS_TYPES | {"ErrorData"}
    assert wanted - types_with("examples") == set()


def test_every_message_has_a_counterexample() -> None:
    wanted = PARAMS_TYPES | RESULT_TYPES | SENT_TYPES | PROGRESS_TYPES | {"ErrorData"}
    assert wanted - types_with("counterexamples") == set()


def test_params_refuse_unknown_members() -> None:
    # A misspelt option must not be ignored silently.
    for name in PARAMS_TYPES:
        assert TYPES[name]["type"] == "object"
        assert TYPES[name]["additionalProperties"] is False, name


def test_required_properties_exist() -> None:
    for name, schema in TYPES.items():
        assert set(schema.get("required", [])) <= schema.get("properties", {}).keys(), name


def test_every_reference_leads_to_a_type() -> None:
    referenced = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(OPENRPC)))
    known = {f"#/components/schemas/{name}" for name in TYPES}
    known |= {f"#/components/errors/{kind}" for kind in OPENRPC["components"]["errors"]}
    assert referenced - known == set()


def test_defaults_validate() -> None:
    for name in PARAMS_TYPES:
        for key, schema in TYPES[name]["properties"].items():
            if "default" in schema:
                alone = Draft7Validator({"allOf": [schema], "components": OPENRPC["components"]})
                assert alone.is_valid(schema["default"]), f"{name}.{key}"


def test_error_codes_and_kinds_are_unique() -> None:
    codes = [error["code"] for error in ERRORS]
    kinds = [error["kind"] for error in ERRORS]
    assert len(set(codes)) == len(codes)
    assert len(set(kinds)) == len(kinds)


def test_error_codes_keep_to_their_ranges() -> None:
    # JSON-RPC keeps -32768…-32000 for itself; -32800 is the Language Server Protocol's "cancelled".
    own = {-32700, -32600, -32601, -32602, -32603, -32800}
    assert all(error["code"] in own or error["code"] >= 1000 for error in ERRORS)


def test_errors_say_what_to_do() -> None:
    for error in ERRORS:
        assert error.keys() == {"code", "kind", "retryable", "meaning", "remedy"}
        assert error["meaning"].endswith(".")
        assert error["remedy"].endswith(".")


def test_error_examples_agree_with_the_table() -> None:
    table = {error["kind"]: error for error in ERRORS}
    for path in (SCHEMA / "examples" / "ErrorData").glob("*.json"):
        data = read_json(path)
        entry = table[data["kind"]]
        assert data["retryable"] is entry["retryable"], path.name
        assert data["remedy"] == entry["remedy"], path.name


@pytest.mark.parametrize("method", REQUESTS)
def test_method_names_only_what_exists(method: str) -> None:
    row = REQUESTS[method]
    assert row["lane"] in ("router", "engine")
    assert set(row["errors"]) <= {error["kind"] for error in ERRORS}
    union = {choice["$ref"].rsplit("/", 1)[1] for choice in TYPES["Progress"]["oneOf"]}
    assert {progress_type(kind) for kind in row["progress"]} <= union


@pytest.mark.parametrize("name", sorted(PROGRESS_TYPES))
def test_progress_type_says_its_own_name(name: str) -> None:
    assert progress_type(TYPES[name]["properties"]["progressType"]["const"]) == name


def test_openrpc_has_the_methods_of_the_schema() -> None:
    described = {method["name"]: method for method in OPENRPC["methods"]}
    assert list(described) == list(ACCEPTED)
    assert {name for name, method in described.items() if "result" in method} == REQUESTS.keys()
    assert OPENRPC["x-notifications"].keys() == METHODS["sent"].keys()


@pytest.mark.parametrize("method", REQUESTS)
def test_openrpc_shows_an_example_of_every_method(method: str) -> None:
    described = next(entry for entry in OPENRPC["methods"] if entry["name"] == method)
    assert described["examples"], "no params example and result example share a file name"


def test_npm_package_has_the_version_of_the_program() -> None:
    package = read_json(ROOT / "package.json-shim" / "package.json")
    lock = read_json(ROOT / "package.json-shim" / "package-lock.json")
    assert package["version"] == lock["version"] == OPENRPC["info"]["version"]


def test_npm_lock_file_names_no_registry() -> None:
    lock = (ROOT / "package.json-shim" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock


OPEN = {name for name, schema in TYPES.items() if schema.get("additionalProperties")} | {"Text", "Vector"}
"""Types that mypy cannot check examples of: a TypedDict has no other members, and for a literal that fits one of
several list types it finds none."""


def test_examples_fit_the_types_of_python(tmp_path: Path) -> None:
    """mypy accepts each example as a value of its generated type."""
    lines = ["from sidecar.message_handler import _types"]
    for path in sorted((SCHEMA / "examples").glob("*/*.json")):
        name = path.parent.name
        if not OPEN & {name, *re.findall(r"schemas/(\w+)", json.dumps(TYPES[name]))}:
            lines.append(f"_{len(lines)}: _types.{name} = {read_json(path)!r}")
    assert len(lines) > 100
    checked = tmp_path / "examples.py"
    checked.write_text("\n".join(lines), encoding="utf-8")
    cache = ROOT / "out" / "cache" / "mypy-examples"
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version=3.10", f"--cache-dir={cache}"]
    run = subprocess.run(
        [*command, str(checked)], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_only_type_checkers_import_the_types_of_python() -> None:
    # Frozen programs do not have the module.
    for file in (ROOT / "sidecar").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        checks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
        for check in (node for node in checks if ast.unparse(node.test) == "TYPE_CHECKING"):
            check.body = [ast.Pass()]
        imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert not [ast.unparse(node) for node in imports if re.search(r"\b_types\b", ast.unparse(node))], (
            file
        )


def test_generated_files_are_up_to_date() -> None:
    command = [sys.executable, "-m", "contract.generate", "--check", "--without-node"]
    run = subprocess.run(command, cwd=ROOT / "build", capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stdout + run.stderr
