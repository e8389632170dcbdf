"""The keywords of JSON Schema that a grammar can enforce, and how schemas are read."""

from __future__ import annotations

from typing import Final, TypedDict, cast

Schema = TypedDict(
    "Schema",
    {
        "type": "str | list[str]",
        "enum": "list[object]",
        "const": "object",
        "$ref": "str",
        "allOf": "list[object]",
        "anyOf": "list[object]",
        "oneOf": "list[object]",
        "properties": "dict[str, object]",
        "required": "list[str]",
        "additionalProperties": "object",
        "items": "object",
        "prefixItems": "list[object]",
        "additionalItems": "object",
        "minItems": "int",
        "maxItems": "int",
        "minLength": "int",
        "maxLength": "int",
        "pattern": "str",
        "format": "str",
        "minimum": "float",
        "maximum": "float",
        "exclusiveMinimum": "float",
        "exclusiveMaximum": "float",
    },
    total=False,
)
"""A schema that `read_schema` has checked. The schemas within it are not checked yet: they are `object`."""

SUPPORTED: Final = Schema.__optional_keys__
"""The keywords that a grammar can enforce."""

TYPES: Final = ("object", "array", "string", "number", "integer", "boolean", "null")

ANNOTATIONS: Final = frozenset((
    "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default",
    "examples", "example", "deprecated", "readOnly", "writeOnly", "discriminator",
    "contentMediaType", "contentEncoding",
))  # fmt: skip
"""Keywords that do not restrict values."""

NEUTRAL: Final[dict[str, object]] = {
    "uniqueItems": False,
    "minProperties": 0,
    "nullable": False,
    "propertyNames": {"type": "string"},  # as zod writes it for every record
}
"""Unsupported keyword → the value with which it restricts nothing, so that it can be ignored."""

HINTS: Final = {"nullable": '; use "type": [..., "null"]'}
"""Unsupported keyword → what to use instead."""

SHAPES: Final[dict[str, tuple[type, ...]]] = {
    "type": (str, list),
    "enum": (list,),
    "$ref": (str,),
    "properties": (dict,),
    "pattern": (str,),
    "format": (str,),
    "additionalProperties": (dict, bool),
    "items": (dict, bool, list),
    "additionalItems": (dict, bool),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "required", "prefixItems"), (list,)),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), (int,)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (int, float)),
}
"""Keyword → the types that its value may have."""


class Unsupported(Exception):
    """A keyword that a grammar cannot enforce, or whose value is malformed."""

    def __init__(self, pointer: str, keyword: str, problem: str) -> None:
        super().__init__(problem)
        self.pointer = f"{pointer}/{keyword}"
        self.keyword = keyword.replace("~1", "/").replace("~0", "~")
        self.problem = problem


class Unsatisfiable(Exception):
    """No value satisfies the schema at this pointer."""

    def __init__(self, pointer: str) -> None:
        super().__init__(pointer)
        self.pointer = pointer


# ---- reading -------------------------------------------------------------------------------------------


def read_schema(schema: object, pointer: str) -> Schema:
    """Check a schema's own keywords. Returns a copy without annotations. Raises Unsupported."""
    if not isinstance(schema, dict):
        parent, _, keyword = pointer.rpartition("/")
        raise Unsupported(parent, keyword, "a schema must be an object, true or false")
    for keyword, value in schema.items():
        if keyword not in ANNOTATIONS and not (keyword in NEUTRAL and NEUTRAL[keyword] == value):
            _check_keyword(keyword, value, pointer)
    read = cast("Schema", {key: value for key, value in schema.items() if key in SUPPORTED})
    types = read.get("type", [])
    for name in [types] if isinstance(types, str) else types:
        if name not in TYPES:
            raise Unsupported(pointer, "type", f"{name!r} is not one of {', '.join(TYPES)}")
    if not all(isinstance(key, str) for key in read.get("required", [])):
        raise Unsupported(pointer, "required", "it must be a list of names")
    return read


def _check_keyword(keyword: str, value: object, pointer: str) -> None:
    if keyword not in SUPPORTED:
        hint = HINTS.get(keyword, "")
        raise Unsupported(pointer, keyword, f"this keyword is not supported{hint}")
    shapes = SHAPES.get(keyword)
    if shapes is not None:
        unexpected_bool = isinstance(value, bool) and bool not in shapes  # Python takes it for an int
        if unexpected_bool or not isinstance(value, shapes):
            raise Unsupported(pointer, keyword, "its value has the wrong type")
    if shapes == (int,) and isinstance(value, int) and value < 0:
        raise Unsupported(pointer, keyword, "it is negative")
    if keyword in ("enum", "anyOf", "oneOf", "allOf") and not value:
        raise Unsupported(pointer, keyword, "the list is empty")


def read_if_object(schema: object, pointer: str) -> Schema | bool:
    """`read_schema`, for a schema that may be true or false."""
    return schema if isinstance(schema, bool) else read_schema(schema, pointer)


def without(schema: Schema, *keywords: str) -> Schema:
    """A copy without some keywords."""
    return cast("Schema", {key: value for key, value in schema.items() if key not in keywords})


def types_of(schema: Schema) -> list[str]:
    """The types that a schema allows, each once. `number` includes `integer`."""
    types = schema.get("type", [name for name in TYPES if name != "integer"])
    return [types] if isinstance(types, str) else list(dict.fromkeys(types))


def type_of(value: object) -> str:
    """The type of a JSON value, with JSON Schema's name."""
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {
        dict: "object",
        list: "array",
        str: "string",
        int: "integer",
        float: "number",
        type(None): "null",
    }
    return names[type(value)]
