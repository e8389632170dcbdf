"""Limits on what one step of a chat template makes.

A template is stopped between two steps when it takes too long or too much memory (template.py). One step, such as
`"x"|center(1000000000)`, cannot be stopped; other threads wait for it, or get no memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, Final

MAX_PRODUCT: Final = 1_000_000
"""Longest string or list that a template may make by multiplying; largest width, count or length."""

MAX_CHARS: Final = 16_000_000
"""Longest text that a template may make of a list, or by replacing."""

WIDTHS: Final = frozenset(
    [
        *(
            "center",
            "ljust",
            "rjust",
            "zfill",
            "expandtabs",
            "indent",
            "wordwrap",
            "batch",
            "slice",
            "tojson",
        ),
        *("to_bytes", "round"),
    ]
)
"""Filters and methods whose result, or what they take it from, is as long as a number among their arguments says."""

REPEATED: Final[Mapping[str, Callable[[str], int]]] = {
    "expandtabs": lambda text: text.count("\t"),
    "indent": lambda text: text.count("\n") + 1,
    "translate": len,
    "wordwrap": len,
}
"""Filter or method → how often it writes one of its arguments, or as many characters as that says."""

_WIDE: Final = re.compile(r"[0-9]{7}|%[^a-zA-Z]*\*")
"""In a format: a field wider than MAX_PRODUCT, or as wide as an argument says."""

_NESTED: Final = re.compile(r"\{[^{}]*\{")
"""In a format: a field as wide as an argument of `format` says."""

Filter = Callable[..., Any]  # whatever a filter returns


def limited(name: str, function: Filter) -> Filter:
    """A filter of Jinja2 that raises OverflowError before it makes something too large."""
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0  # it gets its environment first

    @wraps(function)
    def checked(*arguments: object, **named: object) -> object:
        if name == "join":
            arguments = (*arguments[:skipped], *listed(arguments[skipped:]))
        check_call(name, arguments[skipped], arguments[skipped + 1 :], named)
        return function(*arguments, **named)

    return checked


def listed(arguments: tuple[object, ...]) -> tuple[object, ...]:
    """The arguments of `join`, an iterator as a list: what it holds can be looked at."""
    return tuple(list(each) if isinstance(each, Iterator) else each for each in arguments)


def check_call(name: str, source: object, arguments: tuple[object, ...], named: Mapping[str, object]) -> None:
    """Raise OverflowError if a filter or method `name` of `source` may make something too large."""
    given = (*arguments, *named.values())
    source = source.decode("latin-1") if isinstance(source, bytes) else source
    if name in WIDTHS and any(map(_is_large, given)):
        raise OverflowError(f"an argument of {name} is too large")
    if name in REPEATED and isinstance(source, str):
        numbers = name in ("expandtabs", "indent")
        longest = max((_chars(each, numbers) for each in given), default=0)
        if REPEATED[name](source) * longest > MAX_CHARS:
            raise OverflowError(f"the text is too long after {name}")
    if name in ("format", "format_map"):
        check_format(source, given)
    elif name == "replace" and isinstance(source, str):
        old, new = [*map(str, given), "", ""][:2]
        if source.count(old) * len(new) > MAX_CHARS:
            raise OverflowError("the text is too long after a replacement")
    elif name == "join":
        parts, between = (given[0], source) if isinstance(source, str) and given else (source, given)
        if isinstance(parts, list | tuple):
            check_text_of(parts)
            if len(str(between)) * len(parts) > MAX_CHARS:
                raise OverflowError("the joined text is too long")
    elif name in ("string", "tojson", "pprint"):
        check_text_of(source)


def check_format(text: object, values: Sequence[object] = ()) -> None:
    """Raise OverflowError if a format may have a field that is too wide; `values`: of the fields of `format`."""
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    if not isinstance(text, str):
        return
    mapped = [
        each for value in values if isinstance(value, Mapping) for each in value.values()
    ]  # of format_map
    if _WIDE.search(text) or (_NESTED.search(text) and any(map(_is_large, (*values, *mapped)))):
        raise OverflowError("a field of a format is too wide")


def _is_large(value: object) -> bool:
    return isinstance(value, int) and abs(value) > MAX_PRODUCT


def _chars(value: object, numbers: bool) -> int:
    """How many characters an argument writes at a time; a number counts if `numbers`."""
    if isinstance(value, Mapping):  # of translate
        return max((len(each) for each in value.values() if isinstance(each, str)), default=1)
    if isinstance(value, int):
        return value if numbers else 1
    return len(value) if isinstance(value, str) else 1


def check_sum(left: object, right: object) -> None:
    """Raise OverflowError if two lists are too long together."""
    if isinstance(left, list) and isinstance(right, list) and len(left) + len(right) > MAX_CHARS:
        raise OverflowError("a list is too long")


def check_text_of(value: object) -> object:
    """Return the value. Raise OverflowError if it is too long as text: a list may contain another one many times."""
    if not isinstance(value, list | tuple | dict):
        return value
    chars = 0
    open_lists: list[Iterator[object]] = [iter((value,))]
    while open_lists:
        for each in open_lists[-1]:
            chars += len(each) if isinstance(each, str | bytes) else 2
            if chars > MAX_CHARS:
                raise OverflowError("a list is too long as text")
            if isinstance(each, dict):
                open_lists.append(iter((*each, *each.values())))
                break
            if isinstance(each, list | tuple):
                open_lists.append(iter(each))
                break
        else:
            open_lists.pop()
    return value
