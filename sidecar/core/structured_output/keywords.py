"""The keywords of JSON Schema: those that a mask enforces, those that only a check can, those that say nothing."""

from __future__ import annotations

from typing import Any, Final

from sidecar.core.schema_check.reader import OTHER_LIMIT
from sidecar.core.schema_check.value_keywords import TYPES, Malformed, is_number, is_whole

Json = Any  # any JSON value

NUMBERS: Final = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"))
SIZES: Final = frozenset(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"))
LISTS: Final = frozenset(("allOf", "anyOf", "oneOf"))
OBJECTS: Final = frozenset(("properties", "patternProperties"))
VALUES: Final = frozenset(("type", "enum", "const", "required", "format", "pattern"))
ITEMS: Final = frozenset(("items", "prefixItems", "additionalItems"))

MASKED: Final = frozenset(
    (*NUMBERS, *SIZES, *LISTS, *OBJECTS, *VALUES, *ITEMS, "additionalProperties", "$ref")
)
"""Keywords that the mask enforces."""

CHECKED: Final = frozenset(
    (
        *("not", "if", "then", "else", "contains", "minContains", "maxContains", "uniqueItems"),
        *("propertyNames", "dependencies", "dependentRequired", "dependentSchemas"),
        *("unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"),
        *("extends", "disallow", "divisibleBy"),
    )
)
"""Keywords of some draft that a mask cannot enforce."""

SILENT: Final = frozenset(
    (
        *("$schema", "$id", "id", "$anchor", "$defs", "definitions", "$comment", "$vocabulary"),
        *("$dynamicAnchor", "$recursiveAnchor", "title", "description", "default", "example", "examples"),
        *("readOnly", "writeOnly", "deprecated", "contentMediaType", "contentEncoding", "contentSchema"),
        "nullable",
    )
)
"""Keywords that say nothing about which values fit, or are read elsewhere."""

FORMATS: Final = {
    **{name: name for name in ("date-time", "time", "date", "duration", "email", "hostname")},
    **{name: name for name in ("ipv4", "ipv6", "uuid", "uri")},
    "ip-address": "ipv4",  # draft 3's names
    "host-name": "hostname",
}
"""Formats that the mask enforces, by their names in llguidance."""

_PART: Final = r"[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}"

FORMAT_PATTERNS: Final = {
    "json-pointer": r"^(/([^~/]|~[01])*)*$",
    "relative-json-pointer": r"^(0|[1-9][0-9]*)(#|(/([^~/]|~[01])*)*)$",
    "uri-reference": rf"^/?(({_PART})+(/({_PART})+)*)?/?(\?({_PART}|[/?])*)?(#({_PART}|[/?])*)?$",
    "idn-email": '^[^\\s@"<>(),:;\\[\\]\\\\]+@[^\\s@"<>(),:;\\[\\]\\\\.]+([.][^\\s@"<>(),:;\\[\\]\\\\.]+)+$',
}
"""Formats that the mask enforces by a pattern of its own. It may allow less, never more."""

STANDARD_FORMATS: Final = frozenset(("idn-hostname", "iri", "iri-reference", "uri-template", "regex"))
"""Other formats that a draft defines."""

TRIVIAL: Final = {
    "uniqueItems": (False,),
    "unevaluatedProperties": (True, {}),
    "unevaluatedItems": (True, {}),
    "propertyNames": (True, {}, {"type": "string"}),
    "not": (False,),
    "dependencies": ({},),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
}
"""Values with which a keyword of CHECKED allows everything."""


NEEDS: Final[dict[str, frozenset[str]]] = {
    "then": frozenset(("if",)),
    "else": frozenset(("if",)),
    "if": frozenset(("then", "else")),
    "minContains": frozenset(("contains",)),
    "maxContains": frozenset(("contains",)),
}
"""Keyword → those of which it needs one to say anything."""

SAME_AS: Final = {"unevaluatedProperties": "additionalProperties", "unevaluatedItems": "items"}
"""Keyword → the one that says the same in a schema without schemas about the same value."""

OPENING: Final = frozenset(
    ("additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref", "enum", "const")
)
"""Keywords that say which properties an object has beside the named ones, or whose schemas do."""


class Unsupported(Exception):
    """A keyword that cannot be enforced."""

    def __init__(self, pointer: str, keyword: str, problem: object) -> None:
        super().__init__(f"{pointer}: {problem}")
        self.pointer, self.keyword = pointer, keyword


class Unsatisfiable(Exception):
    """No value satisfies a schema."""


class TooComplex(Exception):
    """A schema exceeds a limit."""


def number(value: Json) -> Json:
    """A limit of numbers. Raises Malformed."""
    if not is_number(value):
        raise Malformed("it must be a number")
    return value


def limit(keyword: str, schema: dict[str, Json], out: dict[str, Json]) -> None:
    """Read a limit of numbers. Raises Malformed."""
    value, other = schema[keyword], OTHER_LIMIT.get(keyword)
    if isinstance(value, bool) and other is not None:  # as in draft 4
        if value and other in schema:
            out[keyword] = number(schema[other])
        return
    out[keyword] = number(value)
    if keyword == "multipleOf" and value <= 0:
        raise Malformed("it must be a number above 0")


def add_pattern(pattern: str, out: dict[str, Json], more: list[Json]) -> None:
    """Add a pattern to `out`; if it has one, to what must hold besides."""
    if "pattern" in out:
        more.append({"pattern": pattern})
    else:
        out["pattern"] = pattern


def size(value: Json) -> int:
    """A limit of a size. Raises Malformed."""
    if not is_whole(value) or value < 0:
        raise Malformed("it must be an integer from 0 up")
    return int(value)


def types(value: Json) -> Json:
    """The names of types. Raises Malformed."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise Malformed("it must be the name of a type, or a list of them")
    unknown = [name for name in names if name not in TYPES]
    if unknown:
        raise Malformed(f"{unknown[0]!r} is not one of {', '.join(TYPES)}")
    return value if isinstance(value, str) else list(dict.fromkeys(names))


def names(value: Json) -> list[str]:
    """A list of names. Raises Malformed."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Malformed("it must be a list of names")
    return list(dict.fromkeys(value))


def close(schema: dict[str, Json], out: dict[str, Json]) -> None:
    """Forbid properties that an object does not name: a small model would go on inventing some."""
    if "properties" not in out or out.keys() & OPENING:
        return
    needed = [*out.get("required", ()), *_needed(schema)]
    others = dict.fromkeys(name for name in needed if name not in out["properties"])
    named = out["properties"] = {**out["properties"], **dict.fromkeys(others, True)}
    if out.get("minProperties", 0) <= len(named):
        out["additionalProperties"] = False


def _needed(schema: dict[str, Json]) -> list[str]:
    """The names of properties that others need."""
    lists: list[Json] = []
    for keyword in ("dependencies", "dependentRequired"):
        value = schema.get(keyword)
        lists += value.values() if isinstance(value, dict) else ()
    return [name for each in lists if isinstance(each, list) for name in each if isinstance(name, str)]
