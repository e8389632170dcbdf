"""A fast check whether params are valid. If they are not, validation.py asks jsonschema for the reason.

Nearly all params are valid, and jsonschema is too slow for them: over 100 ms and 7 MB to import, which would delay the
first loadModel, and about 100 µs per message of a chat. This module compiles each schema once to a predicate.

Values come from json.loads, so `type(value)` is exact: True is a bool, never an int. An unknown keyword raises
KeyError. Tests compile every schema, and compare the verdicts with those of jsonschema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sized
from typing import Any, Final

Fits = Callable[[Any], bool]  # of any JSON value: `type(value) is int` is faster than isinstance
Schema = dict[str, Any]  # of JSON Schema: each keyword has a value of its own type

TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),),
    "integer": (int,), "number": (int, float),
}  # fmt: skip
"""JSON Schema also accepts 1.0 as an integer; C functions that take an int do not."""
MANY: Final = 2**62
_NUMBERS: Final = frozenset((int, float))


class FastCheck:
    """The predicates of named schemas, each compiled at its first use."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        """`schemas`: by name, the last part of `#/components/schemas/…`."""
        self._schemas = schemas
        self._compiled: dict[str, Fits] = {}

    def named(self, name: str) -> Fits:
        """The predicate of a named schema."""
        if name not in self._compiled:
            self._compiled[name] = self.make(self._schemas[name])
        return self._compiled[name]

    def make(self, schema: Schema) -> Fits:
        """The predicate of any schema; it may refer to the named ones."""
        if "$ref" in schema:  # draft-07 ignores the keywords next to it
            name = schema["$ref"].rsplit("/", 1)[1]
            if self._schemas[name].get("type") == "integer":
                return self.named(name)
            return lambda value: self.named(name)(value)  # later: it may refer to itself
        if schema.get("type") == "integer" and schema.keys() == {"type", "minimum", "maximum"}:
            return _Integer(schema["minimum"], schema["maximum"])
        return _every([_KEYWORDS[keyword](value, schema, self.make) for keyword, value in schema.items()])


class _Integer:
    """An integer within bounds: fast, because there may be millions of tokens."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def __call__(self, value: object) -> bool:
        return type(value) is int and self._low <= value <= self._high

    def fits_all(self, values: list[Any]) -> bool:  # of any JSON values
        """The same for each value, without a call for each."""
        kinds = set(map(type, values))
        return not kinds or (kinds == {int} and self._low <= min(values) and max(values) <= self._high)


def _every(parts: list[Fits]) -> Fits:
    if len(parts) == 1:
        return parts[0]
    return lambda value: all(part(value) for part in parts)


Make = Callable[[Schema], Fits]


def _type(names: str | list[str], _: Schema, __: Make) -> Fits:
    kinds = frozenset(kind for name in ([names] if isinstance(names, str) else names) for kind in TYPES[name])
    return lambda value: type(value) in kinds


def _enum(choices: list[object], _: Schema, __: Make) -> Fits:
    known = {(isinstance(choice, bool), choice) for choice in choices}
    return lambda value: type(value) not in (dict, list) and (isinstance(value, bool), value) in known


def _const(choice: object, schema: Schema, make: Make) -> Fits:
    return _enum([choice], schema, make)


def _minimum(low: float, _: Schema, __: Make) -> Fits:
    return lambda value: type(value) not in _NUMBERS or value >= low


def _exclusive_minimum(low: float, _: Schema, __: Make) -> Fits:
    return lambda value: type(value) not in _NUMBERS or value > low


def _maximum(high: float, _: Schema, __: Make) -> Fits:
    return lambda value: type(value) not in _NUMBERS or value <= high


def _sized(kind: type[Sized], low: int, high: int) -> Fits:
    return lambda value: type(value) is not kind or low <= len(value) <= high


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of schema/. `$` is the end of the text; Python's also stands before a last newline."""
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)


def _pattern(pattern: str, _: Schema, __: Make) -> Fits:
    search = compiled(pattern).search
    return lambda value: type(value) is not str or search(value) is not None


def _items(schema: Schema | list[Schema], _: Schema, make: Make) -> Fits:
    if isinstance(schema, list):
        places = list(map(make, schema))
        return lambda value: (
            type(value) is not list or all(fits(each) for fits, each in zip(places, value, strict=False))
        )
    fits = make(schema)
    if isinstance(fits, _Integer):
        return lambda value: type(value) is not list or fits.fits_all(value)
    return lambda value: type(value) is not list or all(map(fits, value))


def _unique(wanted: bool, _: Schema, __: Make) -> Fits:
    def fits(value: object) -> bool:
        try:
            return type(value) is not list or len({(isinstance(v, bool), v) for v in value}) == len(value)
        except TypeError:  # an array or object in it: leave it to jsonschema
            return False

    return fits if wanted else lambda _: True


def _members(properties: dict[str, Schema], schema: Schema, make: Make) -> Fits:
    """`properties` and `additionalProperties`, which belong together."""
    known = {name: make(each) for name, each in properties.items()}
    more = schema.get("additionalProperties", True)
    other: Fits = (lambda _: more) if isinstance(more, bool) else make(more)

    def fits(value: object) -> bool:
        return type(value) is not dict or all(known.get(name, other)(each) for name, each in value.items())

    return fits


def _additional(_: object, schema: Schema, make: Make) -> Fits:
    return (lambda _: True) if "properties" in schema else _members({}, schema, make)


def _required(names: list[str], _: Schema, __: Make) -> Fits:
    wanted = frozenset(names)
    return lambda value: type(value) is not dict or wanted <= value.keys()


def _property_names(schema: Schema, _: Schema, make: Make) -> Fits:
    fits = make(schema)
    return lambda value: type(value) is not dict or all(map(fits, value))


def _any_of(schemas: list[Schema], _: Schema, make: Make) -> Fits:
    choices = list(map(make, schemas))
    return lambda value: any(fits(value) for fits in choices)


def _all_of(schemas: list[Schema], _: Schema, make: Make) -> Fits:
    return _every(list(map(make, schemas)))


def _one_of(schemas: list[Schema], _: Schema, make: Make) -> Fits:
    choices = list(map(make, schemas))
    return lambda value: sum(fits(value) for fits in choices) == 1


def _not(schema: Schema, _: Schema, make: Make) -> Fits:
    fits = make(schema)
    return lambda value: not fits(value)


_KEYWORDS: Final[dict[str, Callable[[Any, Schema, Make], Fits]]] = {  # Any: the value of the keyword
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _minimum,
    "exclusiveMinimum": _exclusive_minimum,
    "maximum": _maximum,
    "minLength": lambda least, _, __: _sized(str, least, MANY),
    "maxLength": lambda most, _, __: _sized(str, 0, most),
    "pattern": _pattern,
    "items": _items,
    "minItems": lambda least, _, __: _sized(list, least, MANY),
    "maxItems": lambda most, _, __: _sized(list, 0, most),
    "uniqueItems": _unique,
    "properties": _members,
    "additionalProperties": _additional,
    "required": _required,
    "minProperties": lambda least, _, __: _sized(dict, least, MANY),
    "maxProperties": lambda most, _, __: _sized(dict, 0, most),
    "propertyNames": _property_names,
    "anyOf": _any_of,
    "allOf": _all_of,
    "oneOf": _one_of,
    "not": _not,
}
