"""JSON Schemas that a grammar can enforce, and schemas that are refused."""

from __future__ import annotations

from typing import Any

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 2},
    },
    "required": ["name", "age"],
}

SATISFIABLE: dict[str, Any] = {
    "anything": True,
    "any of no keywords": {},
    "an object": {"type": "object"},
    "a name that only a pattern allows": {
        "type": "object",
        "patternProperties": {"^a": {"type": "integer"}},
        "additionalProperties": False,
        "required": ["a"],
    },
    "an array": {"type": "array"},
    "a string": {"type": "string"},
    "a number": {"type": "number"},
    "an integer": {"type": "integer"},
    "a boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "types": {"type": ["string", "null", "integer"], "maxLength": 3, "minimum": 7},
    "person": PERSON,
    "enum": {"enum": ["a", 1, 1.5, None, True, {"b": [1, '\u00e9\n"']}]},
    "enum of a type": {"type": "integer", "enum": ["a", 1, 2.5, 7]},
    "enum with limits": {"enum": ["a", "bb", "ccc", 4], "type": "string", "minLength": 2},
    "const": {"const": {"a": [1, {"b": "ü\\"}]}},
    "optional properties": {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in "abcde"},
        "required": ["b", "d"],
    },
    "only optional properties": {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}},
    "no properties": {"type": "object", "additionalProperties": False},
    "a map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "others and named ones": {
        "type": "object",
        "properties": {"a": {"type": "null"}, "ab": {"type": "null"}, 'b"': {"type": "null"}},
        "required": ["ab"],
        "additionalProperties": {"type": "boolean"},
    },
    "required but not named": {"type": "object", "required": ["x"], "properties": {"y": {"const": 0}}},
    "strange names": {
        "type": "object",
        "properties": {"": {"const": 0}, 'a"b\\\n': {"const": 1}, "日本": {"const": 2}},
        "required": ["", 'a"b\\\n', "日本"],
    },
    "an optional property that cannot be": {"type": "object", "properties": {"a": False, "b": {"const": 1}}},
    "array of a length": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
    "array of at least": {"type": "array", "items": {"type": "null"}, "minItems": 3},
    "array of exactly": {"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 2},
    "empty array": {"type": "array", "maxItems": 0},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
    "tuple and more": {"type": "array", "prefixItems": [{"const": "x"}], "items": {"type": "integer"}},
    "tuple and no more": {"type": "array", "prefixItems": [{"const": "x"}], "items": False},
    "tuple that must be longer": {"type": "array", "prefixItems": [{"const": 1}], "minItems": 3},
    "length": {"type": "string", "minLength": 3, "maxLength": 5},
    "long": {"type": "string", "minLength": 2100, "maxLength": 2101},
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3,5}(a|b)?$"},
    "open pattern": {"type": "string", "pattern": "^cat|^dog$"},
    "pattern with what JSON escapes": {"type": "string", "pattern": '^["\\\\/]\\s[^\\w]\\.[^a-z]$'},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "date-time": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "email": {"type": "string", "format": "email"},
    "hostname": {"type": "string", "format": "hostname"},
    "uri": {"type": "string", "format": "uri"},
    "integers about zero": {"type": "integer", "minimum": -12, "maximum": 7},
    "negative integers": {"type": "integer", "exclusiveMaximum": -98, "minimum": -1203},
    "integers from": {"type": "integer", "minimum": 4711},
    "integers down from": {"type": "integer", "maximum": -3.5},
    "one integer": {"type": "integer", "minimum": 5, "maximum": 5},
    "numbers of a unit": {"type": "number", "minimum": 0, "maximum": 1},
    "numbers within": {"type": "number", "exclusiveMinimum": -3, "exclusiveMaximum": 2},
    "numbers above": {"type": "number", "exclusiveMinimum": 99},
    "numbers below": {"type": "number", "maximum": -20},
    "anyOf": {"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"const": 1}}}]},
    "anyOf and properties": {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "integer"}},
        "anyOf": [{"required": ["x"]}, {"properties": {"kind": {"const": "b"}}, "required": ["kind"]}],
    },
    "oneOf by type": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    "oneOf by a constant": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"t": {"const": name}, name: {"type": "integer"}},
                "required": ["t"],
            }
            for name in ("cat", "dog")
        ]
    },
    "allOf": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"maximum": 5}, "b": {"type": "null"}}, "required": ["b"]},
        ]
    },
    "allOf, one of them closed": {
        "allOf": [
            {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": False},
            {"type": "object", "properties": {"a": {}, "b": {"const": 2}}},
        ]
    },
    "or null": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
    "reference": {"$ref": "#/$defs/p", "$defs": {"p": {"type": "integer", "minimum": 9}}},
    "reference and more": {
        "$ref": "#/definitions/p",
        "maximum": 9,
        "definitions": {"p": {"type": "integer"}},
    },
    "recursive list": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "v": {"enum": [0, 1]},
                    "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
                },
                "required": ["v", "next"],
                "additionalProperties": False,
            }
        },
    },
    "recursive tree": {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}},
        "required": ["children"],
    },
    "annotations": {"type": "boolean", "title": "x", "description": "y", "default": True, "examples": [1]},
    "numbers from a fraction": {"type": "number", "minimum": 0.25, "maximum": 1.75},
    "multiples": {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 100},
    "at least one member": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "null"}},
    "at most one member": {"type": "object", "maxProperties": 1, "additionalProperties": {"const": 0}},
    "names by a pattern": {
        "type": "object",
        "patternProperties": {"^x-": {"type": "integer"}},
        "additionalProperties": False,
    },
    "a pattern and a length": {"type": "string", "pattern": "^a", "maxLength": 3},
    "a pattern and a format": {"type": "string", "pattern": "^2", "format": "date"},
    "exclusive limits of draft 4": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "integer",
        "minimum": 3,
        "exclusiveMinimum": True,
        "maximum": 5,
    },
    "a tuple of older drafts": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [{"type": "integer"}, {"type": "null"}],
        "additionalItems": False,
        "minItems": 2,
    },
    "ipv6": {"type": "string", "format": "ipv6"},
    "duration": {"type": "string", "format": "duration"},
    "json-pointer": {"type": "string", "format": "json-pointer"},
    "an array of up to 2000": {"type": "array", "maxItems": 2000, "items": {"type": "integer"}},
    "a name with escapes in a reference": {
        "$ref": "#/definitions/Partial%3CFoo%3E",
        "definitions": {"Partial<Foo>": {"type": "boolean"}},
    },
    "a reference by its anchor": {"$ref": "#here", "$defs": {"x": {"$anchor": "here", "const": 5}}},
    "a reference into a word that no draft knows": {"$ref": "#/parts/a", "parts": {"a": {"const": 6}}},
    "a circle with a way out": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"const": 1}]}, "b": {"$ref": "#/$defs/a"}},
    },
    "an optional circle": {
        "type": "object",
        "properties": {"a": {"$ref": "#"}},
        "additionalProperties": False,
    },
    "ECMAScript's patterns": {
        "type": "array",
        "prefixItems": [
            {"type": "string", "pattern": "^[\\p{Lu}_ .()-]{1,3}$"},
            {"type": "string", "pattern": "^(?<n>a)\\u{1F600}\\cA?$"},
            {"type": "string", "pattern": "^[^]\\/[\\d\\-]$"},
        ],
        "items": False,
        "minItems": 3,
    },
}
"""Name → a schema that a grammar can enforce."""

REFUSED: list[tuple[Any, str, str]] = [
    ({"enum": ["\ud800"]}, "unsupportedSchema", ""),  # half of a character
    ({"not": {"type": "integer"}}, "unsupportedSchema", "/not"),
    ({"not": {"type": "strnig"}}, "unsupportedSchema", "/not"),
    ({"not": {"type": "string", "nullable": True}}, "unsupportedSchema", "/not"),
    ({"not": {"const": 1}}, "unsupportedSchema", "/not"),
    ({"not": {"const": "a" * 51}}, "unsupportedSchema", "/not"),
    ({"not": {"minimum": 3, "exclusiveMinimum": True}}, "unsupportedSchema", "/not"),
    ({"not": {"not": {"uniqueItems": True}}}, "unsupportedSchema", "/not"),
    ({"not": {}}, "unsatisfiableSchema", ""),
    ({"type": "array", "uniqueItems": True}, "unsupportedSchema", "/uniqueItems"),
    ({"type": "array", "contains": {}}, "unsupportedSchema", "/contains"),
    ({"type": "object", "propertyNames": {"maxLength": 3}}, "unsupportedSchema", "/propertyNames"),
    ({"dependentRequired": {name: ["x"] for name in "abcdefg"}}, "unsupportedSchema", "/dependentRequired"),
    ({"oneOf": [{"required": ["a"]}, {"required": ["a"]}]}, "unsatisfiableSchema", ""),
    ({"if": {}, "then": {}}, "unsupportedSchema", "/if"),
    ({"type": "string", "pattern": "(?=a)b"}, "unsupportedSchema", "/pattern"),
    ({"type": "string", "pattern": "(a"}, "unsupportedSchema", "/pattern"),
    ({"type": "strnig"}, "unsupportedSchema", "/type"),
    ({"type": "object", "properties": {"a/b": 3}}, "unsupportedSchema", "/properties/a~1b"),
    ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "unsupportedSchema", "/oneOf"),
    ({"$ref": "https://example.org/schema"}, "unsupportedSchema", "/$ref"),
    ({"$ref": "#/$defs/none"}, "unsupportedSchema", "/$ref"),
    ({"minItems": "1"}, "unsupportedSchema", "/minItems"),
    ({"maxLength": -1}, "unsupportedSchema", "/maxLength"),
    ({"enum": []}, "unsatisfiableSchema", ""),
    ({"type": "string", "allOf": [2]}, "unsupportedSchema", "/allOf/0"),
    ({"type": "string", "anyOf": [{}, "a"]}, "unsupportedSchema", "/anyOf/1"),
    ({"type": [["string"]]}, "unsupportedSchema", "/type"),
    (
        {"oneOf": [{"type": ["number", "object"]}, {"type": ["integer", "object"]}]},
        "unsupportedSchema",
        "/oneOf",
    ),
    (False, "unsatisfiableSchema", ""),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "unsatisfiableSchema", ""),
    ({"type": "number", "exclusiveMinimum": 3, "maximum": 3}, "unsatisfiableSchema", ""),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "unsatisfiableSchema", ""),
    ({"type": "array", "minItems": 3, "maxItems": 2}, "unsatisfiableSchema", ""),
    ({"type": "array", "items": False, "minItems": 1}, "unsatisfiableSchema", ""),
    ({"type": "string", "enum": [1, 2]}, "unsatisfiableSchema", ""),
    ({"type": "object", "required": ["a"], "additionalProperties": False}, "unsatisfiableSchema", ""),
    ({"type": "string", "format": "regex"}, "unsupportedSchema", "/format"),
    ({"type": "string", "pattern": "(a)\\1"}, "unsupportedSchema", "/pattern"),
    ({"required": True}, "unsupportedSchema", "/required"),
    ({"properties": {"a": {"$ref": "other.json#/x"}}}, "unsupportedSchema", "/properties/a/$ref"),
    ({"anyOf": [{"$ref": "#"}]}, "unsatisfiableSchema", ""),
    ({"minProperties": 2, "properties": {"a": {}, "b": {}}}, "unsupportedSchema", "/minProperties"),
    ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "unsatisfiableSchema", ""),
    ({"allOf": [{"type": "string"}, {"type": "null"}]}, "unsatisfiableSchema", ""),
    ({"allOf": [{"const": 1}, {"const": 2}]}, "unsatisfiableSchema", ""),
    ({"$ref": "#"}, "unsatisfiableSchema", ""),
    ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "unsatisfiableSchema", ""),
]
"""Schema, kind of the error, and the pointer within the schema."""
