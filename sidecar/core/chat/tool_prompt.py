"""Describes tools to a model whose chat template cannot.

A system message lists them, and calls are written in the form that most models know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sidecar.core.chat.messages import arguments_text, as_text

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
    plain = [_without_calls(message) for message in messages]
    if plain[0]["role"] not in ("system", "developer"):
        return [{"role": "system", "content": prompt}, *plain]
    system = as_text(plain[0]["content"])
    first: Message = {**plain[0], "content": f"{system}\n\n{prompt}" if system else prompt}
    return [first, *plain[1:]]


def _without_calls(message: Message) -> Message:
    if message["role"] == "tool":
        content = f"<tool_response>\n{as_text(message['content'])}\n</tool_response>"
        return {"role": "user", "content": content}
    if not message.get("toolCalls"):
        return message
    calls = [
        f'<tool_call>\n{{"name": {json.dumps(call["function"]["name"])}, "arguments": {arguments_text(call)}}}\n'
        "</tool_call>"
        for call in message["toolCalls"]
    ]
    plain: Message = {**message, "content": "\n".join(filter(None, [as_text(message["content"]), *calls]))}
    del plain["toolCalls"]
    return plain
