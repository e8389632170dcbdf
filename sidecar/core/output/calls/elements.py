"""Objects and lists that are written as tags within tags: MiniMax-M3's arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from sidecar.core.output.calls.arguments import typed_value

MAX_DEPTH: Final = 64
"""Deepest element. Tags below it are text."""

MAX_TRIES: Final = 100
"""How often a value is checked against its schema, in order to learn the types of its leaves."""

LEAF_WAYS: Final = 3
"""How many values a text without tags may stand for."""

EACH: Final = -1
"""Stands for each index of a list."""

ITEM: Final = "item"
"""The tag of a list's items."""

Path = tuple[str | int, ...]


class Element(NamedTuple):
    """A value: its text, or the elements within it."""

    text: str
    inner: list[tuple[str, Element]]


def element_of(text: str, mark: str) -> Element:
    """The element that a text is, without its own tag. `mark` stands before each tag."""
    tag = re.compile(re.escape(mark) + r"<(/?)([^<>]*)>")
    return _element(text, tag, 0)


def _element(text: str, tag: re.Pattern[str], depth: int) -> Element:
    """Reads each character once per depth."""
    inner: list[tuple[str, Element]] = []
    at = 0
    while depth < MAX_DEPTH and (start := tag.search(text, at)) is not None:
        between = text[at : start.start()]
        end = None if start[1] or between.strip() else _end_of(text, tag, start)
        if end is None:
            return Element(text, [])
        inner.append((start[2], _element(text[start.end() : end.start()], tag, depth + 1)))
        at = end.end()
    return Element(text, inner if inner and not text[at:].strip() else [])


def _end_of(text: str, tag: re.Pattern[str], start: re.Match[str]) -> re.Match[str] | None:
    """The tag that closes the one at `start`; None if none does."""
    open_tags = 1
    for found in tag.finditer(text, start.end()):
        if found[2] == start[2]:
            open_tags += -1 if found[1] else 1
            if not open_tags:
                return found
    return None


def value_of(element: Element, wrong: Callable[[object], Path | None]) -> object:
    """The value that an element stands for. `wrong` says where a value does not fit its schema; None: it fits.

    Texts without tags do not say their type: JSON counts first, and where the schema disagrees, the text itself.
    """
    if not element.inner:
        return _leaf(element.text, lambda value: wrong(value) is None)
    tried: dict[Path, int] = {}
    value = _made(element, (), tried)
    for _ in range(MAX_TRIES):
        path = wrong(value)
        if path is None or tried.get(path, 0) >= LEAF_WAYS - 1:
            break
        if _alike(path) not in tried:  # the items of a list are most likely wrong in the same way
            path = _alike(path)
        tried[path] = tried.get(path, 0) + 1
        value = _made(element, (), tried)
    return value


def _alike(path: Path) -> Path:
    """The path of all leaves in the same place of a list's items."""
    return tuple(EACH if isinstance(part, int) else part for part in path)


def _leaf(text: str, fits: Callable[[object], bool]) -> object:
    """The value of a text, of which an empty one may stand for an empty list or object."""
    empty: tuple[object, ...] = () if text.strip() else ([], {})
    return next((value for value in empty if not fits("") and fits(value)), typed_value(text, fits))


def _made(element: Element, path: Path, tried: dict[Path, int]) -> object:
    """The value of an element if the leaves that were wrong are read in the next way."""
    names = [name for name, _ in element.inner]
    if names and all(name == ITEM for name in names):
        return [_made(each, (*path, index), tried) for index, (_, each) in enumerate(element.inner)]
    if len({*names}) < len(names):
        return element.text  # a name that is repeated: no object says that
    if names:
        return {name: _made(each, (*path, name), tried) for name, each in element.inner}
    text = element.text
    ways: tuple[object, ...] = (text, [], {})
    if text.strip():
        value = typed_value(text, lambda _: True)
        bare = text if isinstance(value, (str, list, dict)) else value  # a list would be tags
        ways = (bare, text, value)
    shared = 0 if path == _alike(path) else tried.get(_alike(path), 0)
    return ways[(shared + tried.get(path, 0)) % LEAF_WAYS]
