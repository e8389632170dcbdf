"""Values without values in them as GBNF: what a schema lists, its strings, its numbers."""

from __future__ import annotations

import json
from typing import Any

from sidecar.core.structured_output import json_numbers
from sidecar.core.structured_output.json_objects import literal
from sidecar.core.structured_output.json_patterns import PatternError
from sidecar.core.structured_output.json_strings import (
    FORMATS,
    MAX_BOUND,
    format_string,
    free_string,
    pattern_string,
)
from sidecar.core.structured_output.schema_keywords import TYPES, Schema, Unsatisfiable, Unsupported, type_of


def types_of(schema: Schema) -> list[str]:
    """The types that a schema allows."""
    told = schema.get("type", [name for name in TYPES if name != "integer"])
    return [told] if isinstance(told, str) else list(dict.fromkeys(told))


def literals(schema: Schema, pointer: str) -> str:
    """The values that a schema lists, but for those that the rest of it forbids."""
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    if "enum" in schema and "const" in schema:
        values = [schema["const"]] if any(_same(schema["const"], value) for value in values) else []
    rest = {key: value for key, value in schema.items() if key not in ("enum", "const")}
    if set(rest) <= {"type"}:
        types = types_of(rest) if rest else [*TYPES]
        values = [
            value
            for value in values
            if type_of(value) in types or ("number" in types and type_of(value) == "integer")
        ]
    else:
        from jsonschema import Draft202012Validator

        values = [value for value in values if Draft202012Validator(rest).is_valid(value)]
    if not values:
        raise Unsatisfiable(pointer)
    written = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    return "(" + " | ".join(literal(text) for text in dict.fromkeys(written)) + ") ws"


def _same(left: Any, right: Any) -> bool:
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def string(schema: Schema, pointer: str) -> str:
    """GBNF of the strings that a schema allows. Raises Unsupported, Unsatisfiable."""
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    limited = low > 0 or high is not None
    if high is not None and low > high:
        raise Unsatisfiable(pointer)
    if low > MAX_BOUND:
        raise Unsupported(pointer, "minLength", f"it is more than {MAX_BOUND}")
    if sum(("pattern" in schema, "format" in schema, limited)) > 1:
        keyword = "pattern" if "pattern" in schema else "format"
        raise Unsupported(pointer, keyword, "it cannot stand beside another limit of the string")
    if "format" in schema:
        if schema["format"] not in FORMATS:
            raise Unsupported(pointer, "format", f"{schema['format']!r} is none of {', '.join(FORMATS)}")
        return format_string(schema["format"])
    if "pattern" in schema:
        try:
            return pattern_string(schema["pattern"])
        except PatternError as error:
            raise Unsupported(pointer, "pattern", str(error)) from None
    return free_string(low, high) if limited else "string"


def number(name: str, schema: Schema, pointer: str) -> str:
    """GBNF of the numbers, or integers, that a schema allows. Raises Unsupported, Unsatisfiable."""
    bounds = {}
    for side, better in (("inimum", max), ("aximum", min)):
        plain, exclusive = schema.get("m" + side), schema.get("exclusiveM" + side)
        if exclusive is True or exclusive is False:  # draft-04
            raise Unsupported(pointer, "exclusiveM" + side, "it must be a number")
        found = [bound for bound in (plain, exclusive) if bound is not None]
        limit = better(found) if found else None
        bounds[side] = limit, limit is not None and limit == exclusive
    (low, above), (high, below) = bounds["inimum"], bounds["aximum"]
    if name == "integer":
        rule = json_numbers.integers(
            None if low is None else json_numbers.lowest_integer(low, above),
            None if high is None else json_numbers.highest_integer(high, below),
        )
    else:
        for keyword, bound in (("minimum", low), ("maximum", high)):
            if bound is not None and (bound != int(bound) or abs(bound) > json_numbers.MAX_BOUND):
                problem = f"of numbers, only whole bounds up to {json_numbers.MAX_BOUND} are supported"
                raise Unsupported(pointer, keyword, problem)
        rule = json_numbers.numbers(low, high, above, below)
    if rule is None:
        raise Unsatisfiable(pointer)
    return rule
