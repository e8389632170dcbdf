"""What keywords say that a mask does not know, in keywords that it knows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from sidecar.core.structured_output.keywords import CHECKED, MASKED, Json

MAX_CHOICES: Final = 64
"""Alternatives that stand for one keyword. llguidance makes a rule of each."""

MAX_CHARS: Final = 500
"""Total length of the texts that a pattern excludes."""

MAX_LENGTH: Final = 50
"""Longest of these texts. The pattern is nested as deeply."""

TYPES: Final = ("object", "array", "string", "number", "boolean", "null")
"""All types of values. An integer is a number."""

OPPOSITE: Final = {
    "minLength": ("string", "maxLength", -1),
    "maxLength": ("string", "minLength", 1),
    "minItems": ("array", "maxItems", -1),
    "maxItems": ("array", "minItems", 1),
    "minProperties": ("object", "maxProperties", -1),
    "maxProperties": ("object", "minProperties", 1),
    "minimum": ("number", "exclusiveMaximum", 0),
    "maximum": ("number", "exclusiveMinimum", 0),
}
"""Limit → type of the values that it may exclude, the limit that allows just these, and what to add to its number."""


def equivalent(keyword: str, value: Json) -> Json:
    """A schema that says the same as a keyword with a value; None if none is known."""
    return _KEYWORDS[keyword](value) if keyword in _KEYWORDS else None


def _all_of(schemas: Iterable[Json]) -> Json:
    """All of these schemas as one; None if one of them is."""
    listed = list(schemas)
    return None if None in listed else {"allOf": listed}


def _any_of(schemas: Iterable[Json], **more: Json) -> Json:
    listed = list(schemas)
    return None if None in listed else {**more, "anyOf": listed} if listed else False


# ---- properties that need, or exclude, each other ------------------------------------------------


def _dependencies(value: Json) -> Json:
    if not isinstance(value, dict) or 2 ** len(value) > MAX_CHOICES:
        return None
    parts = []
    for name, needed in value.items():
        names = [needed] if isinstance(needed, str) else needed  # as in draft 3
        order = dict.fromkeys([name, *map(str, names)], True) if isinstance(names, list) else {}
        then = {"properties": order, "required": names} if order else names
        parts.append({"anyOf": [{"properties": {name: False}}, then]})
    return _all_of(parts)


def _one_of(value: Json) -> Json:
    """If each choice only says which properties are required: others are absent."""
    listed = value if isinstance(value, list) else []
    if not 2 <= len(listed) <= MAX_CHOICES:
        return None
    needed = [_only_required(choice) for choice in listed]
    if not all(needed):
        return None
    choices: list[Json] = []
    for index, names in enumerate(needed):
        others = needed[:index] + needed[index + 1 :]
        missing = [[name for name in other if name not in names] for other in others]
        if math.prod(map(len, missing)) + len(choices) > MAX_CHOICES:
            return None
        absences = (dict.fromkeys(absent, False) for absent in itertools.product(*missing))
        choices += [{"type": "object", "properties": each, "required": names} for each in absences]
    return _any_of(choices)


def _only_required(schema: Json) -> list[str]:
    """The names that a schema requires, if it says nothing else."""
    if not isinstance(schema, dict) or _said(schema).keys() != {"required"}:
        return []
    names = schema["required"]
    return names if _are_few_names(names) else []


def _are_few_names(value: Json) -> bool:
    return (
        isinstance(value, list) and len(value) <= MAX_CHOICES and all(isinstance(name, str) for name in value)
    )


# ---- not -----------------------------------------------------------------------------------------


def _said(schema: dict[str, Json]) -> dict[str, Json]:
    """The keywords of a schema that say which values fit."""
    return {word: value for word, value in schema.items() if word in MASKED | CHECKED or word == "nullable"}


def _negated(schema: Json) -> Json:
    """A schema of all values that a schema does not allow; None if none is known."""
    if not isinstance(schema, dict):
        return not schema if isinstance(schema, bool) else None
    said = _said(schema)
    return _any_of(_NEGATED[word](value) if word in _NEGATED else None for word, value in said.items())


def _other_types(value: Json) -> Json:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or ("integer" in names and "number" not in names):
        return None
    if not all(name in (*TYPES, "integer") for name in names):
        return None
    others = [name for name in TYPES if name not in names]
    return {"type": others} if others else False


def _one_is_absent(value: Json) -> Json:
    if not _are_few_names(value):
        return None
    return _any_of(({"properties": {name: False}} for name in value), type="object")


def _one_is_wrong(value: Json) -> Json:
    if not isinstance(value, dict) or len(value) > MAX_CHOICES:
        return None
    wrong = {name: _negated(schema) for name, schema in value.items()}
    if None in wrong.values():
        return None
    return _any_of(({"properties": {name: wrong[name]}, "required": [name]} for name in wrong), type="object")


def _opposite(keyword: str, value: Json) -> Json:
    kind, opposite, more = OPPOSITE[keyword]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return {"type": kind, opposite: value + more} if value + more >= 0 or kind == "number" else False


def _other_values(value: Json) -> Json:
    """Values other than these texts and null."""
    listed = value if isinstance(value, list) else [value]
    texts = [each for each in listed if isinstance(each, str)]
    if not all(isinstance(each, str) or each is None for each in listed):
        return None
    if sum(map(len, texts)) > MAX_CHARS or max(map(len, texts), default=0) > MAX_LENGTH:
        return None
    types = [name for name in TYPES if name != "string" and (name != "null" or None not in listed)]
    return {"anyOf": [{"type": types}, {"type": "string", "pattern": f"^({_other_texts(texts)})$"}]}


def _other_texts(texts: list[str]) -> str:
    """A pattern of all texts but these."""
    begun: dict[str, list[str]] = {}
    for text in filter(None, texts):
        begun.setdefault(rf"\u{{{ord(text[0]):x}}}", []).append(text[1:])
    ways = [] if "" in texts else [""]
    ways.append(f"[^{''.join(begun)}][^]*")
    return "|".join([*ways, *(f"{first}({_other_texts(rest)})" for first, rest in begun.items())])


_KEYWORDS: Final[dict[str, Callable[[Json], Json]]] = {
    "not": _negated,
    "oneOf": _one_of,
    **dict.fromkeys(("dependencies", "dependentRequired", "dependentSchemas"), _dependencies),
}

_NEGATED: Final[dict[str, Callable[[Json], Json]]] = {
    "not": lambda value: value,
    "type": _other_types,
    "required": _one_is_absent,
    "properties": _one_is_wrong,
    "enum": _other_values,
    "const": lambda value: _other_values([value]),
    "anyOf": lambda value: _all_of(map(_negated, value)) if isinstance(value, list) else None,
    "allOf": lambda value: _any_of(map(_negated, value)) if isinstance(value, list) else None,
    **{keyword: partial(_opposite, keyword) for keyword in OPPOSITE},
}
