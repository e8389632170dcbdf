"""Reads tool calls that are written with tags around names and arguments instead of JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[\w.-]+")


class Tags(NamedTuple):
    """The tags around names and values."""

    call: tuple[str, str, str]
    """Before the name, after the name, after the call. Empty: the call begins with its bare name."""
    key: tuple[str, str]
    value: tuple[str, str]
    """Other text may stand between the key and `value[0]`."""


FUNCTION: Final = Tags(("<function=", ">", "</function>"), ("<parameter=", ">"), ("", "</parameter>"))
PAIRS: Final = Tags(("", "", ""), ("<arg_key>", "</arg_key>"), ("<arg_value>", "</arg_value>"))
INVOKE: Final = Tags(('<invoke name="', '">', "</invoke>"), ('<parameter name="', '">'), ("", "</parameter>"))
DSML: Final = Tags(
    ('<｜DSML｜invoke name="', '">', "</｜DSML｜invoke>"),
    ('<｜DSML｜parameter name="', '"'),
    (">", "</｜DSML｜parameter>"),
)


class MissingTag(Exception):
    """A tag, or the name of the call, is missing."""


def tagged_calls(text: str, tags: Tags) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the name of each call in a text, and the (key, value) pairs of its arguments. Raises MissingTag."""
    before, after, end = tags.call
    if not before:
        name = _NAME.match(text.lstrip())
        if name is None:
            raise MissingTag("the name is missing")
        yield name[0], list(_arguments(text, tags))
        return
    at = text.find(before)
    while at >= 0:
        tag, at = _until(text, at + len(before), after)
        body, at = _until(text, at, end)
        yield tag.strip(), list(_arguments(body, tags))
        at = text.find(before, at)


def _arguments(body: str, tags: Tags) -> Iterator[tuple[str, str]]:
    at = body.find(tags.key[0])
    while at >= 0:
        key, at = _until(body, at + len(tags.key[0]), tags.key[1])
        _, at = _until(body, at, tags.value[0])
        value, at = _until(body, at, tags.value[1])
        yield key.strip(), value.removeprefix("\n").removesuffix("\n")
        at = body.find(tags.key[0], at)


def _until(text: str, start: int, mark: str) -> tuple[str, int]:
    """The text from `start` to a mark, and the position after the mark. Raises MissingTag."""
    at = text.find(mark, start)
    if at < 0:
        raise MissingTag(f"{mark} is missing")
    return text[start:at], at + len(mark)
