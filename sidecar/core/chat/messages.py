"""Converts the messages of a request into the form that the chat template at hand accepts.

Templates differ: some want content as a string, some as a list of parts, some have no system role, some want
a call's arguments as an object. We find out by rendering small conversations, as llama.cpp does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sidecar.core.chat.template import Template
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.message_handler._types import ContentPart, Message, ToolCallMessage

TemplateMessage = dict[str, object]
"""A message with the member names that templates use (snake case)."""

HARMONY: Final = "<|channel|>"
"""Occurs in the templates of the one family that has both roles, `developer` and `system`."""

PROBE: Final = "qzprobe"
"""A text that no template contains."""

ONLY_OF: Final = {"toolCalls": "assistant", "reasoningContent": "assistant", "toolCallId": "tool"}
"""Member → the one role that may have it."""

TEMPLATE_NAMES: Final = {
    "toolCalls": "tool_calls",
    "toolCallId": "tool_call_id",
    "reasoningContent": "reasoning_content",
}
"""Name on the wire → name in templates."""

MAX_SHOWN_CHARS: Final = 200
"""How many characters of a wrong value an error repeats."""


# ---- checks --------------------------------------------------------------------------------------------


def check(messages: list[Message]) -> None:
    """Check what the schema cannot express. Raises SidecarError `invalidParams`, `unsupportedContent`."""
    for index, message in enumerate(messages):
        pointer = f"/messages/{index}"
        for member, role in ONLY_OF.items():
            if member in message and message["role"] != role:
                raise _invalid(f"{pointer}/{member}", f"is allowed only with the role {role}", [role])
        content = message["content"]
        if content is None and not (message.get("toolCalls") or message.get("reasoningContent")):
            problem = "is null, but the message has no toolCalls and no reasoningContent"
            raise _invalid(f"{pointer}/content", problem, ["string", "array"])
        for number, part in enumerate(content if isinstance(content, list) else []):
            _check_part(f"{pointer}/content/{number}", part)
        for number, call in enumerate(message.get("toolCalls", [])):
            _check_arguments(f"{pointer}/toolCalls/{number}/function/arguments", call)


def _check_part(pointer: str, part: ContentPart) -> None:
    if part["type"] != "text":
        problem = f"{pointer}: the model reads only text, but this part is of type {part['type']}"
        raise SidecarError(
            "unsupportedContent", problem, pointer=pointer, value=part["type"], allowed=["text"]
        )
    if "text" not in part:
        raise _invalid(f"{pointer}/text", "is missing", {"type": "string"})


def _check_arguments(pointer: str, call: ToolCallMessage) -> None:
    arguments = call["function"]["arguments"]
    if isinstance(arguments, str) and not isinstance(_parsed(arguments), dict):
        shown = arguments if len(arguments) <= MAX_SHOWN_CHARS else arguments[:MAX_SHOWN_CHARS] + "…"
        raise _invalid(pointer, "is not the JSON text of an object", {"type": "object"}, value=shown)


def _invalid(pointer: str, problem: str, allowed: object, **details: object) -> SidecarError:
    return SidecarError("invalidParams", f"{pointer} {problem}", pointer=pointer, allowed=allowed, **details)


def _parsed(arguments: str) -> object:
    """The value of JSON text; None if the text is not JSON."""
    try:
        value: object = json.loads(arguments)
    except (ValueError, RecursionError):  # the latter: nested too deeply
        return None
    return value


# ---- conversion ----------------------------------------------------------------------------------------


def for_template(
    messages: list[Message], template: Template, variables: dict[str, object]
) -> list[TemplateMessage]:
    """The messages in the form that the template accepts. `variables` are its other variables."""
    support = _Support(template, variables)
    as_objects = any("toolCalls" in message for message in messages) and support.argument_objects()
    converted = [_converted(message, as_objects) for message in messages]
    if HARMONY not in template.source:
        for message in converted:
            message["role"] = "system" if message["role"] == "developer" else message["role"]
    for message in converted:
        message["content"] = _supported_content(message["content"], support)
    if converted[0]["role"] == "system" and not support.system_role():
        system, *converted = converted
        if converted:
            converted[0]["content"] = f"{as_text(system['content'])}\n{as_text(converted[0]['content'])}"
    return converted


def _converted(message: Message, as_objects: bool) -> TemplateMessage:
    converted = {TEMPLATE_NAMES.get(name, name): value for name, value in message.items()}
    converted["content"] = "" if message["content"] is None else message["content"]
    if not message.get("reasoningContent"):
        converted.pop("reasoning_content", None)
    converted.pop("tool_calls", None)
    calls = message.get("toolCalls")
    if calls:
        converted["tool_calls"] = [_converted_call(call, as_objects) for call in calls]
    return converted


def _converted_call(call: ToolCallMessage, as_objects: bool) -> dict[str, object]:
    arguments: object = call["function"]["arguments"]
    if not as_objects:
        arguments = arguments_text(call)
    elif isinstance(arguments, str):
        arguments = _parsed(arguments)
    return {**call, "function": {**call["function"], "arguments": arguments}}


def _supported_content(content: object, support: _Support) -> object:
    if isinstance(content, list):
        return content if support.part_lists() else as_text(content)
    return content if support.strings() else [{"type": "text", "text": content}]


def as_text(content: object) -> str:
    """A message's content as one string: each part begins a line. Null content is the empty string."""
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content)
    return content if isinstance(content, str) else ""


def arguments_text(call: ToolCallMessage) -> str:
    """The arguments of a call as JSON text."""
    arguments = call["function"]["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


class _Support:
    """What a template supports. Each answer comes from one rendering, and is kept with the template."""

    def __init__(self, template: Template, variables: dict[str, object]) -> None:
        self._template = template
        self._variables = {**variables, "add_generation_prompt": True}
        self._variables.pop("tools", None)

    def strings(self) -> bool:
        """Whether content may be a string."""
        return self._shows_probe("strings", [{"role": "user", "content": PROBE}]) or not self.part_lists()

    def part_lists(self) -> bool:
        """Whether content may be a list of parts."""
        parts = [{"type": "text", "text": PROBE}]
        return self._shows_probe("part lists", [{"role": "user", "content": parts}], "'text'", '"text"')

    def system_role(self) -> bool:
        """Whether the template writes system messages."""
        turns: list[TemplateMessage] = [
            {"role": "system", "content": PROBE},
            {"role": "user", "content": "Hi"},
        ]
        return self._shows_probe("system role", turns)

    def argument_objects(self) -> bool:
        """Whether a call's arguments may be an object. If not, they are JSON text."""
        function = {"name": "tool", "arguments": {"qzkey": PROBE}}
        call = {"id": "call00001", "type": "function", "function": function}
        turns: list[TemplateMessage] = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "yes", "tool_call_id": "call00001"},
            {"role": "assistant", "content": "So it is."},
            {"role": "user", "content": "Hi"},
        ]
        return self._shows_probe("argument objects", turns, "{'qzkey'")

    def _shows_probe(self, feature: str, messages: list[TemplateMessage], *unwanted: str) -> bool:
        """Whether the prompt of these messages contains PROBE, and no `unwanted` text: Python's own notation."""
        known = self._template.features
        if feature not in known:
            try:
                prompt = self._template.render({**self._variables, "messages": messages})
            except Exception:  # a template may refuse what it does not support
                prompt = ""
            known[feature] = PROBE in prompt and not any(text in prompt for text in unwanted)
        return known[feature]
