"""The tools of a request, and the checks of the calls that the model makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from sidecar.message_handler._types import NamedTool, Tool

MAX_SHOWN_CHARS: Final = 500
"""How many characters of a wrong call an error repeats."""

MAX_SHOWN_NAME_CHARS: Final = 64

NO_PARAMETERS: Final[dict[str, object]] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}


class Tools:
    """The tools of a request."""

    def __init__(self, tools: list[Tool], choice: str | NamedTool) -> None:
        """Raises SidecarError `invalidParams`: a repeated name, an invalid schema, a choice that is not a tool."""
        self.schemas: dict[str, dict[str, object]] = {}
        self._validators: dict[str, Validator] = {}
        for index, tool in enumerate(tools):
            function = tool["function"]
            name, schema = function["name"], function.get("parameters") or NO_PARAMETERS
            pointer = f"/tools/{index}/function"
            if name in self.schemas:
                raise _invalid(f"{pointer}/name", f"repeats the name {name!r}", value=name)
            self._validators[name] = _validator(schema, f"{pointer}/parameters")
            self.schemas[name] = schema
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

    def parse_value(self, name: str, key: str, text: str) -> object:
        """The value of an argument that is not written as JSON: a string unless the tool's schema says otherwise."""
        properties = self.schemas.get(name, {}).get("properties")
        schema = properties.get(key) if isinstance(properties, dict) else None
        if isinstance(schema, dict) and schema.get("type") == "string":
            return text
        try:
            value: object = json.loads(text)
        except ValueError:
            return text
        return value

    def check_name(self, name: str) -> None:
        """Raises SidecarError `unknownTool`."""
        if name not in self.schemas:
            shown = name[:MAX_SHOWN_NAME_CHARS]
            problem = f"The model called {shown!r}, which is not among the tools"
            raise SidecarError("unknownTool", problem, value=shown, allowed=list(self.schemas))

    def check_arguments(self, name: str, arguments: str) -> None:
        """Raises SidecarError `invalidToolArguments`."""
        try:
            value = json.loads(arguments)
        except ValueError as error:
            raise bad_arguments(name, arguments, f"not JSON: {error}") from None
        if not isinstance(value, dict):
            raise bad_arguments(name, arguments, "not a JSON object")
        try:
            failure = next(self._validators[name].iter_errors(value), None)
        except Exception as unresolved:  # from `referencing`: a $ref that leads nowhere
            raise bad_arguments(name, arguments, str(unresolved)) from None
        if failure is not None:
            raise bad_arguments(name, arguments, f"{failure.json_path}: {failure.message}")


def _validator(schema: dict[str, object], pointer: str) -> Validator:
    """The validator of a tool's arguments. Raises SidecarError `invalidParams` if the schema is not valid."""
    # Importing these takes over 100 ms and 7 MB, which a chat without tools need not spend.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        problem = f"is not a valid JSON Schema: {error.message[:MAX_SHOWN_CHARS]}"
        raise _invalid(pointer, problem) from None
    return kind(schema, registry=Registry())  # an empty registry: no $ref is fetched from the network


def bad_arguments(name: str, arguments: str, cause: str) -> SidecarError:
    """The error `invalidToolArguments` for a call of the tool `name`."""
    cause = cause[:MAX_SHOWN_CHARS]
    problem = f"The model's arguments for {name[:MAX_SHOWN_NAME_CHARS]!r} do not fit: {cause}"
    return SidecarError("invalidToolArguments", problem, cause=cause, value=arguments[:MAX_SHOWN_CHARS])


def _invalid(pointer: str, problem: str, **details: object) -> SidecarError:
    return SidecarError("invalidParams", f"{pointer} {problem}", pointer=pointer, **details)
