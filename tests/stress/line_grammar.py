"""Hostile lines: requests of every method from the schema's examples, and what can be wrong with a line."""

from __future__ import annotations

import functools
import json
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[2] / "schema"
NOWHERE = "127.0.0.1:9"
MAX_NESTING, MAX_BATCH = 256, 1024
ENDING = ("shutdown", "exit")
"""Methods after which there is no next line."""

Value = Any
"""Any JSON value, or Raw."""


class Raw:
    """Text that stands in a line as it is, JSON or not."""

    def __init__(self, text: str) -> None:
        self.text = text


HOSTILE: list[Value] = [
    *(None, True, False, 0, -1, 1, 2, 1.0, 0.5, -0.0, 1e308, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63)),
    *(
        "",
        " ",
        "\0",
        "a",
        "é😀\u2028",
        "\ud800",
        "__proto__",
        "constructor",
        "../../x",
        "a" * 3000,
        "{{ 1/0 }}",
    ),
    *(
        "model-1",
        "context-1",
        "auto",
        "hf:a/b",
        "hf:",
        "file:///x",
        "http://127.0.0.1:9/x.gguf",
        "%00",
        "con",
    ),
    *([], {}, [[]], [None], {"": {}}, [0] * 300, {"a": "b"}, ["a", "a"], {"type": "object"}, [{}]),
    *map(
        Raw, ("NaN", "Infinity", "-Infinity", "1e999", "01", "+1", ".5", "1.", "0x1", "'a'", "undefined", "")
    ),
    *map(Raw, ("9" * 400, "9" * 5000, '"\\x41"', '"\\u12"', '"a\tb"', "[1,]", "{,}", "/* */ 1", "1 2", '"')),
    *map(Raw, ("[" * 300 + "]" * 300, '{"a":' * 260 + "1" + "}" * 260, "[" * 9000, '{"a":1,"a":2}')),
]
IDS: list[Value] = [*HOSTILE, 7, "7", -7, "x" * 5000, 10**400]
METHODS = ("", "Ping", "ping ", "rpc.", "$/", "__init__", "tokenise", "chat\0", "\ud800", "progress", "info")
VERSIONS: list[Value] = ["2.0", "2.0", "2.0", "1.0", "2", 2, 2.0, None, "", [], Raw("2.0")]


@functools.cache
def params_of() -> dict[str, list[Value]]:
    """Method → the params of its examples and counterexamples."""
    methods = json.loads((SCHEMA / "methods.json").read_text(encoding="utf-8"))
    return {
        method: [
            json.loads(path.read_text(encoding="utf-8"))
            for folder in ("examples", "counterexamples")
            for path in sorted((SCHEMA / folder / row["params"]).glob("*.json"))
        ]
        for method, row in {**methods["requests"], **methods["notifications"]}.items()
        if method not in ENDING
    }


def line(chance: random.Random, known: dict[str, str]) -> bytes:
    """One line. `known`: strings of the examples → what they are at present, such as the ids of models."""
    kind = chance.random()
    if kind < 0.04:
        return bytes(
            chance.choices(b'{}[]",:0123456789.eE+-truefalsnl \\/\xff\xc3\0', k=chance.randrange(1, 60))
        )
    text = text_of(_message(chance, known)) if kind < 0.85 else _batch(chance, known)
    data = text.encode("utf-8", "surrogatepass" if chance.random() < 0.5 else "replace")
    return _damaged(chance, data) if chance.random() < 0.2 else data


def _message(chance: random.Random, known: dict[str, str]) -> Value:
    if chance.random() < 0.03:
        return chance.choice(HOSTILE)
    method: Value = chance.choice(list(params_of()))
    params = _known(chance.choice(params_of()[method] or [{}]), known)
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 5))):
        params = mutated(chance, params)
    message = {"jsonrpc": "2.0", "id": chance.randrange(10**9), "method": method, "params": params}
    if chance.random() < 0.3:
        which: Callable[[], None] = chance.choice(
            [
                lambda: message.update(jsonrpc=chance.choice(VERSIONS)),
                lambda: message.update(id=chance.choice(IDS)),
                lambda: message.update(method=chance.choice([*METHODS, *HOSTILE])),
                lambda: message.update(params=chance.choice([*HOSTILE, [params], [params, params], [None]])),
                lambda: message.update(
                    {chance.choice(("result", "error", "", "Id")): chance.choice(HOSTILE)}
                ),
                lambda: _remove(chance, message),
            ]
        )
        which()
    return message


def _remove(chance: random.Random, message: dict[str, Value]) -> None:
    del message[chance.choice(list(message))]


def _known(value: Value, known: dict[str, str]) -> Value:
    """The same value with the ids and addresses that are good at present."""
    if isinstance(value, dict):
        return {key: _known(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [_known(each, known) for each in value]
    if isinstance(value, str):
        if value.startswith(("http://", "https://")) or value.endswith(":50052"):
            return f"http://{NOWHERE}/x.gguf" if value.startswith("http") else NOWHERE
        return known.get(value, value)
    return value


def mutated(chance: random.Random, value: Value) -> Value:
    """The value with one thing changed, anywhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        change = chance.random()
        if change < 0.1:
            return {name: each for name, each in value.items() if name != key}
        if change < 0.2:
            return {**value, chance.choice((key.upper(), "extra", "", "__proto__")): chance.choice(HOSTILE)}
        return {**value, key: mutated(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        change = chance.random()
        if change < 0.15:
            return value[:at] + value[at + 1 :]
        if change < 0.3:
            return value[:at] + [value[at]] * chance.choice((2, 3, 200)) + value[at + 1 :]
        return [*value[:at], mutated(chance, value[at]), *value[at + 1 :]]
    if isinstance(value, str) and chance.random() < 0.4:
        at = chance.randrange(len(value) + 1)
        put = "".join(chance.choices(string.printable + "\0é😀\u2028\ud800", k=chance.choice((1, 2, 50))))
        return value[:at] + put + value[at + chance.randrange(3) :]
    if isinstance(value, int | float) and not isinstance(value, bool) and chance.random() < 0.5:
        return chance.choice((-value, value * 10, value + 1, value / 3, value * 10**9))
    return chance.choice(HOSTILE)


def _batch(chance: random.Random, known: dict[str, str]) -> str:
    size = chance.choice((0, 1, 2, 3, 3, 8))
    if chance.random() < 0.03:
        small = text_of({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        return f"[{','.join([small] * chance.choice((MAX_BATCH, MAX_BATCH + 1)))}]"
    return f"[{','.join(text_of(_message(chance, known)) for _ in range(size))}]"


def text_of(value: Value) -> str:
    """JSON text, or nearly."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{text_of(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return json.dumps(value, ensure_ascii=isinstance(value, str) and "\ud800" in value)


def _damaged(chance: random.Random, data: bytes) -> bytes:
    """Bytes with some of them flipped, lost, doubled or put in."""
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 2, 30))
        part = data[at : at + length]
        flipped = bytes(byte ^ (1 << chance.randrange(8)) for byte in part)
        put = chance.choice((flipped, b"", part + part, bytes(chance.choices(range(256), k=length)) + part))
        data = data[:at] + put + data[at + length :]
    return data


# ---- what must come back ------------------------------------------------------------------------------


def expected(data: bytes) -> tuple[list[Value], list[dict[str, Value]]]:
    """The ids of all answers to a line, by JSON-RPC 2.0 and nothing else, and the calls in it."""
    try:
        message = json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return [None], []
    if _depth(message) > MAX_NESTING:
        return [None], []
    if not isinstance(message, list):
        return _of_message(message)
    if not message or len(message) > MAX_BATCH:
        return [None], []
    each = [_of_message(member) for member in message]
    return [answer for answers, _ in each for answer in answers], [
        call for _, calls in each for call in calls
    ]


def _refuse(_: str) -> float:
    raise ValueError


def _finite(text: str) -> float:
    if (value := float(text)) in (float("inf"), float("-inf")):
        raise ValueError
    return value


def _depth(value: Value) -> int:
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _of_message(message: Value) -> tuple[list[Value], list[dict[str, Value]]]:
    if not isinstance(message, dict):
        return [None], []
    request_id = message.get("id")
    if "id" in message and type(request_id) not in (str, int):
        return [None], []
    well = message.get("jsonrpc") == "2.0" and isinstance(message.get("method"), str)
    if not well or not isinstance(message.get("params"), dict | list | None):
        return [request_id], []
    return [request_id] if "id" in message else [], [message]
