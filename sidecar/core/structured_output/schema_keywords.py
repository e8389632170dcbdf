"""The keywords of JSON Schema that output can be kept to, and how schemas are joined and told apart."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TYPES: Final = ("object", "array", "string", "number", "integer", "boolean", "null")

ANNOTATIONS: Final = frozenset((
    "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default",
    "examples", "example", "deprecated", "readOnly", "writeOnly", "discriminator",
    "contentMediaType", "contentEncoding",
))  # fmt: skip
"""Keywords that say nothing about what is valid."""

SUPPORTED: Final = frozenset((
    "type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf", "properties",
    "required", "additionalProperties", "items", "prefixItems", "additionalItems", "minItems",
    "maxItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum",
))  # fmt: skip

NEUTRAL: Final[dict[str, Any]] = {"uniqueItems": False, "minProperties": 0, "nullable": False}
"""Keywords that are not supported, and the value with which they say nothing."""

HINTS: Final = {"nullable": '; JSON Schema has "type": [..., "null"]'}

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
    """A keyword that output cannot be kept to, or that is not well formed."""

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


def check_keywords(schema: Any, pointer: str) -> None:
    """Raise Unsupported if a schema is none, or has a keyword that is not supported."""
    if not isinstance(schema, dict):
        parent, _, keyword = pointer.rpartition("/")
        raise Unsupported(parent, keyword, "a schema is an object, true or false")
    for keyword, value in schema.items():
        if keyword in ANNOTATIONS or (keyword in NEUTRAL and NEUTRAL[keyword] == value):
            continue
        if keyword not in SUPPORTED:
            better = HINTS.get(keyword, "")
            raise Unsupported(pointer, keyword, f"this keyword is not supported{better}")
        shapes = SHAPES.get(keyword)
        whole = isinstance(value, bool) and shapes is not None and bool not in shapes
        if shapes is not None and (whole or not isinstance(value, shapes)):
            raise Unsupported(pointer, keyword, "its value is of the wrong type")
        if keyword in ("minItems", "maxItems", "minLength", "maxLength") and value < 0:
            raise Unsupported(pointer, keyword, "it is negative")
        if keyword in ("enum", "anyOf", "oneOf", "allOf") and not value:
            raise Unsupported(pointer, keyword, "the list is empty")
    _check_lists(schema, pointer)


def _check_lists(schema: Schema, pointer: str) -> None:
    told = schema.get("type", [])
    for name in [told] if isinstance(told, str) else told:
        if name not in TYPES:
            raise Unsupported(pointer, "type", f"{name!r} is none of {', '.join(TYPES)}")
    if not all(isinstance(key, str) for key in schema.get("required", [])):
        raise Unsupported(pointer, "required", "it is a list of names")


def without_annotations(schema: Schema) -> Schema:
    """A copy with only what says what is valid."""
    return {key: value for key, value in schema.items() if key in SUPPORTED}


def type_of(value: Any) -> str:
    """The type of a JSON value, in the words of JSON Schema."""
    if isinstance(value, bool):
        return "boolean"
    names = {
        dict: "object",
        list: "array",
        str: "string",
        int: "integer",
        float: "number",
        type(None): "null",
    }
    return names[type(value)]


# ---- both of two schemas -----------------------------------------------------------------------------


def merged(left: Any, right: Any, pointer: str) -> Any:
    """A schema of the values that satisfy both. Raises Unsupported, Unsatisfiable."""
    if left is True or left == {}:
        return right
    if right is True or right == {}:
        return left
    if left is False or right is False:
        raise Unsatisfiable(pointer)
    both = {**left, **right}
    for keyword in left.keys() & right.keys():
        both[keyword] = _merged_keyword(keyword, left[keyword], right[keyword], pointer)
    if "properties" in both or "additionalProperties" in both:
        both["properties"] = _merged_properties(left, right)
    return both


def _merged_keyword(keyword: str, left: Any, right: Any, pointer: str) -> Any:
    if left == right or keyword == "properties":
        return left
    if keyword == "type":
        types = _common_types(_listed(left), _listed(right))
        if not types:
            raise Unsatisfiable(pointer)
        return types
    if keyword == "enum":
        return [
            value for value in left if any(type_of(value) == type_of(v) and value == v for v in right)
        ] or [_impossible(pointer)]
    if keyword == "required":
        return list(dict.fromkeys([*left, *right]))
    if keyword == "allOf":
        return [*left, *right]
    if keyword.startswith(("min", "exclusiveMin")):
        return max(left, right)
    if keyword.startswith(("max", "exclusiveMax")):
        return min(left, right)
    if keyword in ("additionalProperties", "items"):
        return {"allOf": [left, right]}
    if keyword == "const":
        raise Unsatisfiable(pointer)
    raise Unsupported(pointer, keyword, "it cannot be joined with another one of allOf, anyOf, oneOf or $ref")


def _impossible(pointer: str) -> Any:
    raise Unsatisfiable(pointer)


def _listed(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _common_types(left: list[str], right: list[str]) -> list[str]:
    common = [name for name in left if name in right]
    crossed = ("integer" in left and "number" in right) or ("number" in left and "integer" in right)
    return [*common, "integer"] if crossed and not {"integer", "number"} & set(common) else common


def _merged_properties(left: Schema, right: Schema) -> Schema:
    """Properties that one schema does not name must satisfy its additionalProperties."""
    ours, theirs = left.get("properties", {}), right.get("properties", {})
    found = {}
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        parts = [
            side[key] if key in side else schema.get("additionalProperties", True)
            for side, schema in ((ours, left), (theirs, right))
        ]
        told = [part for part in parts if part is not True and part != {}]
        found[key] = (
            False if False in told else told[0] if len(told) == 1 else {"allOf": told} if told else True
        )
    return found


# ---- one or the other --------------------------------------------------------------------------------


def disjoint(left: Any, right: Any) -> bool:
    """Whether it is plain that no value satisfies both."""
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return False in (left, right)
    ours, theirs = _values(left), _values(right)
    if ours is not None and theirs is not None:
        return not any(type_of(a) == type_of(b) and a == b for a in ours for b in theirs)
    types = [set(_listed(schema.get("type", list(TYPES)))) for schema in (left, right)]
    for values, side in ((ours, 0), (theirs, 1)):
        if values is not None:
            types[side] = {type_of(value) for value in values}
    if not _common_types(sorted(types[0]), sorted(types[1])):
        return True
    if types[0] & types[1] != {"object"}:
        return False
    shared = set(left.get("required", [])) & set(right.get("required", []))
    properties = left.get("properties", {}), right.get("properties", {})
    if any(disjoint(properties[0].get(key, True), properties[1].get(key, True)) for key in shared):
        return True
    return _excludes(left, right) or _excludes(right, left)


def _values(schema: Schema) -> list[Any] | None:
    """The values that a schema lists; None if it lists none."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _excludes(left: Schema, right: Schema) -> bool:
    """Whether one wants a property that the other forbids."""
    forbids = right.get("additionalProperties") is False
    return forbids and any(key not in right.get("properties", {}) for key in left.get("required", []))
