"""From a regular expression of ECMAScript to the same one in the syntax of Rust, which llguidance takes."""

from __future__ import annotations

import re
from typing import Final

from sidecar.core.schema_check.characters import LAST, Characters, Ranges
from sidecar.core.schema_check.pattern_syntax import PatternError, parse
from sidecar.core.schema_check.pattern_tree import Choice, Group, Node, One, Place, Repeat, Sequence
from sidecar.core.schema_check.value_keywords import Malformed

SURROGATES: Final = (0xD800, 0xDFFF)
"""Code points that are no characters."""

_BRACKETS: Final = re.compile(r"\[[^\]]*\]")
"""The classes of a translated expression. No bracket stands in them."""

NOTHING: Final = rf"[^\x{{0}}-\x{{{LAST:X}}}]"


class NotRegular(Exception):
    """The expression looks around, or refers to what a group matched. No mask can enforce that."""


def translated(pattern: str) -> str:
    """The expression in Rust's syntax. Raises PatternError, NotRegular."""
    return _text(parse(pattern).root)


def checked_and_translated(value: object) -> str:
    """The same for a value of a schema. Raises Malformed, NotRegular."""
    if not isinstance(value, str):
        raise Malformed("it must be a string")
    try:
        return translated(value)
    except PatternError as error:
        raise Malformed(str(error)) from None


def translated_whole(pattern: str) -> str:
    """The same for an expression that must match a whole text, so its outermost `^` and `$` say nothing.

    Raises PatternError, NotRegular.
    """
    text = _text(_without_ends(parse(pattern).root))
    if "^" in _BRACKETS.sub("", text) or "$" in _BRACKETS.sub("", text):
        raise NotRegular("^ and $ may stand only at the ends")
    return text


def _without_ends(node: Node) -> Node:
    if isinstance(node, Choice):
        return Choice([_without_ends(each) for each in node.choices])
    if isinstance(node, Group):
        return node._replace(part=_without_ends(node.part))
    parts: list[Node] = list(node.parts) if isinstance(node, Sequence) else [node]
    if parts and parts[0] == Place("start"):
        del parts[0]
    if parts and parts[-1] == Place("end"):
        del parts[-1]
    if len(parts) == 1 and isinstance(parts[0], (Choice, Group, Sequence)):  # all of it stands in brackets
        return _without_ends(parts[0])
    return Sequence(parts)


def _text(node: Node, *, alone: bool = True) -> str:
    """`alone`: whether alternatives need no brackets around them."""
    if isinstance(node, One):
        return _class(node.characters)
    if isinstance(node, Sequence):
        alone = alone and len(node.parts) == 1
        return "".join(_text(part, alone=alone) for part in node.parts)
    if isinstance(node, Choice):
        choices = "|".join(_text(each) for each in node.choices)
        return choices if alone else f"(?:{choices})"
    if isinstance(node, Group):
        return f"(?:{_text(node.part)})"
    if isinstance(node, Repeat):
        high = "" if node.high is None else node.high
        return f"(?:{_text(node.part)}){{{node.low},{high}}}"
    if isinstance(node, Place) and node.kind in ("start", "end"):
        return "^" if node.kind == "start" else "$"
    raise NotRegular(
        "it looks around, or refers to a group: that cannot be enforced while the text is written"
    )


def _class(characters: Characters) -> str:
    ranges, categories, negated = characters.parts
    inner = "".join(_range(low, high) for low, high in _without_surrogates(ranges))
    inner += "".join(rf"\p{{{category}}}" for category in sorted(categories - {"Cs"}))
    if not inner:
        return rf"[\x{{0}}-\x{{{LAST:X}}}]" if negated else NOTHING
    text = f"[{'^' if negated else ''}{inner}]"
    return f"(?i:{text})" if characters.ignore_case else text


def _range(low: int, high: int) -> str:
    return rf"\x{{{low:X}}}" if low == high else rf"\x{{{low:X}}}-\x{{{high:X}}}"


def _without_surrogates(ranges: Ranges) -> Ranges:
    """A range may span them; if it ends before them and another begins after them, Rust gets their complement wrong."""
    first, last = SURROGATES
    kept = [
        (last + 1 if first <= low <= last else low, first - 1 if first <= high <= last else high)
        for low, high in ranges
    ]
    return [(low, high) for low, high in kept if low <= high]
