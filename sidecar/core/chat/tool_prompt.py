"""Describes tools to a model whose chat template cannot.

A system message lists them, and calls are written in the form that most models know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sidecar.core.chat.messages import arguments_text, as_text
from sidecar.core.chat.tool_grammar import around
from sidecar.core.output.calls.call_forms import HERMES, CallForm
from sidecar.message_handler.framing import parse_json

if TYPE_CHECKING:
    from sidecar.message_handler._types import Message, Tool

PROMPT: Final = """\
# Tools

You may call one or more functions to assist with the user query. These are their signatures:
<tools>
{signatures}
</tools>

For each call write a JSON object with the function's name and its arguments within <tool_call> tags:
<tool_call>
{{"name": "…", "arguments": {{…}}}}
</tool_call>"""


def add_tool_prompt(messages: list[Message], tools: list[Tool]) -> list[Message]:
    """The conversation with the tools in a system message, and with calls and answers as plain messages."""
    signatures = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    prompt = PROMPT.format(signatures=signatures)
    plain = without_calls(messages)
    if plain[0]["role"] not in ("system", "developer"):
        return [{"role": "system", "content": prompt}, *plain]
    system = as_text(plain[0]["content"])
    first: Message = {**plain[0], "content": f"{system}\n\n{prompt}" if system else prompt}
    return [first, *plain[1:]]


def without_calls(messages: list[Message]) -> list[Message]:
    """The conversation with calls and answers as plain messages, calls in the generic form."""
    plain: list[Message] = []
    for message in written_calls(messages, HERMES):
        if message["role"] == "tool":
            content = f"<tool_response>\n{as_text(message['content'])}\n</tool_response>"
            message = {"role": "user", "content": content}
        plain.append(message)
    return plain


def written_calls(messages: list[Message], form: CallForm) -> list[Message]:
    """The conversation with calls as what the assistant says, in the form in which the model writes them."""
    return [_written(message, form) if message.get("toolCalls") else message for message in messages]


def _written(message: Message, form: CallForm) -> Message:
    calls = []
    for call in message["toolCalls"]:
        name, arguments = call["function"]["name"], arguments_text(call)
        if form.literals is not None:
            values = parse_json(arguments)
            calls.append(f"{form.start}{form.literals.written(name, values)}{form.end}")
            continue
        before, after = around(form, name)
        calls.append(f"{before}{arguments}{after}")
    plain: Message = {**message, "content": "\n".join(filter(None, [as_text(message["content"]), *calls]))}
    del plain["toolCalls"]
    return plain
