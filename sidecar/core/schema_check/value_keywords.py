"""Keywords about a value itself: its type, its choices, numbers, strings, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from sidecar.core.schema_check import pattern
from sidecar.core.schema_check.node import Check, Json, Problem, Run, first, key_of, shown
from sidecar.core.schema_check.pattern import Budget, TooMuchWork
from sidecar.core.schema_check.pattern_syntax import PatternError


class Malformed(Exception):
    """A keyword's value is not what JSON Schema demands, or cannot be checked."""


Reader = Callable[[Json], Check]
"""Reads the value of a keyword. Raises Malformed."""

MAX_SHOWN_CHOICES: Final = 10

MAX_CHOICE_PARTS: Final = 1_000_000
"""Values and parts of values that an enum may list."""

NAMES_PER_STEP: Final = 10
"""Names that are looked up in the time of one step."""


def is_number(value: Json) -> bool:
    """Whether it is a number; `true` is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: Json) -> bool:
    """Whether it is an integer, also if it is written as 1.0."""
    return value.is_integer() if isinstance(value, float) else is_number(value)


def _is_finite(value: Json) -> bool:
    return math.isfinite(value) if isinstance(value, float) else is_number(value)


TYPES: Final[dict[str, Callable[[Json], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": is_whole,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _type(names: Json) -> Check:
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, list) or not listed:
        raise Malformed("it must be the name of a type, or a list of them")
    for name in listed:
        if not isinstance(name, str) or name not in TYPES:
            raise Malformed(f"{shown(name)} is not one of {', '.join(TYPES)}")
    tests = [TYPES[name] for name in dict.fromkeys(listed)]
    what = f"is not of type {' or '.join(listed)}"
    return lambda value, _: None if any(test(value) for test in tests) else Problem(what, value)


def _enum(choices: Json) -> Check:
    if not isinstance(choices, list):
        raise Malformed("it must be a list")
    budget = Budget(MAX_CHOICE_PARTS)
    try:
        known = {key_of(choice, budget) for choice in choices}
    except (TooMuchWork, RecursionError):
        raise Malformed("it is too large") from None
    listed = ", ".join(shown(choice) for choice in choices[:MAX_SHOWN_CHOICES])
    what = f"is not one of {listed}{', …' if len(choices) > MAX_SHOWN_CHOICES else ''}"
    return lambda value, run: None if key_of(value, run.budget) in known else Problem(what, value)


def _limit(fits: Callable[[Json, Json], bool], what: str) -> Reader:
    """A limit of numbers."""

    def read(limit: Json) -> Check:
        if not is_number(limit):
            raise Malformed("it must be a number")
        text = f"{what} {limit}"
        return lambda value, _: Problem(text, value) if is_number(value) and not fits(value, limit) else None

    return read


def _multiple_of(factor: Json) -> Check:
    if not _is_finite(factor) or factor <= 0:
        raise Malformed("it must be a number above 0")
    from fractions import Fraction  # 3 ms, for a rare keyword

    def exact(number: Json) -> Fraction:  # as it is written: 0.3 is a multiple of 0.1
        return Fraction(str(number) if isinstance(number, float) else number)

    unit = exact(factor)

    def check(value: Json, _: Run) -> Problem | None:
        if not is_number(value) or (_is_finite(value) and exact(value) % unit == 0):
            return None
        return Problem(f"is not a multiple of {factor}", value)

    return check


def _size(kind: type, low: bool, of_what: str) -> Reader:
    """A limit of a size."""

    def read(limit: Json) -> Check:
        if not is_whole(limit) or limit < 0:
            raise Malformed("it must be an integer from 0 up")
        what = f"has {'fewer' if low else 'more'} than {limit} {of_what}"

        def check(value: Json, _: Run) -> Problem | None:
            if not isinstance(value, kind):
                return None
            size = len(value)  # type: ignore[arg-type]
            return Problem(what, value) if (size < limit if low else size > limit) else None

        return check

    return read


def matcher(expression: Json) -> Callable[[str, Run], bool]:
    """Whether a text matches a regular expression. Raises Malformed."""
    if not isinstance(expression, str):
        raise Malformed("it must be a string")
    try:
        pattern.program(expression)
    except PatternError as error:
        raise Malformed(str(error)) from None
    return lambda text, run: pattern.search(expression, text, run.budget)


def _pattern(expression: Json) -> Check:
    matches = matcher(expression)
    what = f"does not match {shown(expression)}"
    return lambda value, run: (
        Problem(what, value) if isinstance(value, str) and not matches(value, run) else None
    )


def _required(names: Json) -> Check:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Malformed("it must be a list of names")

    def check(value: Json, run: Run) -> Problem | None:
        run.budget.spend(len(names) // NAMES_PER_STEP)
        missing = (
            next((name for name in names if name not in value), None) if isinstance(value, dict) else None
        )
        return None if missing is None else Problem(f"lacks {shown(missing)}", value)

    return check


def _dependent_required(needed: Json) -> Check:
    if not isinstance(needed, dict):
        raise Malformed("it must be an object")
    checks = {name: _required(names) for name, names in needed.items()}

    def check(value: Json, run: Run) -> Problem | None:
        if not isinstance(value, dict):
            return None
        run.budget.spend(len(checks) // NAMES_PER_STEP)
        found = (check(value, run) for name, check in checks.items() if name in value)
        return first(found)

    return check


def _unique(wanted: Json) -> Check:
    if not isinstance(wanted, bool):
        raise Malformed("it must be true or false")

    def check(value: Json, run: Run) -> Problem | None:
        if not wanted or not isinstance(value, list):
            return None
        different = {key_of(item, run.budget) for item in value}
        return None if len(different) == len(value) else Problem("has an item twice", value)

    return check


READERS: Final[dict[str, Reader]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda value: _enum([value]),
    "minimum": _limit(lambda value, limit: bool(value >= limit), "is less than"),
    "maximum": _limit(lambda value, limit: bool(value <= limit), "is more than"),
    "exclusiveMinimum": _limit(lambda value, limit: bool(value > limit), "is not more than"),
    "exclusiveMaximum": _limit(lambda value, limit: bool(value < limit), "is not less than"),
    "multipleOf": _multiple_of,
    "minLength": _size(str, True, "characters"),
    "maxLength": _size(str, False, "characters"),
    "minItems": _size(list, True, "items"),
    "maxItems": _size(list, False, "items"),
    "minProperties": _size(dict, True, "members"),
    "maxProperties": _size(dict, False, "members"),
    "pattern": _pattern,
    "required": _required,
    "dependentRequired": _dependent_required,
    "uniqueItems": _unique,
}
