"""Schemas as libraries write them, with values; malformed ones; and made ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
DRAFT_4 = {"$schema": "http://json-schema.org/draft-04/schema#"}
DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#"}

EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
UUID = (
    r"^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
    r"|0{8}-0{4}-0{4}-0{4}-0{12})$"
)
TIME = (
    r"^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z)$"
)


def of(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


CASES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "zod formats": (
        {
            **DRAFT,
            **of(
                {
                    "email": {"type": "string", "format": "email", "pattern": EMAIL},
                    "id": {"type": "string", "format": "uuid", "pattern": UUID},
                    "at": {"type": "string", "format": "date-time", "pattern": TIME},
                },
                additionalProperties=False,
            ),
        },
        [
            {},
            {"email": "a.b@c.de", "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "at": "2026-11-30T02:08:19Z"},
        ],
        [{"email": "a..b@c.de"}, {"id": "3fa85f64"}, {"at": "2026-13-30T02:08Z"}, {"more": 1}],
    ),
    "zod record": (
        of(
            {
                "r": {
                    "type": "object",
                    "propertyNames": {"type": "string", "pattern": "^[a-z]+$"},
                    "additionalProperties": {"type": "number"},
                },
                "loose": of({}, additionalProperties={}),
            }
        ),
        [{"r": {"a": 1.5}}, {"loose": {"anything": [None]}}],
        [{"r": {"A": 1}}, {"r": {"a": "1"}}],
    ),
    "zod annotations": (
        of(
            {
                "a": {
                    "type": "string",
                    "default": "x",
                    "readOnly": True,
                    "contentEncoding": "base64",
                    "x-order": 1,
                    "title": "A",
                    "deprecated": True,
                    "examples": ["y"],
                    "id": "a",
                    "description": "d",
                }
            }
        ),
        [{"a": "eA=="}],
        [{"a": 1}],
    ),
    "zod discriminated union": (
        of(
            {
                "shape": {
                    "oneOf": [
                        of(
                            {
                                "kind": {"type": "string", "const": "circle"},
                                "r": {"type": "number", "exclusiveMinimum": 0},
                            },
                            required=["kind", "r"],
                            additionalProperties=False,
                        ),
                        of(
                            {"kind": {"type": "string", "const": "square"}, "side": {"type": "number"}},
                            required=["kind", "side"],
                            additionalProperties=False,
                        ),
                    ]
                }
            }
        ),
        [{"shape": {"kind": "circle", "r": 1}}, {"shape": {"kind": "square", "side": 2}}],
        [
            {"shape": {"kind": "circle", "side": 2}},
            {"shape": {"kind": "square", "r": 1}},
            {"shape": {"kind": "circle", "r": 0}},
        ],
    ),
    "zod tuple": (
        of(
            {
                "t": {
                    "type": "array",
                    "prefixItems": [{"type": "string"}, {"type": "number"}],
                    "items": {"type": "boolean"},
                }
            }
        ),
        [{"t": ["a", 1]}, {"t": ["a", 1, True]}, {"t": []}],
        [{"t": [1]}, {"t": ["a", 1, "b"]}],
    ),
    "zod int": (
        of({"n": {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991}}),
        [{"n": 9007199254740991}, {"n": 1.0}],
        [{"n": 9007199254740992}, {"n": 1.5}, {"n": True}, {"n": float("inf")}, {"n": 10**400}],
    ),
    "zod nullable": (
        of(
            {
                "a": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "b": {"type": ["number", "null"]},
                "openapi": {"type": "string", "enum": ["x"], "nullable": True},
            }
        ),
        [{"a": None, "b": None, "openapi": None}, {"a": "1", "b": 1, "openapi": "x"}],
        [{"a": 1}, {"b": "1"}, {"openapi": "y"}],
    ),
    "zod recursion": (
        {
            **DRAFT,
            "$ref": "#/$defs/__schema0",
            "$defs": {
                "__schema0": of(
                    {
                        "name": {"type": "string"},
                        "children": {"type": "array", "items": {"$ref": "#/$defs/__schema0"}},
                    },
                    required=["name"],
                    additionalProperties=False,
                )
            },
        },
        [{"name": "a", "children": [{"name": "b", "children": []}]}],
        [{"name": "a", "children": [{"children": []}]}],
    ),
    "pydantic": (
        {
            "$defs": {
                "Level": {"enum": ["low", "high"], "title": "Level", "type": "string"},
                "Item": of(
                    {"sku": {"pattern": r"(?i)^[a-z]{2}\d+\Z", "title": "Sku", "type": "string"}},
                    required=["sku"],
                    title="Item",
                ),
            },
            **of(
                {
                    "items": {"items": {"$ref": "#/$defs/Item"}, "minItems": 1, "type": "array"},
                    "level": {"$ref": "#/$defs/Level", "default": "low"},
                    "price": {"multipleOf": 0.01, "type": "number"},
                },
                required=["items"],
                title="Order",
            ),
        },
        [{"items": [{"sku": "AB12"}], "level": "high", "price": 0.07}],
        [
            {"items": []},
            {"items": [{"sku": "a1"}]},
            {"items": [{"sku": "ab1"}], "level": "mid"},
            {"items": [{"sku": "ab1"}], "price": 0.001},
        ],
    ),
    "draft 7": (
        {
            **DRAFT_7,
            **of(
                {
                    "f": {"$ref": "#/definitions/Partial%3CFoo%3E"},
                    "t": {"items": [{"type": "string"}], "additionalItems": False},
                    "d": {"dependencies": {"a": ["b"], "c": {"required": ["e"]}}},
                }
            ),
            "definitions": {"Partial<Foo>": {"type": "integer"}},
        },
        [{"f": 1, "t": ["a"], "d": {"a": 1, "b": 1, "c": 1, "e": 1}}],
        [{"f": "1"}, {"t": ["a", 1]}, {"t": [1]}, {"d": {"a": 1}}, {"d": {"c": 1}}],
    ),
    "draft 4": (
        {
            **DRAFT_4,
            "id": "http://example.org/s",
            **of({"n": {"minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False}}),
        },
        [{"n": 1}, {"n": 9}],
        [{"n": 0}, {"n": 10}],
    ),
    "names for references": (
        {
            "$id": "https://example.org/root",
            "$defs": {
                "a~/b": {"$anchor": "one", "type": "string"},
                "two": {"$id": "two", "$ref": "#/$defs/inner", "$defs": {"inner": {"type": "integer"}}},
            },
            **of(
                {
                    "a": {"$ref": "#one"},
                    "b": {"$ref": "two"},
                    "c": {"$ref": "#/$defs/a~0~1b"},
                    "d": {"$ref": "https://example.org/root#/properties/a"},
                }
            ),
        },
        [{"a": "x", "b": 1, "c": "x", "d": "x"}],
        [{"a": 1}, {"b": "x"}, {"c": 1}, {"d": 1}],
    ),
    "huge numbers": (of({"n": {"multipleOf": 0.5}}), [{"n": 10**400}, {"n": 1e308}], [{"n": float("nan")}]),
    "unevaluated": (of({"a": True}, unevaluatedProperties=False), [{"a": 1}], [{"b": 1}]),
    "equality": (
        of({"a": {"enum": [1, "1", [0], {"b": None}]}, "u": {"uniqueItems": True}}),
        [{"a": 1.0}, {"a": [0.0]}, {"a": {"b": None}}, {"u": [1, True, "1", [1], [True]]}],
        [{"a": True}, {"a": [False]}, {"u": [1, 1.0]}, {"u": [{"x": [1]}, {"x": [1]}]}],
    ),
}

MALFORMED: list[tuple[Any, str]] = [
    ({"pattern": r"\p{Script=Greek}"}, "/pattern"),
    ({"pattern": 1}, "/pattern"),
    ({"patternProperties": {"(": {}}}, "/patternProperties/("),
    ({"type": "objekt"}, "/type"),
    ({"type": ["string", None]}, "/type"),
    ({"type": []}, "/type"),
    ({"required": True}, "/required"),
    ({"required": ["a", 1]}, "/required"),
    ({"properties": []}, "/properties"),
    ({"properties": {"c/d": "string"}}, "/properties/c~1d"),
    ({"items": "string"}, "/items"),
    ({"prefixItems": {}}, "/prefixItems"),
    ({"anyOf": []}, "/anyOf"),
    ({"anyOf": {"a": 1}}, "/anyOf"),
    ({"enum": "abc"}, "/enum"),
    ({"minimum": "1"}, "/minimum"),
    ({"maxLength": -1}, "/maxLength"),
    ({"multipleOf": 0}, "/multipleOf"),
    ({"minItems": 1.5}, "/minItems"),
    ({"uniqueItems": 1}, "/uniqueItems"),
    ({"dependencies": [1]}, "/dependencies"),
    ({"dependentRequired": {"x": "y"}}, "/dependentRequired"),
    ({"contains": {}, "minContains": -1}, "/contains"),
    ({"$ref": "#/nowhere"}, "/$ref"),
    ({"$ref": "https://example.org/other.json"}, "/$ref"),
    ({"$ref": "#missing"}, "/$ref"),
    ({"$ref": 1}, "/$ref"),
    ({"$ref": "#/properties/b/type"}, "/$ref"),
    ({"$dynamicRef": "#x"}, "/$dynamicRef"),
    ({"allOf": [{}], "unevaluatedProperties": False}, "/unevaluatedProperties"),
]
"""Schemas with one keyword that cannot be checked, and its pointer."""

UNKNOWN = {"pattern": r"\p{Script=Greek}"}
DOUBTS: list[Any] = [
    {"not": UNKNOWN},
    {"not": {"not": {"not": UNKNOWN}}},
    {"oneOf": [True, UNKNOWN]},
    {"if": UNKNOWN, "then": False, "else": False},
    {"properties": {"a": {"not": UNKNOWN}}},
    {"patternProperties": {"(": True}, "additionalProperties": False},
    {"properties": 1, "additionalProperties": False},
    {"not": {"properties": {"a": UNKNOWN}}},
]
"""Schemas that can only be judged by one who knows the unknown word."""

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def random_value(rng: random.Random, depth: int) -> Any:
    plain = [None, True, False, 0, 1, 2, 5, -1, 1.0, 2.5, 10**20, "", "a", "ab", "abc", "b1"]
    if depth == 0 or rng.random() < 0.5:
        return rng.choice(plain)
    values = [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return values if rng.random() < 0.4 else dict(zip("abc", values, strict=False))


def random_schema(rng: random.Random, depth: int) -> dict[str, Any]:
    """A schema of draft 2020-12 with keywords at random, and no circles."""
    definitions = {"x": _schema(rng, 1, refer=False), "y": of({"a": {"$ref": "#/$defs/x"}})}
    return {**_schema(rng, depth), "$defs": definitions}


def _schema(rng: random.Random, depth: int, refer: bool = True) -> dict[str, Any]:
    def sub() -> Any:
        return rng.choice([True, False]) if rng.random() < 0.1 else _schema(rng, depth - 1, refer)

    def named() -> Any:
        return {rng.choice("abc"): sub() for _ in range(2)}

    leaf: dict[str, Callable[[], Any]] = {
        "type": lambda: rng.choice([*TYPES, ["string", "null"], ["integer", "object"]]),
        "enum": lambda: [random_value(rng, 1) for _ in range(4)],
        "const": lambda: random_value(rng, 1),
        "minimum": lambda: rng.choice([0, 1.5]), "maximum": lambda: 2, "multipleOf": lambda: rng.choice([2, 0.5]),
        "exclusiveMinimum": lambda: 1, "exclusiveMaximum": lambda: 5, "minLength": lambda: 1, "maxLength": lambda: 2,
        "minItems": lambda: 1, "maxItems": lambda: 2, "minProperties": lambda: 1, "maxProperties": lambda: 1,
        "pattern": lambda: rng.choice(["^a", "b$", "[0-9]+"]), "required": lambda: ["a"],
        "dependentRequired": lambda: {"a": ["b"]}, "uniqueItems": lambda: True,
    }  # fmt: skip
    inner: dict[str, Callable[[], Any]] = {
        "properties": named, "dependentSchemas": named,
        "patternProperties": lambda: {rng.choice(["^a", "[bc]"]): sub()},
        "prefixItems": lambda: [sub()], "minContains": lambda: rng.choice([0, 2]), "maxContains": lambda: 1,
        **dict.fromkeys(("allOf", "anyOf", "oneOf"), lambda: [sub() for _ in range(rng.randrange(1, 4))]),
        **dict.fromkeys(("additionalProperties", "propertyNames", "items", "contains"), sub),
        **dict.fromkeys(("not", "if", "then", "else"), sub),
    }  # fmt: skip
    if refer:
        inner["$ref"] = lambda: rng.choice(["#/$defs/x", "#/$defs/y"])
    makers = {**leaf, **inner} if depth > 0 else leaf
    return {key: makers[key]() for key in rng.sample(list(makers), rng.randrange(1, 4))}
