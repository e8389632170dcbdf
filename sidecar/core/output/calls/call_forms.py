"""The forms in which models write tool calls, and which one a chat template uses."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sidecar.core.output.calls.literal_calls import GEMMA, PYTHON, Literals
from sidecar.core.output.calls.tag_forms import (
    ATEM,
    DSML,
    ELEMENTS,
    FUNCTION,
    HY,
    INVOKE,
    NAMESPACE,
    PAIRS,
    PARAM,
    SEED,
    XTML,
    Tags,
)


class CallForm(NamedTuple):
    """How a call is written: as an object with name and arguments, or as name, separator, arguments."""

    start: str
    """Before the first call. Empty: the object itself begins the call, at the beginning of the answer."""
    end: str
    """After the last call. Empty: nothing marks the end."""
    arguments: str = "arguments"
    """The member of the object that contains the arguments."""
    name: str = "name"
    """The member of the object that contains the name."""
    listed: bool = False
    """The objects are in a JSON list, even a single one."""
    separator: str = ""
    """Between name and arguments. Empty: both are members of an object."""
    prefix: str = ""
    """Before the name if there is a separator. An id may stand before it, and a model may leave it out."""
    lead: str = ""
    """Between start and the first object. A model may leave it out."""
    keyed: bool = False
    """An object has one member: its name is the call's, its value the arguments."""
    around: tuple[str, ...] = ()
    """Further marks around calls, which are skipped."""
    inner: tuple[str, ...] = ()
    """Further marks within calls."""
    tags: Tags | None = None
    """The tags around names and arguments if they are not JSON. Forced calls are JSON in these forms, too."""
    literals: Literals | None = None
    """How names and arguments are written as in a programming language. Forced calls are JSON, too."""

    @property
    def loose(self) -> bool:
        """Whether models write it in more ways than a grammar follows: optional calls are then only checked."""
        tags = self.tags
        if tags is not None and (tags.attributes or tags.nested or tags.quotes[0]):
            return True
        ids = self.prefix.startswith("<")
        return self.literals is not None or bool(self.lead) or self.separator == "\n" or ids

    @property
    def marks(self) -> list[str]:
        """All marks of the form."""
        tags = self.tags.marks if self.tags is not None else ()
        return [self.start, self.separator, self.end, *self.around, *self.inner, *tags]


HERMES: Final = CallForm("<tool_call>", "</tool_call>")
FORMS: Final = (
    # (texts that the template contains, texts that it does not contain, form). The first match counts.
    (("[TOOL_CALLS]", "[ARGS]"), (), CallForm("[TOOL_CALLS]", "", separator="[ARGS]", inner=("[CALL_ID]",))),
    (("[TOOL_CALLS]",), (), CallForm("[TOOL_CALLS]", "", listed=True)),
    (
        ("<|channel|>commentary",),
        (),
        CallForm("<|channel|>commentary to=", "<|call|>", separator="<|message|>", prefix="functions."),
    ),
    (("<TOOLCALL>",), (), CallForm("<TOOLCALL>", "</TOOLCALL>", listed=True)),
    (("<|tool_call|>",), ("<|tool_call>",), CallForm("<|tool_call|>", "", listed=True)),
    (("<tool_call>", '"arguments"'), ("<function=", "<arg_key>", "<invoke", "</tool_calls>"), HERMES),
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
        CallForm("<seed:tool_call>", "</seed:tool_call>", tags=SEED),
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
    (
        ("'function call'", "<|role_sep|>"),
        (),
        CallForm("function call<|role_sep|>", "", around=("<|message_sep|>",)),
    ),
    (
        ("<|tool_call_argument_begin|>",),
        (),
        CallForm(
            "<|tool_call_begin|>",
            "<|tool_call_end|>",
            separator="<|tool_call_argument_begin|>",
            prefix="functions.",
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
    (("<|tool_call>call:",), (), CallForm("<|tool_call>", "<tool_call|>", literals=GEMMA)),
    (("List of tools: ",), (), CallForm("<|tool_call_start|>", "<|tool_call_end|>", literals=PYTHON)),
    (
        ("<|tool_call:name|>",),
        (),
        CallForm(
            "<|tool_call:begin|>",
            "<|tool_call:end|>",
            separator="<|tool_call:args|>",
            prefix="<|tool_call:name|>",
            around=("<|tool_calls|>", "<|calls|>"),
        ),
    ),
    (("<|tools_prefix|>",), (), CallForm("<|tools_prefix|>", "<|tools_suffix|>", listed=True, keyed=True)),
    (
        ("Action:\\n```json", '"tool_name"'),
        (),
        CallForm("Action:", "```", "parameters", "tool_name", listed=True, lead="```json"),
    ),
    ((">>>all\\n", "recipient"), (), CallForm(">>>", "", separator="\n", around=(">>>all\n",))),
    (
        ("<atem:function_calls>",),
        (),
        CallForm("<atem:function_calls>", "</atem:function_calls>", tags=ATEM),
    ),
    (('<function name="', '<param name="'), (), CallForm('<function name="', "", tags=PARAM)),
    (
        ("'<tool_calls{}>'.format(HYTK)", "':opensource'"),
        (),
        CallForm("<tool_calls:opensource>", "</tool_calls:opensource>", tags=HY),
    ),
    (
        (NAMESPACE, "<invoke name="),
        (),
        CallForm(f"{NAMESPACE}<tool_call>", f"{NAMESPACE}</tool_call>", tags=ELEMENTS),
    ),
    (
        ("open_tag('tools')", "open_tag('call'"),
        (),
        CallForm("<|open|>tools<|sep|>", "<|close|>tools<|sep|>", tags=XTML),
    ),
)


def call_form(template: str) -> CallForm | None:
    """The form of calls in a chat template; None if it has no known one."""
    if not re.search(r"\btools\b", template):
        return None
    for present, absent, form in FORMS:
        if all(text in template for text in present) and not any(text in template for text in absent):
            return form
    return None
