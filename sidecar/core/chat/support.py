"""What a chat template supports. Each answer comes from small renderings, and is kept with the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sidecar.core.chat.rendering.template import Template
    from sidecar.message_handler._types import Tool

TemplateMessage = dict[str, object]
"""A message with the member names that templates use (snake case)."""

PROBE: Final = "qzprobe"
"""A text that no template contains."""

PROBE_KEY: Final = "qzkey"
PROBE_TOOL: Final[Tool] = {
    "type": "function",
    "function": {
        "name": "qztool",
        "description": PROBE,
        "parameters": {
            "type": "object",
            "properties": {PROBE_KEY: {"type": "string", "description": "Any."}},
            "required": [PROBE_KEY],
        },
    },
}
LONG_CALL_ID: Final = "call_0123456789abcdef"
SHORT_CALL_ID: Final = "call00001"
"""Letters and digits, as many as Mistral's templates require."""

_HI: Final[TemplateMessage] = {"role": "user", "content": "Hi"}


class Support:
    """What one template supports."""

    def __init__(self, template: Template, variables: dict[str, object]) -> None:
        """`variables`: those of the template besides messages and tools."""
        self._template = template
        self._variables = {**variables, "add_generation_prompt": True}
        self._variables.pop("tools", None)

    def strings(self) -> bool:
        """Whether content may be a string."""
        return self._shows("strings", [{"role": "user", "content": PROBE}]) or not self.part_lists()

    def part_lists(self) -> bool:
        """Whether content may be a list of parts."""
        parts = [{"type": "text", "text": PROBE}]
        return self._shows("part lists", [{"role": "user", "content": parts}], ("'text'", '"text"'))

    def system_role(self) -> bool:
        """Whether the template writes system messages, and not as the assistant's."""
        if "system role" not in self._template.features:
            system, assistant = (
                self._render([{"role": role, "content": PROBE}, _HI]) for role in ("system", "assistant")
            )
            self._template.features["system role"] = PROBE in system and system != assistant
        return self._template.features["system role"]

    def turns(self) -> bool:
        """Whether the template writes a conversation: some write only its last message, or none."""
        self._find_turns()
        return self._template.features["turns"]

    def turn_marks(self) -> bool:
        """Whether the template writes something between what the user and the assistant say."""
        self._find_turns()
        return self._template.features["turn marks"]

    def _find_turns(self) -> None:
        if "turns" not in self._template.features:
            roles = ("user", "assistant", "user")
            parts = self._render([{"role": role, "content": PROBE} for role in roles]).split(PROBE)
            self._template.features["turns"] = len(parts) > 3
            self._template.features["turn marks"] = len(parts) > 3 and bool(parts[1].strip())

    def argument_objects(self) -> bool:
        """Whether a call's arguments may be an object. If not, they are JSON text."""
        return self._shows("argument objects", _call(SHORT_CALL_ID), (f"{{'{PROBE_KEY}'",))

    def long_call_ids(self) -> bool:
        """Whether ids of calls may have any length."""
        return self._shows("long call ids", _call(LONG_CALL_ID)) or not self._shows(
            "short call ids", _call(SHORT_CALL_ID)
        )

    def tools(self) -> bool:
        """Whether the template describes tools."""
        return self._shows("tools", [_HI], tools=[PROBE_TOOL])

    def takes(self, tools: list[Tool]) -> bool:
        """Whether the template describes these tools: some refuse a parameter without a description."""
        return self.tools() and bool(self._render([_HI], tools=tools))

    def _shows(
        self,
        feature: str,
        messages: list[TemplateMessage],
        unwanted: tuple[str, ...] = (),
        **variables: object,
    ) -> bool:
        """Whether the prompt of these messages contains PROBE, and no `unwanted` text: Python's own notation."""
        known = self._template.features
        if feature not in known:
            prompt = self._render(messages, **variables)
            known[feature] = PROBE in prompt and not any(text in prompt for text in unwanted)
        return known[feature]

    def _render(self, messages: list[TemplateMessage], **variables: object) -> str:
        try:
            return self._template.render({**self._variables, **variables, "messages": messages})
        except Exception:  # a template may refuse what it does not support
            return ""


def _call(call_id: str) -> list[TemplateMessage]:
    """A conversation with a call."""
    function = {"name": "tool", "arguments": {PROBE_KEY: PROBE}}
    call = {"id": call_id, "type": "function", "function": function}
    return [
        _HI,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "yes", "tool_call_id": call_id},
        {"role": "assistant", "content": "So it is."},
        _HI,
    ]
