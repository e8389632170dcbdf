"""The tools of a request, and the checks of the calls that the model makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sidecar.core.output.calls.arguments import typed_value
from sidecar.core.output.calls.elements import Element, value_of
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.framing import parse_json

if TYPE_CHECKING:
    from sidecar.core.schema_check.schema import Schema
    from sidecar.message_handler._types import NamedTool, Tool, ToolFunction

MAX_SHOWN_CHARS: Final = 500
"""How many characters of a wrong call an error repeats."""

MAX_SHOWN_NAME_CHARS: Final = 64

MAX_KEPT: Final = 128
"""Schemas that are kept: a program sends the same tools in each turn."""

MAX_KEPT_CHARS: Final = 16_384
"""Longest schema that is kept, in characters."""

NO_PARAMETERS: Final[dict[str, object]] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}


class Tools:
    """The tools of a request."""

    def __init__(
        self, tools: list[Tool], choice: str | NamedTool, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        """`warn` is told which parts of the parameters are not checked.

        Raises SidecarError `invalidParams`: a repeated name, a choice that is not a tool.
        """
        self.schemas: dict[str, dict[str, object]] = {}
        self._checks: dict[str, Schema] = {}
        self._warn = warn
        for index, tool in enumerate(tools):
            function = tool["function"]
            name, schema = function["name"], function.get("parameters") or NO_PARAMETERS
            if name in self.schemas:
                pointer = f"/tools/{index}/function/name"
                raise _invalid(pointer, f"repeats the name {name!r}", value=name)
            self.schemas[name] = schema
            self._checks[name] = check = _schema(schema)
            for unchecked in check.take_unchecked():
                warn(f"Arguments of {name!r} are not checked against {self.pointer(name)}{unchecked}")
        self.forced = self._forced(choice)

    def _forced(self, choice: str | NamedTool) -> list[str]:
        """The names of which the model must call one; empty if it need not call any."""
        if choice in ("auto", "none"):
            return []
        if not self.schemas:
            raise _invalid("/toolChoice", "requires a call, but there are no tools", allowed=["auto", "none"])
        if isinstance(choice, str):  # "required"
            return list(self.schemas)
        name = choice["function"]["name"]
        if name not in self.schemas:
            pointer, shown = "/toolChoice/function/name", name[:MAX_SHOWN_NAME_CHARS]
            raise _invalid(
                pointer, f"{name!r} is not among the tools", value=shown, allowed=list(self.schemas)
            )
        return [name]

    def pointer(self, name: str) -> str:
        """The JSON pointer of a tool's parameters in the params."""
        return f"/tools/{list(self.schemas).index(name)}/function/parameters"

    def parse_value(self, name: str, key: str, text: str, is_string: bool | None = None) -> object:
        """The value of an argument that is written as bare text: what the tool's schema accepts.

        `is_string`: whether the model itself says that it is a string.
        """
        return typed_value(text, lambda value: self.fits(name, key, value), is_string)

    def parse_element(self, name: str, key: str, element: Element) -> object:
        """The value of an argument that is written as tags within tags: what the tool's schema accepts."""
        if name not in self._checks:
            return value_of(element, lambda _: None)
        wrong = self._checks[name].member_check(key)
        return value_of(element, wrong)

    def check_name(self, name: str) -> None:
        """Raises SidecarError `unknownTool`."""
        if name not in self.schemas:
            shown = name[:MAX_SHOWN_NAME_CHARS].encode(errors="replace").decode()
            problem = f"The model called {shown!r}, which is not among the tools"
            raise SidecarError("unknownTool", problem, value=shown, allowed=list(self.schemas))

    def fits(self, name: str, key: str, value: object) -> bool:
        """Whether the tool's schema allows this argument, whatever the others are."""
        return name not in self._checks or self._checks[name].member_fits(key, value)

    def check_arguments(self, name: str, arguments: str) -> None:
        """Raises SidecarError `invalidToolArguments`."""
        try:
            value = parse_json(arguments)
        except ValueError as error:
            raise bad_arguments(name, arguments, f"not JSON: {error}") from None
        if not isinstance(value, dict):
            raise bad_arguments(name, arguments, "not a JSON object")
        from sidecar.core.schema_check.pattern import TooMuchWork

        try:
            problem = self._checks[name].problem(value)
        except TooMuchWork:
            self._warn(f"Arguments of {name!r} are not checked: it takes too long")
            return
        if problem is not None:
            raise bad_arguments(name, arguments, problem)


def plain(tools: list[Tool]) -> list[Tool]:
    """Tools as a template expects them: with parameters, without what is null or only for OpenAI's servers."""
    return [{"type": "function", "function": _plain(tool["function"])} for tool in tools]


def _plain(function: ToolFunction) -> ToolFunction:
    plain: ToolFunction = {"name": function["name"]}
    description = function.get("description")
    if description is not None:
        plain["description"] = description
    plain["parameters"] = function.get("parameters") or {"type": "object", "properties": {}}
    return plain


def _schema(schema: dict[str, object]) -> Schema:
    from sidecar.core.schema_check.schema import Schema  # only for chats with tools

    try:
        text = json.dumps(schema)
    except RecursionError:
        text = ""
    return _kept(text) if 0 < len(text) <= MAX_KEPT_CHARS else Schema(schema, "")


@lru_cache(maxsize=MAX_KEPT)
def _kept(text: str) -> Schema:
    from sidecar.core.schema_check.schema import Schema

    return Schema(json.loads(text), "")


def bad_arguments(name: str, arguments: str, cause: str) -> SidecarError:
    """The error `invalidToolArguments` for a call of the tool `name`."""
    cause = cause[:MAX_SHOWN_CHARS]
    problem = f"The model's arguments for {name[:MAX_SHOWN_NAME_CHARS]!r} do not fit: {cause}"
    return SidecarError("invalidToolArguments", problem, cause=cause, value=arguments[:MAX_SHOWN_CHARS])


def _invalid(pointer: str, problem: str, **details: object) -> SidecarError:
    return SidecarError("invalidParams", f"{pointer} {problem}", pointer=pointer, **details)
