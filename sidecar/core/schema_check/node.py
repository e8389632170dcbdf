"""A schema that has been read: the checks of its keywords, each a function of a value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from sidecar.core.schema_check.pattern import Budget, TooMuchWork

Json = Any  # any JSON value
MAX_DEPTH: Final = 100
"""How deep a value may be checked, references included."""

MAX_SHOWN_CHARS: Final = 100
"""How much of a wrong value a problem repeats."""


class Problem(NamedTuple):
    """What is wrong with a value."""

    what: str
    value: Json
    path: tuple[str | int, ...] = ()

    def within(self, key: str | int) -> Problem:
        """The same problem, seen from the object or array around the value."""
        return self._replace(path=(key, *self.path))

    def __str__(self) -> str:
        where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path)
        return f"${where}: {shown(self.value)} {self.what}"


class Run:
    """One check of a value."""

    def __init__(self, steps: int) -> None:
        self.budget = Budget(steps)
        self.depth = 0
        self.doubts = 0
        """How often a value fitted a schema with keywords that are not checked."""


Check = Callable[[Json, Run], "Problem | None"]


class Node:
    """A schema, or a part of one."""

    __slots__ = ("all_of", "checks", "choices", "is_partial", "members")

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.is_partial = False
        """Whether it has keywords that are not checked: what fits is then in doubt."""
        self.members: Callable[[str, Json, Run], Problem | None] | None = None
        """The check of one member of an object."""
        self.all_of: list[Node] = []
        self.choices: list[list[Node]] = []

    def problem(self, value: Json, run: Run) -> Problem | None:
        """The first thing that is certainly wrong with a value. Raises TooMuchWork."""
        run.budget.spend(1 + len(self.checks))
        run.depth += 1
        if run.depth > MAX_DEPTH:
            raise TooMuchWork
        found = first(check(value, run) for check in self.checks)
        run.depth -= 1
        run.doubts += found is None and self.is_partial
        return found

    def fits(self, value: Json, run: Run) -> bool | None:
        """Whether a value fits; None if that is in doubt. Raises TooMuchWork."""
        doubts, run.doubts = run.doubts, 0
        found = self.problem(value, run)
        certain, run.doubts = run.doubts == 0, doubts
        return False if found is not None else True if certain else None

    def member_problem(self, key: str, value: Json, run: Run) -> Problem | None:
        """Why an object may not have this member, whatever else it has. Raises TooMuchWork."""
        run.budget.spend(1)
        found = None if self.members is None else self.members(key, value, run)
        if found is None:
            found = first(part.member_problem(key, value, run) for part in self.all_of)
        for choices in self.choices if found is None else ():
            problems = [choice.member_problem(key, value, run) for choice in choices]
            if problems and None not in problems:
                return problems[0]
        return found


def first(problems: Iterable[Problem | None]) -> Problem | None:
    """The first problem."""
    return next((problem for problem in problems if problem is not None), None)


def shown(value: Json) -> str:
    """A value, shortened, for a person."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    text = value if isinstance(value, str) else json.dumps(value)
    short = text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"
    return json.dumps(short, ensure_ascii=False) if isinstance(value, str) else short


def key_of(value: Json, budget: Budget) -> object:
    """A key that equal JSON values share: 1 and 1.0 are equal, 1 and true are not. Raises TooMuchWork."""
    budget.spend(1)
    if isinstance(value, dict):
        return frozenset((name, key_of(member, budget)) for name, member in value.items())
    if isinstance(value, list):
        return ("list", *(key_of(item, budget) for item in value))
    return (value, isinstance(value, bool), isinstance(value, str))
