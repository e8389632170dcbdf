"""The rules of a grammar, and checks for missing rules, endless rules and left recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple


class GrammarError(Exception):
    """The problem, and the offset of the character where it occurs."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset


class Item(NamedTuple):
    """One symbol of a sequence: a reference to a rule, or a character, class or token (`rule` is None)."""

    offset: int
    rule: str | None = None
    low: int = 1
    high: int | None = 1
    """It occurs `low` to `high` times. `high` None: no limit."""


class Rule(NamedTuple):
    """The alternatives of a rule, each a sequence of symbols. A group is a rule of its own, as in llama.cpp."""

    offset: int
    alternatives: list[list[Item]]


def check_rules(rules: dict[str, Rule]) -> None:
    """Raise GrammarError if llama.cpp cannot follow the rules, or if no text can end."""
    for rule in rules.values():
        for item in _items(rule):
            if item.rule is not None and item.rule not in rules:
                raise GrammarError(f"there is no rule {item.rule!r}", item.offset)
    if "root" not in rules:
        raise GrammarError("there is no rule 'root'", 0)
    empty = _fixpoint(rules, lambda item, known: item.low == 0 or item.rule in known)
    _check_recursion(rules, empty)
    ends = _fixpoint(rules, lambda item, known: item.rule is None or item.low == 0 or item.rule in known)
    if "root" not in ends:
        raise GrammarError("no text can end: every alternative of 'root' is endless", rules["root"].offset)


def _items(rule: Rule) -> Iterator[Item]:
    for sequence in rule.alternatives:
        yield from sequence


def _fixpoint(rules: dict[str, Rule], holds: Callable[[Item, set[str]], bool]) -> set[str]:
    """The rules that have an alternative whose items all satisfy `holds`. It gets the rules found so far."""
    known: set[str] = set()
    grown = True
    while grown:
        fresh = {
            name
            for name, rule in rules.items()
            if name not in known and any(all(holds(item, known) for item in s) for s in rule.alternatives)
        }
        known |= fresh
        grown = bool(fresh)
    return known


def _check_recursion(rules: dict[str, Rule], empty: set[str]) -> None:
    """Refuse what makes llama.cpp hang: rules that begin with themselves, endless repetitions of something empty."""
    begins: dict[str, list[Item]] = {}
    for name, rule in rules.items():
        begins[name] = []
        for sequence in rule.alternatives:
            leading = True
            for item in sequence:
                if item.high is None and item.rule in empty:
                    raise GrammarError("an endless repetition of what may be empty", item.offset)
                if leading and item.rule is not None and item.high != 0:
                    begins[name].append(item)
                leading = leading and (item.low == 0 or item.rule in empty)
    done: set[str] = set()
    for start in rules:
        path: dict[str, Iterator[Item]] = {} if start in done else {start: iter(begins[start])}
        while path:
            name = next(reversed(path))
            found = next(path[name], None)
            if found is None:
                done.add(name)
                del path[name]
            elif found.rule in path:
                shown = str(found.rule).split("_")[0]
                raise GrammarError(f"the rule {shown!r} begins with itself (left recursion)", found.offset)
            elif found.rule is not None and found.rule not in done:
                path[found.rule] = iter(begins[found.rule])
