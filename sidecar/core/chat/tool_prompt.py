"""Describes tools to a model whose chat template cannot.

A system message lists them, and calls are written in the form that most models know.
"""

from __future__ import annotations

import json
from typing import Any, Final

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


def described(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation for a template that cannot tell of tools: all in system, user and assistant messages."""
    signatures = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    told = [_plain(message) for message in messages]
    if told[0]["role"] not in ("system", "developer"):
        told.insert(0, {"role": "system", "content": ""})
    system = _text(told[0]["content"])
    prompt = PROMPT.format(signatures=signatures)
    told[0] = {**told[0], "content": f"{system}\n\n{prompt}" if system else prompt}
    return told


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{_text(message['content'])}\n</tool_response>"}
    if not message.get("toolCalls"):
        return message
    calls = []
    for call in message["toolCalls"]:
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        calls.append(f'<tool_call>\n{{"name": {json.dumps(name)}, "arguments": {arguments}}}\n</tool_call>')
    content = "\n".join(filter(None, [_text(message["content"]), *calls]))
    return {key: value for key, value in message.items() if key != "toolCalls"} | {"content": content}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content)
    return content or ""
