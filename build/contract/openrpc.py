"""The contract as the published OpenRPC document, and as the schemas that validate params."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from contract.read import SCHEMA, Contract, read_json

PROSE: Final = ("title", "description", "default", "examples")
"""Keywords that do not restrict values."""


def document(contract: Contract, notice: str) -> str:
    """One method, error or type per line, for readable diffs; ASCII, for every console."""
    components = {
        "errors": {error["kind"]: _error(error) for error in contract.errors},
        "schemas": {name: _rewrite_refs(contract.flat_type(name)) for name in contract.types},
    }
    sent = {
        name: {"summary": row["summary"], "params": _ref("schemas", row["params"])}
        for name, row in contract.sent.items()
    }
    info = {
        "title": "llama-sidecar",
        "version": contract.program_version,
        "description": "A local LLM in a child process: JSON-RPC 2.0 over stdio, one message per line. "
        "Methods without a result are notifications that the program accepts; x-notifications are those "
        "that it sends. Besides its own errors, every method can give JSON-RPC's errors, aborted and "
        "shuttingDown.",
        "license": {"name": "MIT"},
        "x-protocolVersion": contract.protocol_version,
    }
    whole = {
        "x-notice": notice,
        "openrpc": "1.3.2",
        "info": info,
        "methods": [_method(contract, name) for name in contract.accepted],
        "x-notifications": sent,
        "components": components,
    }
    return _one_entry_per_line(whole) + "\n"


def schemas(contract: Contract) -> str:
    """The types of params, with all types they refer to, without descriptions."""
    found: dict[str, Any] = {}
    wanted = [row["params"] for row in contract.accepted.values()]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _without_prose(_rewrite_refs(contract.flat_type(name)))
            wanted += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(found[name]))
    body = [f"{json.dumps(name)}: {json.dumps(found[name], separators=(',', ':'))}" for name in sorted(found)]
    return "{\n" + ",\n".join(body) + "\n}\n"


def _without_prose(schema: Any) -> Any:
    """A schema without the keywords in PROSE. In `properties` the keys are names, so none is removed there."""
    if isinstance(schema, list):
        return [_without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        keyword: {name: _without_prose(each) for name, each in value.items()}
        if keyword == "properties"
        else _without_prose(value)
        for keyword, value in schema.items()
        if keyword not in PROSE
    }


def _method(contract: Contract, name: str) -> dict[str, Any]:
    row = contract.accepted[name]
    params = _rewrite_refs(contract.flat_type(row["params"]))
    method: dict[str, Any] = {"name": name, "summary": row["summary"]}
    if "description" in row:
        method["description"] = row["description"]
    method["paramStructure"] = "by-name"
    method["params"] = [
        {"name": key, "required": key in params.get("required", []), "schema": schema}
        for key, schema in params["properties"].items()
    ]
    method["x-params"] = row["params"]
    if "result" not in row:
        return method
    method["result"] = {"name": row["result"], "schema": _ref("schemas", row["result"])}
    method["errors"] = [_ref("errors", kind) for kind in row["errors"]]
    method["examples"] = _examples(row)
    method["x-progress"] = row["progress"]
    return method


def _examples(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The pairs of a params example and a result example with the same file name."""
    pairs = []
    for path in sorted((SCHEMA / "examples" / row["params"]).glob("*.json")):
        answer = SCHEMA / "examples" / row["result"] / path.name
        if answer.is_file():
            params = [{"name": k, "value": v} for k, v in read_json(path).items()]
            result = {"name": row["result"], "value": read_json(answer)}
            pairs.append({"name": path.stem, "params": params, "result": result})
    return pairs


def _error(error: dict[str, Any]) -> dict[str, Any]:
    data = {key: error[key] for key in ("kind", "retryable", "remedy")}
    return {"code": error["code"], "message": error["meaning"], "data": data}


def _ref(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def _rewrite_refs(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _rewrite_refs(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_rewrite_refs(value) for value in node]
    if isinstance(node, str) and node.startswith("#/definitions/"):
        return node.replace("#/definitions/", "#/components/schemas/", 1)
    return node


def _one_entry_per_line(document: dict[str, Any]) -> str:
    """JSON in which only the document, `methods` and the parts of `components` take several lines."""

    def spread(node: Any, depth: int, indent: str = "") -> str:
        if depth == 0 or not node or not isinstance(node, (dict, list)):
            return json.dumps(node)
        if isinstance(node, list):
            body = [f"{indent}  {json.dumps(value)}" for value in node]
            return "[\n" + ",\n".join(body) + f"\n{indent}]"
        inner = indent + "  "
        body = [f"{inner}{json.dumps(k)}: {spread(v, depth - 1, inner)}" for k, v in node.items()]
        return "{\n" + ",\n".join(body) + f"\n{indent}}}"

    return spread(document, 3)
