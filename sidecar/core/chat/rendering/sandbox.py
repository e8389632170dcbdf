"""The Jinja2 sandbox in which chat templates run: set up as transformers does, with limits on multiplication."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.chat.rendering.step_limits import (
    MAX_PRODUCT,
    check_call,
    check_format,
    check_sum,
    check_text_of,
    limited,
    listed,
)

if TYPE_CHECKING:
    from jinja2 import Environment, nodes
    from jinja2.parser import Parser
    from jinja2.runtime import Context

MAX_POWER: Final = 64
"""Largest base and largest exponent of a power."""

MAX_BITS: Final = 1024
"""Largest number, in bits, that a template may multiply."""

_lock: Final = threading.Lock()


class FixedList(list[object]):
    """A list that was passed to the template, which may change only the lists that it made itself."""


_UNDEFINED: Final = re.compile(r"'([^']*)' is undefined")
_WORDS: Final = (
    (f"{FixedList.__module__}.{FixedList.__name__} object", "a list"),
    ("list object", "a list"),
    ("'dict object'", "an object"),
    ("NoneType", "null"),
    ("'None'", "null"),
)
"""Jinja2's and Python's name → the name on the wire."""


def in_words(error: Exception) -> str:
    """What a template failed at, in the words of someone who does not know that Python runs it."""
    cause = str(error) or type(error).__name__
    for name, word in _WORDS:
        cause = cause.replace(name, word)
    return _UNDEFINED.sub(r"it needs the variable '\1', which templateVariables can set", cause)


def fixed(value: object) -> object:
    """A copy in which every list is a FixedList."""
    if isinstance(value, dict):
        return {key: fixed(member) for key, member in value.items()}
    return FixedList(map(fixed, value)) if isinstance(value, list) else value


def environment() -> Environment:
    """The one environment of this process. Importing Jinja2 takes 60 ms."""
    with _lock:  # while a model loads, a second thread calls this
        return _environment()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    with _without_openssl():
        from jinja2.ext import Extension, loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationBlock(Extension):
        """`{% generation %}` marks what to train on. Here it only writes its content."""

        tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

        def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%", "+"})

        def is_safe_attribute(self, owner: object, name: str, value: object) -> bool:
            own_list = type(owner) is list and name in ("append", "pop")
            return own_list or super().is_safe_attribute(owner, name, value)

        def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> object:  # of any type
            if operator in "%+":
                check_format(left) if operator == "%" else check_sum(left, right)
                return super().call_binop(context, operator, left, right)
            sizes = [len(side) if hasattr(side, "__len__") else side for side in (left, right)]
            if operator == "**" and max(map(abs, sizes)) > MAX_POWER:
                raise OverflowError("a power is too large")
            if any(hasattr(side, "__len__") for side in (left, right)) and sizes[0] * sizes[1] > MAX_PRODUCT:
                raise OverflowError("a product is too large")
            if any(isinstance(side, int) and side.bit_length() > MAX_BITS for side in (left, right)):
                raise OverflowError("a number is too large")  # each squaring doubles its length
            product: object = super().call_binop(context, operator, left, right)
            return product

        def call(self, context: Context, function: object, /, *given: object, **named: object) -> object:
            method = getattr(function, "__wrapped__", function)
            name = getattr(method, "__name__", "")
            given = listed(given) if name == "join" else given
            check_call(name, getattr(method, "__self__", None), given, named)
            result: object = super().call(context, function, *given, **named)
            return result

    made = Sandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[loopcontrols, GenerationBlock],
        finalize=check_text_of,
    )
    made.filters["tojson"] = _to_json
    made.filters["safe"] = str  # prompts are not HTML, so nothing is escaped
    made.filters = {name: limited(name, function) for name, function in made.filters.items()}
    del made.globals["lipsum"]  # it makes as much text as its arguments say
    made.globals["raise_exception"] = _raise_exception
    made.globals["strftime_now"] = time.strftime
    return made


def _raise_exception(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """The filter `tojson` as in transformers: unlike Jinja2's own, it does not escape for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_as_list,
    )


def _as_list(value: object) -> list[object]:
    """The items of an iterator, which filters such as `map` return. Raises TypeError for other values."""
    if not isinstance(value, Iterator):
        raise TypeError(f"{type(value).__name__} is not a JSON type")
    return list(value)


@contextmanager
def _without_openssl() -> Iterator[None]:
    """Import without OpenSSL, which takes 3.6 MB: Jinja2 imports hashlib only for caches on disk, which we do not use.

    Meanwhile another thread may import hashlib: what stands for it has all that hashlib has.
    """
    if "hashlib" in sys.modules or importlib.util.find_spec("_sha1") is None:
        yield
        return
    stand_in = ModuleType("hashlib")
    sha1 = importlib.import_module("_sha1").sha1
    vars(stand_in).update(sha1=sha1, __getattr__=partial(_of_hashlib, stand_in))
    sys.modules["hashlib"] = stand_in
    try:
        yield
    finally:
        _end(stand_in)


def _of_hashlib(stand_in: ModuleType, name: str) -> object:
    """What hashlib has under this name. From now on it is imported as a whole."""
    if name.startswith("__"):  # what the import system asks of each module
        raise AttributeError(name)
    _end(stand_in)
    return getattr(importlib.import_module("hashlib"), name)


def _end(stand_in: ModuleType) -> None:
    if sys.modules.get("hashlib") is stand_in:
        sys.modules.pop("hashlib", None)
