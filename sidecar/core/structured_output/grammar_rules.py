"""The rules of a grammar, and checks for missing rules, endless rules and left recursion."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from sidecar.core.jobs import checkpoint

MAX_CHAIN: Final = 1000
"""Rules of which each begins with the next one. llama.cpp recurses along them, on the compute thread."""

MAX_WAYS: Final = 300_000
"""Ways to go on from all symbols of a grammar. 20,000 words to choose from have about 200,000."""


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
    _check_recursion(rules, _empty(rules))
    ends = _fixpoint(rules, lambda item, known: item.rule is None or item.low == 0 or item.rule in known)
    if "root" not in ends:
        raise GrammarError("no text can end: every alternative of 'root' is endless", rules["root"].offset)


def check_work(rules: dict[str, Rule]) -> None:
    """Raise GrammarError if llama.cpp takes long per character: it follows all ways at once.

    From each symbol of a sequence, the next character may be the first one of the symbols after it, as long as these
    may be left out. The ways of all symbols count, each as often as llama.cpp finds it. The rules are checked already.
    """
    empty = _empty(rules)
    begins = {name: {i.rule for i in _first_items(rule, empty) if i.rule} for name, rule in rules.items()}
    ways: dict[str, int] = {}
    depths: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(begins).static_order():
        depths[name] = 1 + max((depths[other] for other in begins[name]), default=0)
        if depths[name] > MAX_CHAIN:
            raise GrammarError(f"more than {MAX_CHAIN} rules that begin with one another", rules[name].offset)
        firsts = (_ways(sequence, ways, empty) for sequence in rules[name].alternatives)
        ways[name] = min(sum(next(first, 1) for first in firsts), MAX_WAYS + 1)
    total = 0
    for rule in rules.values():
        checkpoint()
        for sequence in rule.alternatives:
            total += sum(_ways(sequence, ways, empty))
            if total > MAX_WAYS:
                raise GrammarError("the grammar can go on in too many ways", rule.offset)


def _ways(sequence: list[Item], ways: dict[str, int], empty: set[str]) -> Iterator[int]:
    """How many ways there are from each symbol of a sequence, the first one first."""
    found: list[int] = []
    after = 0
    for item in reversed(sequence):
        own = 1 if item.rule is None else ways.get(item.rule, 1)
        after = min(own + (after if item.low == 0 or item.rule in empty else 0), MAX_WAYS + 1)
        found.append(after)
    return iter(found[::-1])


def _first_items(rule: Rule, empty: set[str]) -> Iterator[Item]:
    for sequence in rule.alternatives:
        for item in sequence:
            yield item
            if item.low != 0 and item.rule not in empty:
                break


def _empty(rules: dict[str, Rule]) -> set[str]:
    """The rules that an empty text satisfies."""
    return _fixpoint(rules, lambda item, known: item.low == 0 or item.rule in known)


def _items(rule: Rule) -> Iterator[Item]:
    for sequence in rule.alternatives:
        yield from sequence


def _fixpoint(rules: dict[str, Rule], holds: Callable[[Item, set[str]], bool]) -> set[str]:
    """The rules that have an alternative whose items all satisfy `holds`. It gets the rules found so far."""
    users: dict[str, set[str]] = {}
    for name, rule in rules.items():
        for item in _items(rule):
            if item.rule is not None:
                users.setdefault(item.rule, set()).add(name)
    known: set[str] = set()
    waiting = list(rules)
    while waiting:
        checkpoint()
        name = waiting.pop()
        if name not in known and any(all(holds(item, known) for item in s) for s in rules[name].alternatives):
            known.add(name)
            waiting += users.get(name, ())
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
