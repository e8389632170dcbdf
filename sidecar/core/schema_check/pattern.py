"""Searches texts for regular expressions of ECMAScript, in bounded time.

Python's `re` has another dialect, and an expression such as `^(a+)+$` keeps it busy for ever while no other thread
runs. Here no state of a search is tried twice, so that the work grows with the text's length only, unless the
expression refers to groups; and it ends with the budget.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from sidecar.core.schema_check.pattern_program import Kind, Program, Step

MAX_KEPT: Final = 32
"""Programs that are kept."""

Kept = tuple[int, ...]
"""The ends of the groups' matches; -1: none."""

_WORD: Final = frozenset("0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LINE_ENDS: Final = frozenset("\n\r\u2028\u2029")


class TooMuchWork(Exception):
    """A check needs more work than its budget allows."""


class Budget:
    """The work that a check may do, in steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Raises TooMuchWork."""
        self._left -= steps
        if self._left < 0:
            raise TooMuchWork


@lru_cache(maxsize=MAX_KEPT)
def program(pattern: str) -> Program:
    """The program of an expression. Raises PatternError."""
    return Program(pattern)


def search(pattern: str, text: str, budget: Budget) -> bool:
    """Whether the expression matches somewhere in the text. Raises PatternError, TooMuchWork."""
    made = program(pattern)
    matcher = _Search(made, text, budget)
    seen: set[tuple[int, int, Kept]] = set()
    starts = range(1 if made.anchored else len(text) + 1)
    return any(matcher.run(0, at, (-1,) * made.kept, seen) is not None for at in starts)


class _Search:
    def __init__(self, made: Program, text: str, budget: Budget) -> None:
        self._steps = made.steps
        self._text = text
        self._budget = budget

    def run(self, first: int, at: int, kept: Kept, seen: set[tuple[int, int, Kept]]) -> Kept | None:
        """Match from a step and a place on. Returns the groups' ends, or None if nothing matches.

        `seen`: the states at forks that were tried. Each fails, or leads to a match that ends the search.
        """
        steps, spend = self._steps, self._budget.spend
        waiting = [(first, at, kept)]
        while waiting:
            number, at, kept = state = waiting.pop()
            while True:
                step = steps[number]
                kind = step.kind
                spend(1)
                if kind is Kind.ONE:
                    at = self._after_one(step, at)
                    if at < 0:
                        break
                    number += 1
                elif kind is Kind.FORK:
                    state = number, at, kept
                    if state in seen:
                        break
                    seen.add(state)
                    waiting.append((step.other, at, kept))
                    number = step.to
                elif kind is Kind.GO:
                    number = step.to
                elif kind is Kind.MATCH:
                    return kept
                else:
                    moved = self._other(step, number, at, kept)
                    if moved is None:
                        break
                    number, at, kept = moved
        return None

    def _after_one(self, step: Step, at: int) -> int:
        """The place after one character; -1 if it is another one, or none."""
        place = at - 1 if step.behind else at
        if not 0 <= place < len(self._text) or self._text[place] not in step.characters:
            return -1
        return place if step.behind else at + 1

    def _other(self, step: Step, number: int, at: int, kept: Kept) -> tuple[int, int, Kept] | None:
        """The state after a step of a rarer kind; None if it fails."""
        if step.kind is Kind.PLACE:
            return (number + 1, at, kept) if self._is_at(step.place, at) else None
        if step.kind is Kind.LOOK:
            found = self.run(number + 1, at, kept, set())
            if (found is None) is not step.negated:
                return None
            return step.to, at, kept if found is None else found
        if step.kind is Kind.REFERENCE:
            end = self._after_reference(step, at, kept)
            return None if end < 0 else (number + 1, end, kept)
        self._budget.spend(len(kept))
        ends = list(kept)
        if step.kind is Kind.KEEP:
            ends[step.numbers[0]] = at
        else:
            for group in step.numbers:
                ends[group * 2] = ends[group * 2 + 1] = -1
        return number + 1, at, tuple(ends)

    def _after_reference(self, step: Step, at: int, kept: Kept) -> int:
        """The place after the text that a group matched; -1 if there is another text."""
        for group in step.numbers:
            low, high = kept[group * 2], kept[group * 2 + 1]
            if low < 0 or high < 0:
                continue  # it matched nothing
            self._budget.spend(high - low)
            length = high - low
            begin, end = (at - length, at) if step.behind else (at, at + length)
            wanted, found = self._text[low:high], self._text[max(begin, 0) : end]
            same = wanted.lower() == found.lower() if step.ignore_case else wanted == found
            return (begin if step.behind else end) if same else -1
        return at

    def _is_at(self, place: str, at: int) -> bool:
        text = self._text
        if place == "start":
            return at == 0
        if place == "end":
            return at == len(text)
        if place == "lineStart":
            return at == 0 or text[at - 1] in _LINE_ENDS
        if place == "lineEnd":
            return at == len(text) or text[at] in _LINE_ENDS
        in_word = [0 <= each < len(text) and text[each] in _WORD for each in (at - 1, at)]
        return (in_word[0] != in_word[1]) is (place == "word")
