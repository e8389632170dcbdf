"""Keywords with schemas in them: members of objects, items of arrays, combinations."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.core.schema_check.node import Check, Json, Node, Problem, Run, first
from sidecar.core.schema_check.value_keywords import Malformed, is_whole

MemberCheck = Callable[[str, Json, Run], "Problem | None"]


# ---- objects -------------------------------------------------------------------------------------------


def members(
    properties: dict[str, Node],
    patterns: list[tuple[Callable[[str, Run], bool], Node]],
    additional: Node | None,
) -> MemberCheck:
    """The check of one member of an object."""

    def check(key: str, value: Json, run: Run) -> Problem | None:
        nodes = [properties[key]] if key in properties else []
        nodes += [node for matches, node in patterns if matches(key, run)]
        if not nodes and additional is not None:
            nodes = [additional]
        found = first(node.problem(value, run) for node in nodes)
        return None if found is None else found.within(key)

    return check


def each_member(check: MemberCheck) -> Check:
    """The check of all members of an object."""
    return lambda value, run: (
        first(check(key, member, run) for key, member in value.items()) if isinstance(value, dict) else None
    )


def names(node: Node) -> Check:
    """The check of `propertyNames`."""
    return lambda value, run: (
        first(node.problem(name, run) for name in value) if isinstance(value, dict) else None
    )


def dependent(nodes: dict[str, Node]) -> Check:
    """The check of schemas that hold if a member is there."""
    return lambda value, run: (
        first(node.problem(value, run) for name, node in nodes.items() if name in value)
        if isinstance(value, dict)
        else None
    )


# ---- arrays --------------------------------------------------------------------------------------------


def each_item(first_items: list[Node], others: Node | None) -> Check:
    """The check of an array's items."""

    def check(value: Json, run: Run) -> Problem | None:
        if not isinstance(value, list):
            return None
        for index, item in enumerate(value):
            node = first_items[index] if index < len(first_items) else others
            if node is None:
                return None
            if (found := node.problem(item, run)) is not None:
                return found.within(index)
        return None

    return check


def contains(node: Node, low: Json, high: Json) -> Check:
    """The check of how many items fit."""
    if not all(is_whole(limit) and limit >= 0 for limit in (low, high) if limit is not None):
        raise Malformed("minContains and maxContains must be integers from 0 up")

    def check(value: Json, run: Run) -> Problem | None:
        if not isinstance(value, list):
            return None
        verdicts = [node.fits(item, run) for item in value]
        certain, possible = verdicts.count(True), len(value) - verdicts.count(False)
        if possible >= low and (high is None or certain <= high):
            return None
        return Problem("has too few or too many items that fit `contains`", value)

    return check


# ---- combinations --------------------------------------------------------------------------------------


def all_of(nodes: list[Node]) -> Check:
    """The check of several schemas that must all fit."""
    return lambda value, run: first(node.problem(value, run) for node in nodes)


def any_of(nodes: list[Node]) -> Check:
    """The check of several schemas of which one must fit."""

    def check(value: Json, run: Run) -> Problem | None:
        nearest: Problem | None = None
        for node in nodes:
            found = node.problem(value, run)
            if found is None:
                return None
            if nearest is None or len(found.path) > len(nearest.path):
                nearest = found  # the choice that fits furthest is the one that is meant
        return nearest

    return check


def one_of(nodes: list[Node]) -> Check:
    """The check of several schemas of which exactly one must fit."""
    any_fits = any_of(nodes)

    def check(value: Json, run: Run) -> Problem | None:
        if [node.fits(value, run) for node in nodes].count(True) > 1:
            return Problem("fits more than one of the choices", value)
        return any_fits(value, run)

    return check


def excluded(node: Node) -> Check:
    """The check of `not`."""
    return lambda value, run: Problem("is what `not` excludes", value) if node.fits(value, run) else None


def condition(test: Node, then: Node | None, otherwise: Node | None) -> Check:
    """The check of `if`."""

    def check(value: Json, run: Run) -> Problem | None:
        verdict = test.fits(value, run)
        chosen = None if verdict is None else then if verdict else otherwise
        return None if chosen is None else chosen.problem(value, run)

    return check
