"""From the tree of a regular expression to a program of simple steps."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from sidecar.core.schema_check.characters import Characters
from sidecar.core.schema_check.pattern_syntax import PatternError, parse
from sidecar.core.schema_check.pattern_tree import (
    Choice,
    Group,
    Look,
    Node,
    One,
    Place,
    Reference,
    Repeat,
    Sequence,
)

MAX_STEPS: Final = 10_000
"""Longest program. A repetition with bounds is written out."""


class Kind(Enum):
    """What a step does."""

    ONE = auto()  # one character of `characters`
    FORK = auto()  # go to `to`; if that fails, to `other`
    GO = auto()  # go to `to`
    PLACE = auto()  # the condition `place`
    LOOK = auto()  # the program at the next step matches here (`negated`: does not); go on at `to`
    KEEP = auto()  # keep the place as an end of a group: `numbers`
    FORGET = auto()  # forget what the groups `numbers` matched
    REFERENCE = auto()  # what one of the groups `numbers` matched
    MATCH = auto()


class Step:
    """One step. Which fields it has depends on its kind."""

    __slots__ = ("behind", "characters", "ignore_case", "kind", "negated", "numbers", "other", "place", "to")

    def __init__(self, kind: Kind, *, behind: bool = False, numbers: tuple[int, ...] = ()) -> None:
        self.kind = kind
        self.behind = behind
        """Whether it goes to the left, as in a look-behind."""
        self.numbers = numbers
        self.to = self.other = 0
        self.characters = _NONE
        self.place = ""
        self.negated = self.ignore_case = False


_NONE: Final = Characters([])


class Program:
    """A program."""

    def __init__(self, pattern: str) -> None:
        """Raises PatternError."""
        parsed = parse(pattern)
        self.steps: list[Step] = []
        self.kept = parsed.groups * 2 + 2 if parsed.has_references else 0
        """How many ends of groups it keeps: none unless there are references to groups."""
        self._write(parsed.root, behind=False)
        self._add(Step(Kind.MATCH))
        first = self.steps[0]
        self.anchored = first.kind is Kind.PLACE and first.place == "start"
        """Whether it matches at the start of the text only."""

    def _add(self, step: Step) -> Step:
        if len(self.steps) >= MAX_STEPS:
            raise PatternError("it is too large")
        self.steps.append(step)
        return step

    def _write(self, node: Node, behind: bool) -> None:
        if isinstance(node, One):
            self._add(Step(Kind.ONE, behind=behind)).characters = node.characters
        elif isinstance(node, Place):
            self._add(Step(Kind.PLACE)).place = node.kind
        elif isinstance(node, Sequence):
            for part in reversed(node.parts) if behind else node.parts:
                self._write(part, behind)
        elif isinstance(node, Choice):
            self._write_choice(node, behind)
        elif isinstance(node, Repeat):
            self._write_repeat(node, behind)
        elif isinstance(node, Group):
            self._write_group(node, behind)
        elif isinstance(node, Reference):
            step = self._add(Step(Kind.REFERENCE, behind=behind, numbers=tuple(node.numbers)))
            step.ignore_case = node.ignore_case
        else:
            self._write_look(node)

    def _write_choice(self, node: Choice, behind: bool) -> None:
        ends = []
        for choice in node.choices[:-1]:
            fork = self._add(Step(Kind.FORK))
            fork.to = len(self.steps)
            self._write(choice, behind)
            ends.append(self._add(Step(Kind.GO)))
            fork.other = len(self.steps)
        self._write(node.choices[-1], behind)
        for end in ends:
            end.to = len(self.steps)

    def _write_repeat(self, node: Repeat, behind: bool) -> None:
        for _ in range(node.low):
            self._write_round(node, behind)
        if node.high is None:
            start = len(self.steps)
            fork = self._fork()
            self._write_round(node, behind)
            self._add(Step(Kind.GO)).to = start
            self._leave([fork], node)
            return
        forks = []
        for _ in range(node.high - node.low):
            forks.append(self._fork())
            self._write_round(node, behind)
        self._leave(forks, node)

    def _fork(self) -> Step:
        fork = self._add(Step(Kind.FORK))
        fork.to = fork.other = len(self.steps)
        return fork

    def _leave(self, forks: list[Step], node: Repeat) -> None:
        for fork in forks:
            if node.lazy:
                fork.to = len(self.steps)
            else:
                fork.other = len(self.steps)

    def _write_round(self, node: Repeat, behind: bool) -> None:
        if self.kept and node.groups:
            self._add(Step(Kind.FORGET, numbers=tuple(node.groups)))
        before = len(self.steps)
        self._write(node.part, behind)
        if len(self.steps) == before:  # what is empty is repeated without end at no cost
            self._add(Step(Kind.GO)).to = before + 1

    def _write_group(self, node: Group, behind: bool) -> None:
        if self.kept:
            self._add(Step(Kind.KEEP, numbers=(node.number * 2 + behind,)))
        self._write(node.part, behind)
        if self.kept:
            self._add(Step(Kind.KEEP, numbers=(node.number * 2 + (not behind),)))

    def _write_look(self, node: Look) -> None:
        look = self._add(Step(Kind.LOOK))
        look.negated = node.negated
        self._write(node.part, node.behind)
        self._add(Step(Kind.MATCH))
        look.to = len(self.steps)
