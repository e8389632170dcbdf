"""The tools of a request, and the checks of the calls that the model makes."""

from __future__ import annotations

import json
from typing import Any, Final

from sidecar.message_handler.errors import SidecarError

MAX_SHOWN_CHARS: Final = 500
"""How much of a wrong call an error repeats."""


def _validator(schema: dict[str, Any], pointer: str) -> Any:
    """Of a tool's arguments. Raises SidecarError `invalidParams` if it is no schema."""
    # Over 100 ms and 7 MB, which a chat without tools can do without.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    made = validator_for(schema, default=Draft202012Validator)
    try:
        made.check_schema(schema)
    except SchemaError as error:
        problem = f"is no JSON Schema: {error.message[:MAX_SHOWN_CHARS]}"
        raise _invalid(pointer, problem, None, None) from None
    registry: Any = Registry()  # an empty one: nothing is fetched for a $ref
    return made(schema, registry=registry)


class Tools:
    """The tools of a request."""

    def __init__(self, tools: list[dict[str, Any]], choice: Any) -> None:
        """Raises SidecarError `invalidParams`: a name twice, parameters that are no schema, a choice not there."""
        self.schemas: dict[str, dict[str, Any]] = {}
        self._validators: dict[str, Any] = {}
        for index, tool in enumerate(tools):
            function = tool["function"]
            name, schema = function["name"], function.get("parameters") or NO_PARAMETERS
            where = f"/tools/{index}/function"
            if name in self.schemas:
                raise _invalid(f"{where}/name", f"{name!r} is there twice", name, None)
            self._validators[name] = _validator(schema, f"{where}/parameters")
            self.schemas[name] = schema
        self.forced = self._forced(choice)

    def _forced(self, choice: Any) -> list[str]:
        """The tools of which one must be called; none if none must."""
        if choice in ("auto", "none"):
            return []
        if not self.schemas:
            raise _invalid("/toolChoice", "wants a call, but there are no tools", None, ["auto", "none"])
        if choice == "required":
            return list(self.schemas)
        name = choice["function"]["name"]
        if name not in self.schemas:
            pointer = "/toolChoice/function/name"
            raise _invalid(pointer, f"{name!r} is not among the tools", name[:64], list(self.schemas))
        return [name]

    def pointer(self, name: str) -> str:
        """Where in the params a tool's parameters are."""
        return f"/tools/{list(self.schemas).index(name)}/function/parameters"

    def typed(self, name: str, key: str, text: str) -> Any:
        """The value that a text stands for where arguments are no JSON: a text, or what the parameters say."""
        schema = self.schemas.get(name, {}).get("properties", {}).get(key, {})
        kind = schema.get("type") if isinstance(schema, dict) else None
        if kind == "string":
            return text
        try:
            return json.loads(text)
        except ValueError:
            return text

    def check_name(self, name: str) -> None:
        """Raises SidecarError `unknownTool`."""
        if name not in self.schemas:
            problem = f"The model called {name[:64]!r}, which is not among the tools"
            raise SidecarError("unknownTool", problem, value=name[:64], allowed=list(self.schemas))

    def check_arguments(self, name: str, arguments: str) -> None:
        """Raises SidecarError `invalidToolArguments`."""
        try:
            value = json.loads(arguments)
        except ValueError as error:
            raise bad_arguments(name, arguments, f"no JSON: {error}") from None
        if not isinstance(value, dict):
            raise bad_arguments(name, arguments, "no object")
        try:
            wrong = next(self._validators[name].iter_errors(value), None)
        except Exception as unresolved:  # of `referencing`: a $ref that leads nowhere
            raise bad_arguments(name, arguments, str(unresolved)) from None
        if wrong is not None:
            raise bad_arguments(name, arguments, f"{wrong.json_path}: {wrong.message}")


NO_PARAMETERS: Final = {"type": "object", "properties": {}, "additionalProperties": False}


def bad_arguments(name: str, arguments: str, cause: str) -> SidecarError:
    """The error for a call whose arguments are wrong."""
    problem = f"The model's arguments for {name[:64]!r} do not fit: {cause[:MAX_SHOWN_CHARS]}"
    shown = arguments[:MAX_SHOWN_CHARS]
    return SidecarError("invalidToolArguments", problem, cause=cause[:MAX_SHOWN_CHARS], value=shown)


def _invalid(pointer: str, problem: str, value: Any, allowed: Any) -> SidecarError:
    details = {"value": value, "allowed": allowed}
    told = {key: detail for key, detail in details.items() if detail is not None}
    return SidecarError("invalidParams", f"{pointer} {problem}", pointer=pointer, **told)
