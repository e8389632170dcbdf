"""A conversation as the client sends it, made into what the chat template at hand understands.

Templates differ in what they know: some want a message's content as text, some as a list of parts, some
have no system role, some want a call's arguments as an object. It is found out by rendering small
conversations, as llama.cpp does, and each kind of message is put in the form that works.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sidecar.core.chat.template import Renderer
from sidecar.message_handler.errors import SidecarError

Message = dict[str, Any]
"""A message in the templates' own words (snake case)."""

HARMONY: Final = "<|channel|>"
"""In templates of the one family that tells `developer` from `system`."""

PROBE: Final = "qzprobe"
"""A text that no template writes by itself."""

ONLY_OF: Final = {"toolCalls": "assistant", "reasoningContent": "assistant", "toolCallId": "tool"}
TEMPLATE_NAMES: Final = {
    "toolCalls": "tool_calls",
    "toolCallId": "tool_call_id",
    "reasoningContent": "reasoning_content",
}
"""Name on the wire → name in templates."""


def check(messages: list[dict[str, Any]]) -> None:
    """Check what the schema cannot say. Raises SidecarError `invalidParams`, `unsupportedContent`."""
    for index, message in enumerate(messages):
        where = f"/messages/{index}"
        for member, role in ONLY_OF.items():
            if member in message and message["role"] != role:
                raise _invalid(f"{where}/{member}", f"is only for the role {role}", None, [role])
        content = message["content"]
        if content is None and not (message.get("toolCalls") or message.get("reasoningContent")):
            allowed = ["string", "array"]
            raise _invalid(f"{where}/content", "is null, but nothing else is said", None, allowed)
        for number, part in enumerate(content if isinstance(content, list) else []):
            _check_part(f"{where}/content/{number}", part)
        for number, call in enumerate(message.get("toolCalls", [])):
            pointer = f"{where}/toolCalls/{number}/function/arguments"
            if not isinstance(_parsed(call["function"]["arguments"]), dict):
                value = call["function"]["arguments"]
                raise _invalid(pointer, "is not JSON text of an object", value, {"type": "object"})


def _check_part(where: str, part: dict[str, Any]) -> None:
    if part["type"] != "text":
        problem = f"{where}: the model only reads text, and this is of type {part['type']}"
        raise SidecarError("unsupportedContent", problem, pointer=where, value=part["type"], allowed=["text"])
    if "text" not in part:
        raise _invalid(f"{where}/text", "is missing", None, {"type": "string"})


def _invalid(pointer: str, problem: str, value: Any, allowed: Any) -> SidecarError:
    details = {} if value is None else {"value": value if len(value) <= 200 else value[:200] + "…"}
    return SidecarError("invalidParams", f"{pointer} {problem}", pointer=pointer, allowed=allowed, **details)


def _parsed(arguments: Any) -> Any:
    """A call's arguments; None if they are no JSON."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return None


def for_template(messages: list[dict[str, Any]], renderer: Renderer, fixed: dict[str, Any]) -> list[Message]:
    """The messages in the form that the template knows; `fixed` are the variables beside them."""
    known = _Knowledge(renderer, fixed)
    objects = any("toolCalls" in message for message in messages) and known.takes_objects()
    made = [_renamed(message, objects) for message in messages]
    if HARMONY not in renderer.source:
        for message in made:
            message["role"] = "system" if message["role"] == "developer" else message["role"]
    for message in made:
        message["content"] = _content(message["content"], known)
    if made[0]["role"] == "system" and not known.has_system_role():
        system, *made = made
        if made:
            made[0]["content"] = f"{text(system['content'])}\n{text(made[0]['content'])}"
    return made


def _renamed(message: dict[str, Any], objects: bool) -> Message:
    made = {TEMPLATE_NAMES.get(name, name): value for name, value in message.items()}
    made["content"] = "" if made["content"] is None else made["content"]
    if not made.get("reasoning_content"):
        made.pop("reasoning_content", None)
    calls = made.pop("tool_calls", None)
    if calls:
        made["tool_calls"] = [_call(call, objects) for call in calls]
    return made


def _call(call: dict[str, Any], objects: bool) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    if objects:
        arguments = _parsed(arguments)
    elif not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {**call, "function": {**call["function"], "arguments": arguments}}


def _content(content: Any, known: _Knowledge) -> Any:
    if isinstance(content, list):
        return content if known.takes_parts() else text(content)
    return content if known.takes_text() else [{"type": "text", "text": content}]


def text(content: Any) -> str:
    """Content as one text: parts stand on lines of their own."""
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


class _Knowledge:
    """What a template knows, found out when it is first asked for and kept with the template."""

    def __init__(self, renderer: Renderer, fixed: dict[str, Any]) -> None:
        self._renderer = renderer
        self._fixed = {**fixed, "add_generation_prompt": True}
        self._fixed.pop("tools", None)

    def takes_text(self) -> bool:
        """Whether content may be a text."""
        return self._fact("text", [{"role": "user", "content": PROBE}]) or not self.takes_parts()

    def takes_parts(self) -> bool:
        """Whether content may be a list of parts."""
        parts = [{"type": "text", "text": PROBE}]
        return self._fact("parts", [{"role": "user", "content": parts}], "'text'", '"text"')

    def has_system_role(self) -> bool:
        """Whether a system message is written at all."""
        turns = [{"role": "system", "content": PROBE}, {"role": "user", "content": "Hi"}]
        return self._fact("system", turns)

    def takes_objects(self) -> bool:
        """Whether a call's arguments may be an object: if not, they are JSON text."""
        function = {"name": "tool", "arguments": {"qzkey": PROBE}}
        call = {"id": "call00001", "type": "function", "function": function}
        turns: list[Message] = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "yes", "tool_call_id": "call00001"},
            {"role": "assistant", "content": "So it is."},
            {"role": "user", "content": "Hi"},
        ]
        return self._fact("objects", turns, "{'qzkey'")

    def _fact(self, name: str, messages: list[Message], *broken: str) -> bool:
        """Whether PROBE comes out of these messages, and nothing of `broken`."""
        facts = self._renderer.facts
        if name not in facts:
            try:
                output = self._renderer.render({**self._fixed, "messages": messages})
            except Exception:  # it may refuse what it does not know
                output = ""
            facts[name] = PROBE in output and not any(sign in output for sign in broken)
        return facts[name]
