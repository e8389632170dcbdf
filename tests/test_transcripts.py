"""Golden transcripts: what the program answers to whole conversations, message by message.

Each file of transcripts/ is one behaviour: a first line that names it and where it is demanded, then
`{">": message}` to send and `{"<": message}` to receive, in order. A text in place of a message to send
is a raw line. In what is received, "<any>", "<string>", "<number>" and "<integer>" stand for what varies;
<model> stands for the model's path and <folder> for an empty folder in both. Notifications that a transcript
does not expect may come anywhere; responses may not. Every line that the program writes is checked against the schema.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Start
from download_work import surroundings
from driver import WAIT_S, Sidecar, same_id
from jsonschema import Draft7Validator

from sidecar.message_handler.document import openrpc_document

FOLDER = Path(__file__).parent / "transcripts"
SCHEMA = Path(__file__).parents[1] / "schema"
METHODS = json.loads((SCHEMA / "methods.json").read_text(encoding="utf-8"))
ERRORS = {e["kind"]: e for e in json.loads((SCHEMA / "errors.json").read_text(encoding="utf-8"))["errors"]}
SOURCES = ("issue ", "DESIGN ", "JSON-RPC 2.0", "LSP ")
PLACEHOLDERS = {"<any>": object, "<string>": str, "<number>": (int, float), "<integer>": int}

FILES = sorted(FOLDER.glob("*.jsonl"))


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first line, and the others."""
    first, *others = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return first, others


def fits(pattern: Any, value: Any) -> bool:
    """Whether a received value is what a transcript expects."""
    if isinstance(pattern, str) and pattern in PLACEHOLDERS:
        return isinstance(value, PLACEHOLDERS[pattern]) and (
            pattern == "<any>" or not isinstance(value, bool)
        )
    if isinstance(pattern, dict):
        same = isinstance(value, dict) and pattern.keys() == value.keys()
        return same and all(fits(pattern[name], value[name]) for name in pattern)
    if isinstance(pattern, list):
        same = isinstance(value, list) and len(pattern) == len(value)
        return same and all(map(fits, pattern, value))
    return type(pattern) is type(value) and bool(pattern == value)


def check(type_name: str, value: Any) -> None:
    """Assert that a value is of a type of the schema."""
    schema = {"$ref": f"#/components/schemas/{type_name}", "components": openrpc_document()["components"]}
    errors = [error.message for error in Draft7Validator(schema).iter_errors(value)]
    assert errors == [], f"{value} is not of type {type_name}"


class Replay:
    """One transcript against one program."""

    def __init__(self, sidecar: Sidecar, model_path: str, folder: Path) -> None:
        self._sidecar = sidecar
        self._paths = {"<model>": model_path, "<folder>": str(folder)}
        self._methods: dict[tuple[type, Any], str] = {}
        self._open: list[Any] = []
        """Received messages that no step has expected yet."""

    def run(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            ((direction, written),) = step.items()
            text = json.dumps(written)
            for name, path in self._paths.items():
                text = text.replace(name, json.dumps(path)[1:-1])
            message = json.loads(text)
            if direction == ">":
                self._send(message)
            else:
                assert direction == "<", step
                self._expect(message)
        self._end(steps)

    def _send(self, message: Any) -> None:
        for each in message if isinstance(message, list) else [message]:
            if isinstance(each, dict) and "id" in each and "method" in each:
                self._methods[type(each["id"]), str(each["id"])] = each["method"]
        self._sidecar.send_line(message if isinstance(message, str) else json.dumps(message))

    def _expect(self, pattern: Any) -> None:
        while True:
            for received in self._open:
                if fits(pattern, received):
                    self._open.remove(received)
                    return
                wrong = self._is_answer_to_the_same(pattern, received)
                assert not wrong, f"expected {json.dumps(pattern)}\nreceived {json.dumps(received)}"
            self._receive()

    def _is_answer_to_the_same(self, pattern: Any, received: Any) -> bool:
        if isinstance(pattern, list) or isinstance(received, list):
            return isinstance(pattern, list) and isinstance(received, list)
        return "id" in pattern and same_id(received, pattern["id"])

    def _receive(self) -> None:
        message = self._sidecar.receive()
        for each in message if isinstance(message, list) else [message]:
            self._check(each)
        self._open.append(message)

    def _check(self, message: Any) -> None:
        assert message["jsonrpc"] == "2.0"
        if "method" in message:
            assert message.keys() == {"jsonrpc", "method", "params"}
            check(METHODS["sent"][message["method"]]["params"], message["params"])
        elif "error" in message:
            assert message.keys() == {"jsonrpc", "id", "error"}
            assert message["error"].keys() == {"code", "message", "data"}
            check("ErrorData", message["error"]["data"])
            row = ERRORS[message["error"]["data"]["kind"]]
            assert message["error"]["code"] == row["code"]
        else:
            assert message.keys() == {"jsonrpc", "id", "result"}
            method = self._methods[type(message["id"]), str(message["id"])]
            check(METHODS["requests"][method]["result"], message["result"])

    def _end(self, steps: list[dict[str, Any]]) -> None:
        self._sidecar.close_stdin()
        try:
            while True:
                self._receive()
        except EOFError:
            pass
        assert self._sidecar.wait_exit(WAIT_S) == 0
        assert [m for m in self._open if isinstance(m, list) or "id" in m] == [], "unexpected answers"
        self._check_the_whole(steps)

    def _check_the_whole(self, steps: list[dict[str, Any]]) -> None:
        answered: Counter[str] = Counter()
        highest: dict[str, float] = {}
        text: dict[str, str] = {}
        for message in self._sidecar.messages:
            if isinstance(message, dict) and message.get("method") == "progress":
                params = message["params"]
                request = json.dumps(params["requestId"])
                assert not answered[request], "progress after the response"
                key = request + params["progressType"]
                assert (params["progress"] or 0) >= highest.get(key, 0), "progress fell"
                highest[key] = params["progress"] or 0
                text[request] = text.get(request, "") + params.get("delta", "")
            for each in message if isinstance(message, list) else [message]:
                if "id" in each:
                    request = json.dumps(each["id"])
                    answered[request] += 1
                    check_text(each, text.get(request))
        sent = [m for step in steps for m in messages_in(step.get(">"))]
        asked = Counter(json.dumps(m["id"]) for m in sent if isinstance(m.get("id"), str | int))
        assert {name: answered[name] for name in asked} == dict(asked), "one answer for each request"


def messages_in(message: Any) -> Iterator[dict[str, Any]]:
    for each in message if isinstance(message, list) else [message]:
        if isinstance(each, dict):
            yield each


def check_text(response: dict[str, Any], streamed: str | None) -> None:
    """Joined deltas are the text of the result, or of the partial result of an aborted request."""
    if not streamed:
        return
    result = response.get("result") or response["error"]["data"].get("partial", {"text": streamed})
    assert result.get("text", result.get("message", {}).get("content")) == streamed


def needs_a_model(path: Path) -> bool:
    return "<model>" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.real] * needs_a_model(path)) for path in FILES],
)
def test_the_program_answers_as_the_transcript_says(
    path: Path, start: Start, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    _, steps = read(path)
    model_path = request.getfixturevalue("model_path") if needs_a_model(path) else ""
    folder = tmp_path / "empty"
    folder.mkdir()
    sidecar = start(env=surroundings(tmp_path / "home"))
    Replay(sidecar, model_path, folder).run(steps)


def test_every_transcript_says_once_what_it_shows_and_why() -> None:
    heads = {path.name: read(path)[0] for path in FILES}
    assert heads, "no transcripts"
    for name, head in heads.items():
        assert head.keys() == {"behaviour", "source"}, name
        assert head["source"].startswith(SOURCES), name
        assert head["behaviour"], name
    assert [b for b, count in Counter(h["behaviour"] for h in heads.values()).items() if count > 1] == []
    assert sorted(FOLDER.iterdir()) == FILES, "there is a file that is not a transcript"


def test_every_transcript_expects_something() -> None:
    for path in FILES:
        _, steps = read(path)
        assert all(len(step) == 1 and step.keys() <= {">", "<"} for step in steps), path.name
        assert any("<" in step for step in steps), path.name


@pytest.mark.parametrize(
    ("pattern", "value", "same"),
    [
        ("<any>", None, True),
        ("<integer>", 1, True),
        ("<integer>", 1.0, False),
        ("<integer>", True, False),
        ("<number>", 1.5, True),
        ("<number>", "1", False),
        ("<string>", "", True),
        ({"a": "<any>"}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": True}, False),
        ([1, "<number>"], [1, 2], True),
        ([1], [1, 2], False),
        (0, 0.0, False),
    ],
)
def test_placeholders_match_what_they_name(pattern: Any, value: Any, same: bool) -> None:
    assert fits(pattern, value) is same
