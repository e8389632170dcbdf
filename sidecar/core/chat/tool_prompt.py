"""Tools: how a model's template writes their calls, what it is told of them, and what a call must be.

The form of a call is read off the template. Where none of the known ones is in it, the tools are described
in a system message of ours, and calls are written in the form that most models know.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from sidecar.core.output.tags import DSML, FUNCTION, INVOKE, PAIRS, Tags
from sidecar.message_handler.errors import SidecarError

MAX_SHOWN_CHARS: Final = 500
"""How much of a wrong call an error repeats."""


class CallForm(NamedTuple):
    """How a call is written: an object with name and arguments, or name, separator, arguments."""

    start: str
    """Before the first call; empty: the object itself, at the beginning of the answer."""
    end: str
    """After the last one; empty: nothing."""
    arguments: str = "arguments"
    """The object's member that holds them."""
    name: str = "name"
    listed: bool = False
    """Objects stand in a list, also if there is only one."""
    separator: str = ""
    """Between name and arguments where they are no object."""
    around: tuple[str, ...] = ()
    """Further marks that stand around calls and say nothing."""
    tags: Tags | None = None
    """What is around names and arguments where it is no JSON; a call that must be is JSON all the same."""

    @property
    def marks(self) -> list[str]:
        """All of them."""
        return [self.start, self.separator, self.end, *self.around]


HERMES: Final = CallForm("<tool_call>", "</tool_call>")
FORMS: Final = (
    # (what a template of this form has in it, what it has not, the form); the first that fits counts
    (("[TOOL_CALLS]", "[ARGS]"), (), CallForm("[TOOL_CALLS]", "", separator="[ARGS]")),
    (("[TOOL_CALLS]",), (), CallForm("[TOOL_CALLS]", "", listed=True)),
    (
        ("<|channel|>commentary",),
        (),
        CallForm("<|channel|>commentary to=functions.", "<|call|>", separator="<|message|>"),
    ),
    (("<TOOLCALL>",), (), CallForm("<TOOLCALL>", "</TOOLCALL>", listed=True)),
    (("<|tool_call|>",), ("<|tool_call>",), CallForm("<|tool_call|>", "", listed=True)),
    (("<tool_call>", '"arguments"'), ("<function=", "<arg_key>", "<invoke"), HERMES),
    (
        ("dsml_token", "function_calls>"),
        (),
        CallForm("<｜DSML｜function_calls>", "</｜DSML｜function_calls>", tags=DSML),
    ),
    (("dsml_token", "tool_calls>"), (), CallForm("<｜DSML｜tool_calls>", "</｜DSML｜tool_calls>", tags=DSML)),
    (
        ("<minimax:tool_call>", "<invoke name="),
        (),
        CallForm("<minimax:tool_call>", "</minimax:tool_call>", tags=INVOKE),
    ),
    (
        ("<seed:tool_call>", "<function="),
        (),
        CallForm("<seed:tool_call>", "</seed:tool_call>", tags=FUNCTION),
    ),
    (
        ("<tool_call>", "<function=", "<parameter="),
        (),
        CallForm("<tool_call>", "</tool_call>", tags=FUNCTION),
    ),
    (("<tool_call>", "<arg_key>"), (), CallForm("<tool_call>", "</tool_call>", tags=PAIRS)),
    (
        ("<tool_calls>", '"arguments"'),
        ("<function=", "<invoke"),
        CallForm("<tool_calls>", "</tool_calls>", listed=True),
    ),
    (
        ("<|START_ACTION|>", '"tool_name"'),
        (),
        CallForm("<|START_ACTION|>", "<|END_ACTION|>", "parameters", "tool_name", listed=True),
    ),
    (("<|function_call|>",), (), CallForm("<|function_call|>", "")),
    (("function call<|role_sep|>",), (), CallForm("function call<|role_sep|>", "")),
    (
        ("<|tool_call_argument_begin|>",),
        (),
        CallForm(
            "<|tool_call_begin|>functions.",
            "<|tool_call_end|>",
            separator="<|tool_call_argument_begin|>",
            around=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
        ),
    ),
    (
        ("<｜tool▁call▁begin｜>function<｜tool▁sep｜>", "```json"),
        (),
        CallForm(
            "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
            "```<｜tool▁call▁end｜>",
            separator="\n```json\n",
            around=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
        ),
    ),
    (("<function=", "</function>"), ("<parameter=",), CallForm("<function=", "</function>", separator=">")),
    (("<|start_header_id|>ipython", '"parameters": '), (), CallForm("", "", arguments="parameters")),
    (("Environment: ipython", '"parameters": '), (), CallForm("", "", arguments="parameters")),
)

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


def call_form(template: str) -> CallForm | None:
    """The form of a call in a template; None if it has none that is known."""
    if not re.search(r"\btools\b", template):
        return None
    for with_, without, form in FORMS:
        if all(sign in template for sign in with_) and not any(sign in template for sign in without):
            return form
    return None


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
