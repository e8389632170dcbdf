"""Grammars of other texts than JSON: regular expressions, and Lark's syntax."""

from __future__ import annotations

import math
import re
from typing import Final

from sidecar.core.model.model import Model
from sidecar.core.schema_check.pattern_syntax import PatternError
from sidecar.core.structured_output.ecma_pattern import NotRegular, translated_whole
from sidecar.core.structured_output.json_schema import TOO_COMPLEX, compiled, too_complex
from sidecar.core.structured_output.llguidance_api import Matcher
from sidecar.message_handler.errors import SidecarError

_CHARACTER: Final = re.compile(r" at character (\d+)$")
_IMPOSSIBLE: Final = re.compile("[\0\ud800-\udfff]")
"""Characters that C's strings and UTF-8 cannot hold."""
_PLACE: Final = re.compile(r"^(?:at )?(?P<line>\d+)\((?P<column>\d+)\): *(?P<problem>.*)")
"""How llguidance says where an error of a Lark grammar is."""


def of_regex(model: Model, expression: str) -> Matcher:
    """A matcher of the texts that a regular expression of ECMAScript matches as a whole.

    Raises SidecarError `invalidGrammar`, `schemaTooComplex`.
    """
    try:
        text = translated_whole(expression)
    except (PatternError, NotRegular) as error:
        place = _CHARACTER.search(str(error))
        column = int(place[1]) if place else 1
        raise _invalid("/regex", expression, column, str(error)) from None
    return _matcher(model, "regex", text, "/regex")


def of_lark(model: Model, grammar: str) -> Matcher:
    """A matcher of a grammar in Lark's syntax. Raises SidecarError `invalidGrammar`, `schemaTooComplex`."""
    bad = _IMPOSSIBLE.search(grammar)
    if bad:
        raise _invalid("/grammar", grammar, bad.start() + 1, "this character cannot stand in a grammar")
    return _matcher(model, "lark", grammar, "/grammar")


def of_calls(model: Model, lark: str, most_s: float = math.inf) -> Matcher | None:
    """A matcher of a grammar of calls; None if it allows nothing. Raises SidecarError `schemaTooComplex`."""
    matcher = compiled(model, "lark", lark, "/tools", most_s)
    return None if matcher.error or not any(matcher.mask()) else matcher


def _matcher(model: Model, kind: str, text: str, pointer: str) -> Matcher:
    matcher = compiled(model, kind, text, pointer)
    error = matcher.error
    if error and any(sign in error for sign in TOO_COMPLEX):
        raise too_complex(pointer, error.splitlines()[0])
    if error:
        raise _refused(error, pointer)
    if not matcher.complete and not any(matcher.mask()):
        raise SidecarError(
            "invalidGrammar",
            f"{pointer}: no text matches it",
            pointer=pointer,
            line=1,
            column=1,
            cause="no text",
        )
    return matcher


def _refused(error: str, pointer: str) -> SidecarError:
    place = _PLACE.search(error)
    line, column = (int(place["line"]), int(place["column"])) if place else (1, 1)
    cause = place["problem"] if place else error.splitlines()[0]
    problem = f"{pointer}, line {line}, column {column}: {cause}"
    return SidecarError("invalidGrammar", problem, pointer=pointer, line=line, column=column, cause=cause)


def _invalid(pointer: str, text: str, offset: int, cause: str) -> SidecarError:
    before = text[: offset - 1]
    line, column = before.count("\n") + 1, offset - 1 - before.rfind("\n")
    problem = f"{pointer}, line {line}, column {column}: {cause}"
    return SidecarError("invalidGrammar", problem, pointer=pointer, line=line, column=column, cause=cause)
