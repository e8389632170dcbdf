"""The tree of a regular expression."""

from __future__ import annotations

from typing import NamedTuple, Union

from sidecar.core.schema_check.characters import Characters


class One(NamedTuple):
    """One character of a set."""

    characters: Characters


class Place(NamedTuple):
    """A condition on the place: `start`, `end`, `lineStart`, `lineEnd`, `word`, `notWord`."""

    kind: str


class Sequence(NamedTuple):
    parts: list[Node]


class Choice(NamedTuple):
    choices: list[Node]


class Repeat(NamedTuple):
    part: Node
    low: int
    high: int | None
    lazy: bool
    groups: range
    """The groups in it. A new round forgets what they matched."""


class Group(NamedTuple):
    number: int
    part: Node


class Look(NamedTuple):
    part: Node
    behind: bool
    negated: bool


class Reference(NamedTuple):
    """The text that a group matched; of several groups with one name, the one that matched."""

    numbers: list[int]
    ignore_case: bool


Node = Union[One, Place, Sequence, Choice, Repeat, Group, Look, Reference]  # noqa: UP007 - Python 3.10


class Parsed(NamedTuple):
    root: Node
    groups: int
    has_references: bool
