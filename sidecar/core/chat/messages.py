"""Converts the messages of a request into the form that the chat template at hand accepts.

Templates differ: some want content as a string, some as a list of parts, some have no system role, some want
a call's arguments as an object. We find out by rendering small conversations, as llama.cpp does.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING, Final

from sidecar.core.chat.rendering.template import Template
from sidecar.core.chat.support import Support, TemplateMessage
from sidecar.core.media.prompt_media import MARK
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.framing import parse_json

if TYPE_CHECKING:
    from sidecar.message_handler._types import ContentPart, Message, ToolCallMessage

HARMONY: Final = "<|channel|>"
"""Occurs in the templates of the one family that has both roles, `developer` and `system`."""

ONLY_OF: Final = {"toolCalls": "assistant", "reasoningContent": "assistant", "toolCallId": "tool"}
"""Member → the one role that may have it."""

TEMPLATE_NAMES: Final = {
    "toolCalls": "tool_calls",
    "toolCallId": "tool_call_id",
    "reasoningContent": "reasoning_content",
}
"""Name on the wire → name in templates."""

MEMBERS: Final = {
    "text": "text",
    "image": "source",
    "image_url": "imageUrl",
    "audio": "source",
    "input_audio": "inputAudio",
}
"""Type of a content part → the member that it must have."""

MAX_MEDIA: Final = 64
"""Pictures and sounds in a request."""

REASONING_NAMES: Final = ("thinking", "reasoning")

SHORT_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
"""The ids of calls that Mistral's templates accept."""

MAX_SHOWN_CHARS: Final = 200
"""How many characters of a wrong value an error repeats."""


# ---- checks --------------------------------------------------------------------------------------------


def check(messages: list[Message]) -> None:
    """Check what the schema cannot express. Raises SidecarError `invalidParams`."""
    media = 0
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
            media += part["type"] != "text"
            if media > MAX_MEDIA:
                problem = f"is one picture or sound more than the {MAX_MEDIA} that a request may have"
                raise _invalid(f"{pointer}/content/{number}", problem, {"maximum": MAX_MEDIA})
            _check_part(f"{pointer}/content/{number}", part)
        for number, call in enumerate(message.get("toolCalls", [])):
            _check_arguments(f"{pointer}/toolCalls/{number}/function/arguments", call)


def _check_part(pointer: str, part: ContentPart) -> None:
    member = MEMBERS[part["type"]]
    if member not in part:
        raise _invalid(f"{pointer}/{member}", f"is missing in a part of type {part['type']}", None)


def _check_arguments(pointer: str, call: ToolCallMessage) -> None:
    arguments = arguments_of(call)
    if isinstance(arguments, str) and not isinstance(parsed(arguments), dict):
        shown = arguments if len(arguments) <= MAX_SHOWN_CHARS else arguments[:MAX_SHOWN_CHARS] + "…"
        raise _invalid(pointer, "is not the JSON text of an object", {"type": "object"}, value=shown)


def _invalid(pointer: str, problem: str, allowed: object, **details: object) -> SidecarError:
    return SidecarError("invalidParams", f"{pointer} {problem}", pointer=pointer, allowed=allowed, **details)


def parsed(arguments: str) -> object:
    """The value of JSON text; None if the text is not strict JSON."""
    try:
        value: object = parse_json(arguments)
    except ValueError:
        return None
    return value


# ---- conversion ----------------------------------------------------------------------------------------


def for_template(
    messages: list[Message], template: Template, variables: dict[str, object]
) -> list[TemplateMessage]:
    """The messages in the form that the template accepts. `variables` are its other variables."""
    support = Support(template, variables)
    has_calls = any("toolCalls" in message for message in messages)
    as_objects = has_calls and support.argument_objects()
    if has_calls and not support.long_call_ids():
        messages = _with_short_ids(messages)
    converted = [_converted(message, as_objects) for message in messages]
    alias = _reasoning_alias(template.source)
    for message in converted if alias else ():
        if "reasoning_content" in message:
            message[alias] = message["reasoning_content"]
    if HARMONY not in template.source:
        for message in converted:
            message["role"] = "system" if message["role"] == "developer" else message["role"]
    for message in converted:
        message["content"] = _supported_content(message["content"], support)
    return converted


def _reasoning_alias(source: str) -> str:
    """The member in which a template looks for reasoning that does not know `reasoning_content`; empty if it does."""
    if "reasoning_content" in source or HARMONY in source:
        return ""
    return next((name for name in REASONING_NAMES if f"message.{name}" in source), "")


def _with_short_ids(messages: list[Message]) -> list[Message]:
    """The same conversation with ids that Mistral's templates accept; an answer without an id gets that of its call."""
    written: list[Message] = []
    unanswered: list[str] = []
    for index, message in enumerate(messages):
        calls = message.get("toolCalls")
        if calls:
            unanswered = [_short_id(call.get("id", f"{index} {n}")) for n, call in enumerate(calls)]
            calls = [{**call, "id": call_id} for call, call_id in zip(calls, unanswered, strict=True)]
            message = {**message, "toolCalls": calls}
        if message["role"] == "tool":
            given = message.get("toolCallId")
            call_id = _short_id(given) if given is not None else "".join(unanswered[:1])
            unanswered = [other for other in unanswered if other != call_id]
            message = {**message, "toolCallId": call_id}
        written.append(message)
    return written


def _short_id(call_id: str) -> str:
    """The id, or nine digits that depend on nothing else, so that later turns have the same."""
    if SHORT_ID.fullmatch(call_id):
        return call_id
    return f"{zlib.crc32(call_id.encode('utf-8', 'replace')) % 10**9:09}"


def _converted(message: Message, as_objects: bool) -> TemplateMessage:
    converted = {TEMPLATE_NAMES.get(name, name): value for name, value in message.items()}
    converted["content"] = "" if message["content"] is None else message["content"]
    if not message.get("reasoningContent"):
        converted.pop("reasoning_content", None)
    for name in ("tool_calls", "parseSpecial"):
        converted.pop(name, None)
    calls = message.get("toolCalls")
    if calls:
        converted["tool_calls"] = [_converted_call(call, as_objects) for call in calls]
    return converted


def _converted_call(call: ToolCallMessage, as_objects: bool) -> dict[str, object]:
    arguments: object = arguments_of(call) if as_objects else arguments_text(call)
    if as_objects and isinstance(arguments, str):
        arguments = parsed(arguments)
    return {**call, "function": {**call["function"], "arguments": arguments}}


def _supported_content(content: object, support: Support) -> object:
    if isinstance(content, list):
        return content if support.part_lists() else as_text(content)
    return content if support.strings() else [{"type": "text", "text": content}]


def as_text(content: object) -> str:
    """A message's content as one string. Null content is the empty string.

    Each part begins a line, but not a picture or a sound, or what comes after one: so does llama.cpp.
    """
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    joined, after_text = "", False
    for part in content:
        is_text = MARK.fullmatch(part["text"]) is None
        joined += ("\n" if after_text and is_text else "") + part["text"]
        after_text = is_text
    return joined


def first_text(content: object) -> str:
    """The first text of a message's content."""
    if isinstance(content, list):
        return next((part["text"] for part in content if "text" in part), "")
    return content if isinstance(content, str) else ""


def arguments_of(call: ToolCallMessage) -> str | dict[str, object]:
    """The arguments of a call. None and the empty text stand for no arguments."""
    arguments = call["function"]["arguments"]
    return {} if arguments is None or (isinstance(arguments, str) and not arguments.strip()) else arguments


def arguments_text(call: ToolCallMessage) -> str:
    """The arguments of a call as JSON text."""
    arguments = arguments_of(call)
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
