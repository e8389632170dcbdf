"""The arguments of calls: always strict JSON, and typed by the tool's schema where the model writes bare text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from sidecar.message_handler.framing import parse_json

NO_ARGUMENTS: Final = "{}"
NOTHING: Final = ("", "null")
"""What models write instead of `{}` for a tool without parameters."""

SPACES: Final = " \t\r\n"
"""What may stand around JSON. Other white space belongs to a text."""

ONE_OF_EACH: Final[tuple[object, ...]] = (None, False, 0, "", [], {})
"""A value of each JSON type. A schema that accepts all of them says nothing about the type."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PYTHON: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b""", re.DOTALL)
_ESCAPE: Final = re.compile(r"""\\(?:x([0-9a-fA-F]{2})|U000([0-9a-fA-F]{5})|.)|"|[\x00-\x1f]""", re.DOTALL)
_WORDS: Final = {"True": "true", "False": "false", "None": "null"}


def to_json(value: object) -> str:
    """JSON text that every reader takes: no NaN, and lone surrogates only as escapes."""
    return strict_text(json.dumps(value, ensure_ascii=False, allow_nan=False))


def strict_text(text: str) -> str:
    """The same JSON text with escapes for lone surrogates, which UTF-8 cannot carry."""
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def string_value(literal: str) -> str:
    """The value of a JSON string. Raises ValueError if it is not one."""
    value = json.loads(literal, strict=False)
    if not isinstance(value, str):
        raise ValueError("it is not a JSON string")
    return value


def object_text(written: str) -> str:
    """The JSON text of the object that a model means by arguments that do not begin with `{`.

    It may be a string that contains the JSON, or a word for nothing. Everything else is returned as it is.
    Raises ValueError.
    """
    written = written.strip()
    if written.startswith('"'):
        written = strict_text(string_value(written)).strip()
    return NO_ARGUMENTS if written in NOTHING else written


def typed_value(text: str, fits: Callable[[object], bool], is_string: bool | None = None) -> object:
    """The value that bare text stands for: text if the schema accepts it, else JSON, else a literal of Python.

    `fits` says whether the schema accepts a value. `is_string`: what the model itself says; None if it does not.
    """
    bare = text.strip(SPACES)
    untyped = all(map(fits, ONE_OF_EACH))
    if is_string is None and not untyped and text in ("null", "None") and fits(None):
        return None
    as_text = is_string if is_string is not None else not untyped
    if as_text and fits(text):
        return text
    for read in (parse_json,) if untyped else (parse_json, python_value):
        try:
            value: object = read(bare)
        except ValueError:
            continue
        if fits(value):
            return value
    return text


def python_value(text: str) -> object:
    """The value of a Python literal of JSON's types. Raises ValueError."""
    return parse_json(_PYTHON.sub(_as_json, text))


def _as_json(match: re.Match[str]) -> str:
    token = match[0]
    return _WORDS[token] if token in _WORDS else f'"{_ESCAPE.sub(_escaped, token[1:-1])}"'


def _escaped(match: re.Match[str]) -> str:
    """An escape of Python, or a character that JSON escapes, within a string of JSON."""
    token = match[0]
    code = match[1] or match[2]
    if code or len(token) == 1:
        return json.dumps(chr(int(code, 16)) if code else token)[1:-1]
    return "'" if token == "\\'" else token
