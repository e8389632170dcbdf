"""The code serves, raises and sends what schema/ defines."""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.core.methods.handlers import HANDLERS as ENGINE_HANDLERS
from sidecar.core.methods.handlers import INFERENCE, inference
from sidecar.message_handler import _wire
from sidecar.models.methods import HANDLERS as TRANSFER_HANDLERS
from sidecar.worker import methods as router_methods
from sidecar.worker.methods import HANDLERS as ROUTER_HANDLERS

ROOT = Path(__file__).resolve().parents[2]
METHODS = json.loads((ROOT / "schema" / "methods.json").read_text(encoding="utf-8"))
REQUESTS: dict[str, dict[str, Any]] = METHODS["requests"]
KINDS = {
    error["kind"]
    for error in json.loads((ROOT / "schema" / "errors.json").read_text(encoding="utf-8"))["errors"]
}

RESERVED: dict[str, str] = {}
"""Kinds of the table that no code raises yet, each with the reason."""

IN_TWO_LANES = {"init"}
"""The router stores the settings, an engine answers."""

IN_TWO_PROCESSES = {"inspectModel", "estimateModel"}
"""The router answers for files on this disk, a transfer for a model on the hub."""


@functools.cache
def trees() -> list[tuple[Path, ast.Module]]:
    """All of the program's modules; they are parsed once."""
    paths = [path for path in sorted((ROOT / "sidecar").rglob("*.py")) if path.name != "_wire.py"]
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def called(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Calls of functions or classes of these names."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in names:
                yield node


def texts(tree: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


@functools.cache
def raised_kinds() -> dict[str, str]:
    """Every kind of SidecarError in the source, with a file that raises it."""
    kinds = {}
    for path, tree in trees():
        for call in called(tree, "SidecarError"):
            literal = call.args and isinstance(call.args[0], ast.Constant)
            assert literal, f"{path.name}:{call.lineno}: the kind is not a literal, so it cannot be checked"
            kinds[call.args[0].value] = f"{path.name}:{call.lineno}"  # type: ignore[attr-defined]
    return kinds


def test_every_request_has_a_handler_in_its_lane() -> None:
    lanes = {name: row["lane"] for name, row in REQUESTS.items()}
    assert ROUTER_HANDLERS.keys() == {name for name, lane in lanes.items() if lane == "router"}
    engine = {name for name, lane in lanes.items() if lane == "engine"}
    assert ENGINE_HANDLERS.keys() == engine | IN_TWO_LANES
    assert inference().keys() == set(INFERENCE)
    passed_on = {name for name, handler in ROUTER_HANDLERS.items() if handler is router_methods.transfer}
    assert TRANSFER_HANDLERS.keys() == passed_on | IN_TWO_PROCESSES


def test_the_generated_table_has_the_methods_of_the_schema() -> None:
    assert list(_wire.REQUESTS) == list(REQUESTS)
    assert set(_wire.NOTIFICATIONS) == set(METHODS["notifications"])
    assert set(_wire.SENT) == set(METHODS["sent"])


def test_every_accepted_notification_is_handled_by_the_router() -> None:
    router = ast.parse((ROOT / "sidecar" / "worker" / "router.py").read_text(encoding="utf-8"))
    assert METHODS["notifications"].keys() == {"exit", "$/cancelRequest"}
    assert texts(router) >= {"exit", "$/cancelRequest"}


def test_every_kind_that_is_raised_is_in_the_table() -> None:
    raised = raised_kinds()
    assert {kind: where for kind, where in raised.items() if kind not in KINDS} == {}


def test_every_kind_of_the_table_is_raised_or_reserved_with_a_reason() -> None:
    assert KINDS - raised_kinds().keys() == RESERVED.keys()


@pytest.mark.parametrize("method", REQUESTS)
def test_the_errors_of_a_method_are_raised_somewhere(method: str) -> None:
    assert set(REQUESTS[method]["errors"]) <= raised_kinds().keys() | RESERVED.keys()


def test_what_the_schema_says_of_progress_is_what_the_code_sends() -> None:
    demanded = {kind for row in REQUESTS.values() for kind in row["progress"]}
    sent = set()
    for _, tree in trees():
        for call in called(tree, "Progress", "send_progress"):
            # (writer, request id, type): Progress.report passes the type on, so it is not always a literal.
            kind = call.args[2] if len(call.args) > 2 else None
            if isinstance(kind, ast.Constant):
                sent.add(kind.value)
    assert sent == demanded


def test_notifications_that_are_sent_are_those_of_the_schema() -> None:
    between_processes = {"$/cancelRequest", "ready", "fault", "restore", "cache", "leave"}
    sent = set()
    for _, tree in trees():
        for call in called(tree, "notification"):
            name = call.args[0]
            assert isinstance(name, ast.Constant)
            sent.add(name.value)
    assert sent - between_processes == METHODS["sent"].keys()


@functools.cache
def transcribed() -> set[str]:
    """Methods that are sent in some transcript."""
    methods = set()
    for path in (ROOT / "tests" / "transcripts").glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            message = json.loads(line).get(">", {})
            for each in message if isinstance(message, list) else [message]:
                if isinstance(each, dict) and "id" in each:
                    methods.add(each.get("method"))
    return methods


@pytest.mark.parametrize("method", REQUESTS)
def test_every_request_is_shown_in_a_transcript(method: str) -> None:
    assert method in transcribed()
