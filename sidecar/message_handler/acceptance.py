"""Sees at once that params fit their schema. Those that do not are validation.py's, which asks jsonschema why.

Nearly all params fit, and for them jsonschema is dear: over 100 ms and 7 MB to import, which the first loadModel would
wait for, and some 100 µs a message of a chat. Here a schema becomes a predicate once, of plain tests.

Values are what json.loads makes, so their types are exact: True is no int. A keyword that is not here is a KeyError,
which a test finds that makes every schema; that both judge alike is tested, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

Fits = Callable[[Any], bool]
Schema = dict[str, Any]

TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),),
    "integer": (int,), "number": (int, float),
}  # fmt: skip
"""JSON Schema would also call 1.0 an integer; C functions that want an int do not."""
MANY: Final = 2**62
_NUMBERS: Final = frozenset((int, float))


class Acceptance:
    """The predicates of some schemas, each made when it is first asked for."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        """`schemas`: by the name that `#/components/schemas/…` ends with."""
        self._schemas = schemas
        self._made: dict[str, Fits] = {}

    def named(self, name: str) -> Fits:
        """The predicate of a schema with a name."""
        if name not in self._made:
            self._made[name] = self.made(self._schemas[name])
        return self._made[name]

    def made(self, schema: Schema) -> Fits:
        """The predicate of any schema in which the named ones may be referred to."""
        if "$ref" in schema:  # what stands beside it does not count, in Draft 7
            name = schema["$ref"].rsplit("/", 1)[1]
            return lambda value: self.named(name)(value)
        if schema.get("type") == "integer" and schema.keys() == {"type", "minimum", "maximum"}:
            return _whole(schema["minimum"], schema["maximum"])  # of tokens there are many
        return _every([_KEYWORDS[keyword](value, schema, self.made) for keyword, value in schema.items()])


def _whole(low: int, high: int) -> Fits:
    return lambda value: type(value) is int and low <= value <= high


def _every(parts: list[Fits]) -> Fits:
    if len(parts) == 1:
        return parts[0]
    return lambda value: all(part(value) for part in parts)


Make = Callable[[Schema], Fits]


def _type(names: str | list[str], _: Schema, __: Make) -> Fits:
    kinds = frozenset(kind for name in ([names] if isinstance(names, str) else names) for kind in TYPES[name])
    return lambda value: type(value) in kinds


def _enum(choices: list[Any], _: Schema, __: Make) -> Fits:
    known = {(isinstance(choice, bool), choice) for choice in choices}
    return lambda value: type(value) not in (dict, list) and (isinstance(value, bool), value) in known


def _const(choice: Any, schema: Schema, make: Make) -> Fits:
    return _enum([choice], schema, make)


def _minimum(low: float, _: Schema, __: Make) -> Fits:
    return lambda value: type(value) not in _NUMBERS or value >= low


def _exclusive_minimum(low: float, _: Schema, __: Make) -> Fits:
    return lambda value: type(value) not in _NUMBERS or value > low


def _maximum(high: float, _: Schema, __: Make) -> Fits:
    return lambda value: type(value) not in _NUMBERS or value <= high


def _sized(kind: type[str | list[Any] | dict[str, Any]], low: int, high: int) -> Fits:
    return lambda value: type(value) is not kind or low <= len(value) <= high


def _pattern(pattern: str, _: Schema, __: Make) -> Fits:
    search = re.compile(pattern).search
    return lambda value: type(value) is not str or search(value) is not None


def _items(schema: Schema | list[Schema], _: Schema, make: Make) -> Fits:
    if isinstance(schema, list):
        places = list(map(make, schema))
        return lambda value: (
            type(value) is not list or all(fits(each) for fits, each in zip(places, value, strict=False))
        )
    fits = make(schema)
    return lambda value: type(value) is not list or all(map(fits, value))


def _unique(wanted: bool, _: Schema, __: Make) -> Fits:
    def fits(value: Any) -> bool:
        try:
            return type(value) is not list or len({(isinstance(v, bool), v) for v in value}) == len(value)
        except TypeError:  # not only scalars: jsonschema shall look
            return False

    return fits if wanted else lambda _: True


def _members(properties: dict[str, Schema], schema: Schema, make: Make) -> Fits:
    """`properties` and `additionalProperties`, which go together."""
    known = {name: make(each) for name, each in properties.items()}
    more = schema.get("additionalProperties", True)
    other: Fits = (lambda _: more) if isinstance(more, bool) else make(more)

    def fits(value: Any) -> bool:
        return type(value) is not dict or all(known.get(name, other)(each) for name, each in value.items())

    return fits


def _additional(_: Any, schema: Schema, make: Make) -> Fits:
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


_KEYWORDS: Final[dict[str, Callable[[Any, Schema, Make], Fits]]] = {
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
    "maxProperties": lambda most, _, __: _sized(dict, 0, most),
    "propertyNames": _property_names,
    "anyOf": _any_of,
    "allOf": _all_of,
    "oneOf": _one_of,
    "not": _not,
}
