"""Small schemas as programs have them, with values that fit and values that do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Case(NamedTuple):
    schema: Any
    fit: list[Any]
    unfit: list[Any]


SAMPLES: dict[str, Any] = {
    "string": "a",
    "integer": 7,
    "number": 1.5,
    "boolean": True,
    "null": None,
    "array": [1],
    "object": {"a": 1},
}


def closed(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    """An object of these properties and no others."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema if required is None else {**schema, "required": required}


def cases() -> Iterator[Case]:
    """All of them."""
    families = (types, numbers, strings, formats, arrays, objects, combined, references, drafts, tools)
    for family in (*families, needed, negated):
        yield from family()


def types() -> Iterator[Case]:
    for name, value in SAMPLES.items():
        others = [
            v for other, v in SAMPLES.items() if {name, other} != {"integer", "number"} and other != name
        ]
        yield Case({"type": name}, [value], others)
        yield Case({"type": [name, "null"]}, [value, None], [v for v in others if v is not None])
        yield Case({"const": value}, [value], others)
        yield Case({"enum": [value, "z"]}, [value, "z"], ["y", [value, 2]])
        yield Case(
            {"type": "object", "additionalProperties": {"type": name}}, [{}, {"k": value}], [{"k": others[0]}]
        )


def numbers() -> Iterator[Case]:
    for low in (-100, -7, 0, 1, 18, 1000):
        yield Case({"type": "integer", "minimum": low}, [low, low + 1, low + 999], [low - 1, low - 50])
        yield Case({"type": "integer", "exclusiveMaximum": low}, [low - 1, low - 77], [low, low + 1])
        yield Case(
            {"type": "number", "minimum": low, "maximum": low + 1}, [low, low + 0.5], [low - 0.1, low + 1.1]
        )
    for unit in (2, 5, 10, 0.5, 0.25):
        yield Case({"type": "number", "multipleOf": unit}, [0, unit, 3 * unit], [unit / 2, unit * 1.5])


def strings() -> Iterator[Case]:
    for low, high in ((0, 0), (1, 1), (2, 5), (0, 3), (10, 10)):
        limits = {"type": "string", "minLength": low, "maxLength": high}
        yield Case(limits, ["x" * low, "é" * high], ["x" * (high + 1), *(["x" * (low - 1)] if low else [])])
    for pattern, fit, unfit in (
        ("^[a-z]+$", ["abc"], ["", "aB", "a1"]),
        ("^[A-Z]{2}[0-9]{4}$", ["AB1234"], ["AB123", "ab1234"]),
        ("cat|dog", ["a cat", "dogs"], ["bird"]),
        ("^(GET|POST)$", ["GET", "POST"], ["PUT", "GETS"]),
        ("^#[0-9a-fA-F]{6}$", ["#12abEF"], ["#12abE", "12abEF"]),
        (r"^\d+\.\d+\.\d+$", ["1.2.30"], ["1.2", "1.2.x"]),
        (r"^\$\{[^}]*\}$", ["${a b}"], ["{a}", "${a"]),
        (r"^\S+@\S+$", ["a@b"], ["a b@c", "@b"]),
        (r"^[\w.-]+$", ["a.b-c_1"], ["a b", "é"]),
        ("^$", [""], ["a"]),
        ("^a?b*c{2,}$", ["cc", "abbccc"], ["c", "ac"]),
        ("(?i)^yes$", ["YES", "yes"], ["no"]),
    ):
        yield Case({"type": "string", "pattern": pattern}, fit, unfit)
        yield Case(
            {"type": "array", "items": {"type": "string", "pattern": pattern}}, [[], fit], [[unfit[0]]]
        )


def formats() -> Iterator[Case]:
    for name, fit, unfit in (
        ("date", ["2026-02-28"], ["2026-13-01", "today"]),
        ("time", ["12:30:00Z"], ["25:00:00Z", "noon"]),
        ("date-time", ["2026-02-28T12:30:00Z"], ["2026-02-28", "x"]),
        ("duration", ["P1DT2H"], ["1 day"]),
        ("email", ["a@example.org"], ["a at b"]),
        ("hostname", ["example.org"], ["-a-", "a b"]),
        ("ipv4", ["127.0.0.1"], ["256.0.0.1", "1.2.3"]),
        ("ipv6", ["::1"], ["1.2.3.4", "g::"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123"]),
        ("uri", ["https://example.org/a?b=c#d"], ["no scheme"]),
        ("uri-reference", ["/a/b?c#d", "a"], ["a b", "%zz"]),
        ("json-pointer", ["", "/a~1b/0"], ["a", "/~2"]),
    ):
        yield Case({"type": "string", "format": name}, fit, unfit)
        yield Case(
            closed(["at"], at={"type": "string", "format": name}), [{"at": fit[0]}], [{"at": unfit[0]}]
        )
    yield Case({"type": "string", "format": "color"}, ["red", "anything"], [1])


def arrays() -> Iterator[Case]:
    for name in ("string", "integer", "boolean"):
        value = SAMPLES[name]
        for low, high in ((0, 1), (1, 1), (2, 4)):
            schema = {"type": "array", "items": {"type": name}, "minItems": low, "maxItems": high}
            short = [[value] * (low - 1)] if low else []
            yield Case(schema, [[value] * low, [value] * high], [[value] * (high + 1), [None] * high, *short])
        yield Case(
            {"type": "array", "prefixItems": [{"type": name}], "items": False},
            [[], [value]],
            [[value, value]],
        )
    yield Case(
        {"prefixItems": [{"const": 1}, {"const": 2}], "minItems": 2}, [[1, 2], [1, 2, "x"]], [[1], [2, 1]]
    )
    yield Case(
        {"type": "array", "items": {"type": "array", "items": {"type": "null"}}},
        [[[None]], []],
        [[None], [[0]]],
    )
    yield Case({"type": "array", "uniqueItems": False}, [[1, 1]], ["x"])


def objects() -> Iterator[Case]:
    name, age = {"type": "string"}, {"type": "integer"}
    for required in ([], ["name"], ["age"], ["name", "age"]):
        full = {"name": "a", "age": 3}
        least = {key: full[key] for key in required}
        missing = [{key: full[key] for key in full if key != required[0]}] if required else []
        yield Case(
            closed(required, name=name, age=age), [full, least], [{**full, "x": 1}, {"name": 1}, *missing]
        )
        yield Case(
            {"properties": {"name": name, "age": age}, "required": required},
            [full, {**full, "x": 1}],
            missing,
        )
    yield Case(
        {"type": "object", "patternProperties": {"^n_": age}, "additionalProperties": False},
        [{"n_a": 1}],
        [{"a": 1}],
    )
    yield Case(
        {"type": "object", "patternProperties": {"^s": name, "^i": age}},
        [{"s": "x", "i": 1}],
        [{"s": 1}, {"i": ""}],
    )
    yield Case({"type": "object", "minProperties": 1}, [{"a": 1}], [{}])
    yield Case({"type": "object", "maxProperties": 2}, [{}, {"a": 1, "b": 2}], [{"a": 1, "b": 2, "c": 3}])
    yield Case({"type": "object", "additionalProperties": False}, [{}], [{"a": 1}])
    yield Case({"required": ["a", "b"], "type": "object"}, [{"a": 1, "b": 2}], [{"a": 1}, {}])
    yield Case(closed(a=closed(b=closed(c=age))), [{"a": {"b": {"c": 1}}}, {"a": {}}], [{"a": {"c": 1}}])
    yield Case(closed(**{"a b": age, 'q"': age, "é/~": age}), [{"a b": 1, 'q"': 2, "é/~": 3}], [{"ab": 1}])
    yield Case({"type": ["object", "string"], "properties": {"a": age}}, ["x", {"a": 1}], [{"a": ""}, 1])


def combined() -> Iterator[Case]:
    text, count = {"type": "string"}, {"type": "integer"}
    for keyword in ("anyOf", "oneOf"):
        yield Case({keyword: [text, count]}, ["a", 1], [None, [], 1.5])
        yield Case({keyword: [{"const": "a"}, {"const": "b"}]}, ["a", "b"], ["c", 1])
        kinds = [closed(["k", "v"], k={"const": k}, v=v) for k, v in (("t", text), ("c", count))]
        yield Case(
            {keyword: kinds}, [{"k": "t", "v": "x"}, {"k": "c", "v": 1}], [{"k": "t", "v": 1}, {"k": "x"}]
        )
        yield Case({keyword: [text, {"type": "null"}], "maxLength": 2}, ["ab", None], ["abc"])
        yield Case(
            closed(a={keyword: [text, {"type": "array", "items": text}]}),
            [{"a": "x"}, {"a": ["x"]}],
            [{"a": 1}],
        )
    yield Case({"allOf": [{"minimum": 3}, {"maximum": 5}], "type": "integer"}, [3, 5], [2, 6])
    yield Case(
        {"allOf": [{"required": ["a"]}, {"properties": {"a": count}}], "type": "object"},
        [{"a": 1}],
        [{}, {"a": ""}],
    )
    yield Case({"allOf": [text, {"pattern": "^a"}, {"pattern": "z$"}]}, ["az", "abz"], ["a", "z"])
    yield Case({"allOf": [{}]}, [1, "x"], [])
    yield Case(
        {"anyOf": [{"enum": [1, 2]}, {"enum": ["a"]}], "type": ["integer", "string"]}, [1, "a"], [3, "b"]
    )
    yield Case({"enum": [1, "a", None], "type": ["string", "null"]}, ["a", None], [1, "b"])
    yield Case({**text, "nullable": True}, ["a", None], [1])


def references() -> Iterator[Case]:
    item = {"type": "integer", "minimum": 3}
    for place, reference in (
        ({"$defs": {"x": item}}, "#/$defs/x"),
        ({"definitions": {"x": item}}, "#/definitions/x"),
        ({"definitions": {"a/b": item}}, "#/definitions/a~1b"),
        ({"definitions": {"a b<c>": item}}, "#/definitions/a%20b%3Cc%3E"),
        ({"parts": {"x": item}}, "#/parts/x"),
        ({"$defs": {"x": {**item, "$anchor": "here"}}}, "#here"),
        ({"$defs": {"x": {**item, "$id": "other.json"}}}, "other.json"),
        ({"$defs": {"y": {"$ref": "#/$defs/x"}, "x": item}}, "#/$defs/y"),
        ({"$defs": {"list": [True, item]}}, "#/$defs/list/1"),
    ):
        yield Case({"$ref": reference, **place}, [3, 9], [2, "x"])
        yield Case({**closed(n={"$ref": reference}), **place}, [{"n": 3}, {}], [{"n": 2}, {"n": None}])
    yield Case({"$ref": "#/$defs/x", "maximum": 5, "$defs": {"x": item}}, [3, 5], [2, 6])
    tree = closed(["v"], v={"type": "integer"}, next={"$ref": "#"})
    yield Case(
        tree, [{"v": 1}, {"v": 1, "next": {"v": 2, "next": {"v": 3}}}], [{"v": 1, "next": {}}, {"next": 1}]
    )
    nested = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]}
    yield Case(nested, [1, [], [1, [2, [3]]]], ["x", [[None]]])


def drafts() -> Iterator[Case]:
    for draft in ("draft-04", "draft-06", "draft-07"):
        old = {"$schema": f"http://json-schema.org/{draft}/schema#"}
        pair = {"items": [{"type": "integer"}, {"type": "string"}], "type": "array"}
        yield Case({**old, **pair}, [[1, "a"], [1, "a", None]], [["a"], [1, 2]])
        yield Case({**old, **pair, "additionalItems": False}, [[1, "a"]], [[1, "a", None]])
        yield Case(
            {**old, "definitions": {"x": {"const": 1}}, "$ref": "#/definitions/x", "type": "string"},
            [1],
            ["a"],
        )
    first = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "minimum": 3}
    yield Case({**first, "exclusiveMinimum": True}, [4], [3])
    yield Case({**first, "exclusiveMinimum": False}, [3], [2])
    yield Case({**first, "id": "a", "name": "b", "readonly": True, "links": []}, [3], [2])


def tools() -> Iterator[Case]:
    text = {"type": "string", "description": "A text."}
    units = {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}
    yield Case(
        closed(["city"], city=text, unit=units),
        [{"city": "Oslo"}, {"city": "", "unit": "celsius"}],
        [{"unit": "celsius"}],
    )
    yield Case(
        closed(["q"], q=text, limit={"type": "integer", "minimum": 1, "maximum": 50}),
        [{"q": "a", "limit": 50}],
        [{"q": "a", "limit": 51}],
    )
    yield Case(
        closed(["to"], to={"type": "array", "items": {"type": "string", "format": "email"}, "minItems": 1}),
        [{"to": ["a@b.org"]}],
        [{"to": []}],
    )
    yield Case(
        closed(["path"], path=text, mode={"enum": ["r", "w"]}),
        [{"path": "/a", "mode": "r"}],
        [{"path": "/a", "mode": "x"}],
    )
    yield Case(
        closed(["a", "b"], a={"type": "number"}, b={"type": "number"}),
        [{"a": 1, "b": -2.5e3}],
        [{"a": "1", "b": 2}],
    )
    yield Case({"type": "object", "properties": {}}, [{}], [[]])
    point = closed(["x", "y"], x={"type": "number"}, y={"type": "number"})
    yield Case(
        {"type": "array", "items": point, "minItems": 2},
        [[{"x": 0, "y": 1}, {"x": 2, "y": 3}]],
        [[{"x": 0, "y": 1}]],
    )


def needed() -> Iterator[Case]:
    """Properties that need or exclude each other."""
    three = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}}
    yield Case(
        {**three, "dependentRequired": {"a": ["b"], "b": ["c"]}},
        [{}, {"c": 1}, {"b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}],
        [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}, {"a": 1, "c": 1}],
    )
    yield Case(
        {"type": "object", "dependencies": {"a": ["b", "c"]}},
        [{"a": 1, "b": 1, "c": 1}, {"b": 1}],
        [{"a": 1}, {"a": 1, "c": 1}],
    )
    yield Case({**three, "dependencies": {"a": "b"}}, [{"a": 1, "b": 1}], [{"a": 1}])
    yield Case(
        {**three, "dependentSchemas": {"a": {"properties": {"b": {"const": 1}}}}},
        [{"b": 2}, {"a": 0, "b": 1}, {"a": 0}],
        [{"a": 0, "b": 2}],
    )
    yield Case(
        {**three, "oneOf": [{"required": ["a"]}, {"required": ["b", "c"]}]},
        [{"a": 1}, {"a": 1, "b": 1}, {"b": 1, "c": 1}],
        [{}, {"b": 1}, {"a": 1, "b": 1, "c": 1}],
    )


def negated() -> Iterator[Case]:
    yield Case({"not": {"type": ["string", "number"]}}, [False, None, [1], {"a": 1}], ["", 1, 1.5])
    yield Case({"type": ["string", "null"], "not": {"type": "null"}}, ["a"], [None])
    yield Case({"not": {"not": {"type": "integer"}}}, [1], ["a", 1.5])
    yield Case({"type": "string", "not": {"const": "ab"}}, ["", "a", "abc", "b", "xab"], ["ab"])
    words = ["red", "reed", "", "\n\u00e9"]
    yield Case({"type": "string", "not": {"enum": words}}, ["re", "r", "reeds", "\n"], words)
    yield Case({"not": {"enum": [None, "a"]}}, ["b", 1, False, []], [None, "a"])
    yield Case({"type": "string", "not": {"minLength": 3}}, ["", "ab"], ["abc"])
    yield Case({"not": {"maxItems": 1}}, [[1, 2]], [[1], [], "ab"])
    yield Case({"not": {"minimum": 3}}, [2.5, -1], [3, 4, "a"])
    two = {"type": "object", "properties": {"a": {}, "b": {}}}
    yield Case({**two, "not": {"required": ["a", "b"]}}, [{}, {"a": 1}, {"b": 1}], [{"a": 1, "b": 1}])
    yield Case(
        {**two, "not": {"properties": {"a": {"type": "null"}}, "required": ["b"]}},
        [{}, {"a": 1}, {"a": 1, "b": 1}],
        [{"b": 1}, {"a": None, "b": 1}],
    )
    yield Case({"not": {"anyOf": [{"type": "string"}, {"maximum": 5}]}}, [6], [5, "a", None])
    yield Case({"not": {"allOf": [{"type": "string"}, {"maxLength": 1}]}}, [6, "ab"], ["a"])
    yield Case({"type": "object", "properties": {"a": {"not": {}}}}, [{}, {"b": 1}], [{"a": 1}])
