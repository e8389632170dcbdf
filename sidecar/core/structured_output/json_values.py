"""GBNF of values that contain no other values: listed values, strings, numbers."""

from __future__ import annotations

import json
from collections.abc import Callable

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
from sidecar.core.structured_output.schema_keywords import (
    Schema,
    Unsatisfiable,
    Unsupported,
    type_of,
    types_of,
    without,
)


def literals(schema: Schema, pointer: str) -> str:
    """GBNF of the values that a schema lists, except those that its other keywords forbid. Raises Unsatisfiable."""
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    if "enum" in schema and "const" in schema:
        values = [schema["const"]] if any(_same(schema["const"], value) for value in values) else []
    rest = without(schema, "enum", "const")
    if set(rest) <= {"type"}:
        types = types_of(rest)
        values = [
            value
            for value in values
            if type_of(value) in types or ("number" in types and type_of(value) == "integer")
        ]
    else:
        from sidecar.core.schema_check.schema import Schema as CheckedSchema

        fits = CheckedSchema(rest, pointer).fits
        values = [value for value in values if fits(value)]
    if not values:
        raise Unsatisfiable(pointer)
    written = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    return "(" + " | ".join(literal(text) for text in dict.fromkeys(written)) + ") ws"


def _same(left: object, right: object) -> bool:
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
        raise Unsupported(pointer, keyword, "it cannot be combined with another limit of the string")
    if "format" in schema:
        if schema["format"] not in FORMATS:
            raise Unsupported(pointer, "format", f"{schema['format']!r} is not one of {', '.join(FORMATS)}")
        return format_string(schema["format"])
    if "pattern" in schema:
        try:
            return pattern_string(schema["pattern"])
        except PatternError as error:
            raise Unsupported(pointer, "pattern", str(error)) from None
    return free_string(low, high) if limited else "string"


def number(name: str, schema: Schema, pointer: str) -> str:
    """GBNF of the numbers that a schema allows; `name` is `number` or `integer`. Raises Unsupported, Unsatisfiable."""
    low, above = _bound(schema.get("minimum"), schema.get("exclusiveMinimum"), max)
    high, below = _bound(schema.get("maximum"), schema.get("exclusiveMaximum"), min)
    if name == "integer":
        rule = json_numbers.integers(
            None if low is None else json_numbers.lowest_integer(low, above),
            None if high is None else json_numbers.highest_integer(high, below),
        )
    else:
        for keyword, bound in (("minimum", low), ("maximum", high)):
            if bound is not None and (bound != int(bound) or abs(bound) > json_numbers.MAX_BOUND):
                problem = f"for numbers, only whole bounds up to {json_numbers.MAX_BOUND} are supported"
                raise Unsupported(pointer, keyword, problem)
        rule = json_numbers.numbers(low, high, above, below)
    if rule is None:
        raise Unsatisfiable(pointer)
    return rule


def _bound(
    inclusive: float | None, exclusive: float | None, tighter: Callable[[list[float]], float]
) -> tuple[float | None, bool]:
    """The tighter of two bounds (None: no bound), and whether it is exclusive."""
    bounds = [bound for bound in (inclusive, exclusive) if bound is not None]
    bound = tighter(bounds) if bounds else None
    return bound, bound is not None and bound == exclusive
