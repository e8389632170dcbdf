"""From a JSON Schema to a matcher of the JSON that satisfies it, and the check of the finished text."""

from __future__ import annotations

import json
import math
from typing import Final, NamedTuple, NoReturn

from sidecar.core.model.model import Model
from sidecar.core.schema_check.pattern import TooMuchWork
from sidecar.core.schema_check.schema import Schema
from sidecar.core.structured_output import compiling
from sidecar.core.structured_output.keywords import (
    CHECKED,
    MASKED,
    Json,
    TooComplex,
    Unsatisfiable,
    Unsupported,
)
from sidecar.core.structured_output.llguidance_api import Matcher
from sidecar.core.structured_output.llguidance_schema import Options, Prepared, prepared
from sidecar.message_handler.errors import SidecarError

WHITE_SPACE: Final = r" {1,2}|\r?\n[ \t]{0,40}"
"""White space between the parts of JSON, which a model would otherwise write for ever."""

LINE: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""The layout in which json.dumps and most chat templates write JSON. It leaves a model no choice, so more is forced."""

MAX_CHARS: Final = 4_000_000
"""Longest schema for llguidance, in characters of JSON."""

TOO_COMPLEX: Final = ("limit", "too large", "too many", "fuel", "exceeded", "too big", "initial lexer")
"""What errors of llguidance say that are about cost."""

SIGNS: Final = {
    "oneOf": "oneOf",
    "maxProperties": "minProperties",
    "patternProperty": "patternProperties",
    "circular": "$ref",
    "intersection": "allOf",
    "regex": "pattern",
    "multiple": "multipleOf",
}
"""What an error of llguidance says, and the keyword that it is about. Several may stand in one error."""


class FinalCheck:
    """Checks a finished text: a mask does not know that names in an object differ."""

    def __init__(self, schema: Json, pointer: str, *, alone: bool) -> None:
        """`alone`: whether the mask does not enforce all of the schema.

        Raises SidecarError `unsupportedSchema` for a keyword that cannot be checked either.
        """
        self._schema = Schema(schema, pointer)
        self._alone = alone
        unchecked = self._schema.take_unchecked() if alone else []
        if unchecked:
            where, _, problem = unchecked[0].partition(": ")
            keyword = where.rpartition("/")[2]
            raise SidecarError(
                "unsupportedSchema", f"{where}: {problem}", pointer=where, value=keyword, cause=problem
            )

    def check(self, text: str) -> None:
        """Raises SidecarError `invalidOutput`."""
        try:
            problem = self._schema.problem(json.loads(text))
        except ValueError as error:
            problem = f"not JSON: {error}"
        except (TooMuchWork, RecursionError):
            problem = "to check it takes too long" if self._alone else None
        if problem is not None:
            raise SidecarError(
                "invalidOutput", f"The text does not satisfy the schema: {problem}", cause=problem
            )


class Enforced(NamedTuple):
    """What holds a text to a schema."""

    matcher: Matcher
    check: FinalCheck
    ignored: tuple[str, ...]
    """Words that no draft knows."""


def enforced(model: Model, schema: Json, pointer: str, options: Options) -> Enforced:
    """What holds a text to a schema. `pointer`: where it stands in the params.

    Raises SidecarError `unsupportedSchema`, `unsatisfiableSchema`, `schemaTooComplex`.
    """
    ready = prepare(schema, pointer, options)
    check = FinalCheck(schema, pointer, alone=options.checked)
    matcher = matcher_of(model, document(ready.root, ready.definitions, options), ready, pointer)
    return Enforced(matcher, check, tuple(ready.ignored))


def prepare(schema: Json, pointer: str, options: Options, prefix: str = "") -> Prepared:
    """A schema for llguidance; see `prepared`. Raises SidecarError."""
    try:
        return prepared(schema, pointer, options, prefix)
    except Unsupported as error:
        raise _unsupported(str(error), error.pointer, error.keyword) from None
    except Unsatisfiable as error:
        raise _unsatisfiable(pointer, str(error)) from None
    except (TooComplex, RecursionError) as error:
        raise too_complex(pointer, str(error) or "it is nested too deeply") from None


def document(root: Json, definitions: dict[str, Json], options: Options) -> str:
    """The schema as llguidance reads it, with its options."""
    layout: dict[str, Json] = LINE if options.on_one_line else {"whitespace_pattern": WHITE_SPACE}
    guidance = {**layout, "coerce_one_of": options.checked}
    if definitions:
        root = {"$ref": "#/$defs/root", "$defs": {"root": root, **definitions}}
    elif not isinstance(root, dict):
        root = {"allOf": [root]}
    # The options stand last: llguidance takes them out, and puts the last member in their place.
    return json.dumps({**root, "x-guidance": guidance})


def matcher_of(model: Model, text: str, ready: Prepared, pointer: str) -> Matcher:
    """The matcher of a document. Raises SidecarError."""
    if len(text) > MAX_CHARS:
        raise too_complex(pointer, f"more than {MAX_CHARS} characters")
    matcher = compiled(model, "json_schema", text, pointer)
    if matcher.error:
        _refuse(matcher.error, ready, pointer)
    if not any(matcher.mask()):
        raise _unsatisfiable(pointer, "no value satisfies it")
    return matcher


def compiled(model: Model, kind: str, text: str, pointer: str, most_s: float = math.inf) -> Matcher:
    """A compiled grammar, which may be in error. Raises SidecarError `schemaTooComplex`, `overloaded`."""
    try:
        return compiling.compiled(model, kind, text, most_s)
    except compiling.TooSlow:
        most_s = min(most_s, compiling.MAX_COMPILE_S)
        raise too_complex(pointer, f"it takes more than {most_s:.0f} s to compile") from None


def _refuse(error: str, ready: Prepared, pointer: str) -> NoReturn:
    cause = error.splitlines()[0]
    if "nsatisfiable" in cause:
        raise _unsatisfiable(pointer, cause)
    if any(sign in cause for sign in TOO_COMPLEX):
        raise too_complex(pointer, cause)
    keyword = next((word for sign, word in SIGNS.items() if sign in cause), "")
    if keyword == "minProperties" and keyword not in ready.places:
        keyword = "maxProperties"
    place = ready.places.get(keyword)
    if place is None:
        raise _unsupported(f"{pointer}: {cause}", pointer, keyword)
    raise _unsupported(f"{place}: {cause}", place, place.rpartition("/")[2])


def _unsupported(problem: str, pointer: str, keyword: str) -> SidecarError:
    allowed = sorted(MASKED | CHECKED)
    return SidecarError("unsupportedSchema", problem, pointer=pointer, value=keyword, allowed=allowed)


def _unsatisfiable(pointer: str, cause: str) -> SidecarError:
    return SidecarError("unsatisfiableSchema", f"{pointer}: {cause}", pointer=pointer, cause=cause)


def too_complex(pointer: str, cause: str) -> SidecarError:
    """The error `schemaTooComplex`."""
    return SidecarError("schemaTooComplex", f"{pointer}: {cause}", pointer=pointer, cause=cause)
