"""The texts in the params of a chat that are not the template's: an app, a user or a model wrote them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.chat.messages import parsed

if TYPE_CHECKING:
    from sidecar.message_handler._types import TemplateParams

NO_TEXT: Final = ("role", "type")
"""Members of messages, parts, calls and tools that are words of the protocol."""

SPECIAL_VARIABLES: Final = ("bos_token", "eos_token")
"""Variables of templates that are names of control tokens."""

Change = Callable[[str], str]


def texts(params: TemplateParams) -> list[str]:
    """All of them, without those in messages with `parseSpecial`."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    with_change(params, note)
    return found


def with_change(params: TemplateParams, change: Change) -> TemplateParams:
    """The params with each of these texts changed."""
    changed: TemplateParams = {**params}
    changed["messages"] = [
        message if message.get("parseSpecial") else _changed(message, change, NO_TEXT)
        for message in params["messages"]
    ]
    if "tools" in params:
        changed["tools"] = [_changed_tool(tool, change) for tool in params["tools"]]
    if "templateVariables" in params:
        variables = params["templateVariables"]
        kept = {name: variables[name] for name in SPECIAL_VARIABLES if name in variables}
        changed["templateVariables"] = _changed(variables, change) | kept
    return changed


def _changed_tool(tool: Any, change: Change) -> Any:  # a Tool, whose parameters may be anything
    parameters = tool["function"].get("parameters")
    changed = _changed(tool, change, NO_TEXT)
    if parameters is not None:  # `type` is a property of some tools
        changed["function"]["parameters"] = _changed(parameters, change)
    return changed


def _changed(value: Any, change: Change, kept: tuple[str, ...] = ()) -> Any:  # any value of JSON
    """A value with each text in it changed, names of members included. `kept`: members that stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change, kept) for item in value]
    if not isinstance(value, dict):
        return value
    if kept:
        return {
            name: member
            if name in kept
            else (
                _changed_arguments(member, change) if name == "arguments" else _changed(member, change, kept)
            )
            for name, member in value.items()
        }
    return {change(name): _changed(member, change) for name, member in value.items()}


def _changed_arguments(arguments: object, change: Change) -> object:
    """The arguments of a call. In JSON text, escapes may hide what the value says."""
    if not isinstance(arguments, str):
        return _changed(arguments, change)
    text = change(arguments)
    value = parsed(text)
    changed = _changed(value, change)
    return changed if changed != value else text
