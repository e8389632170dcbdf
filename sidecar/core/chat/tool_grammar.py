"""The grammar of a forced tool call: it names one of the tools, and its arguments fit the tool's schema."""

from __future__ import annotations

import json
import re
from typing import Final

from sidecar.core.output.tool_formats import CallForm
from sidecar.core.output.tools import Tools
from sidecar.core.structured_output.grammar import Grammar, of_schema

_SYMBOL: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|(?P<rule>[a-zA-Z][\w-]*)')
"""A literal or a character class, which stay unchanged, or the name of a rule."""


def call_grammar(form: CallForm, tools: Tools) -> Grammar:
    """A grammar whose root is one call of one of the forced tools.

    Raises SidecarError `unsupportedSchema`, `unsatisfiableSchema` for a tool's parameters.
    """
    choices, rules = [], []
    for index, name in enumerate(tools.forced):
        of_arguments = of_schema(tools.schemas[name], tools.pointer(name)).text
        rules.append(_renamed(of_arguments, f"tool{index}-"))
        before, after = around(form, name)
        choices.append(f"{_literal(before)} tool{index}-root {_literal(after)}".strip())
    text = "\n".join([f"root ::= [ \\n]{{0,2}} ({' | '.join(choices)})", *rules])
    return Grammar(text, allows_control_tokens=True, pointer="/tools")


def _renamed(grammar: str, prefix: str) -> str:
    """The same grammar with a prefix on the name of each rule."""
    return _SYMBOL.sub(lambda match: prefix + match[0] if match["rule"] else match[0], grammar)


def around(form: CallForm, name: str) -> tuple[str, str]:
    """The text before and after the arguments of a call."""
    if form.separator:
        harmony = " <|constrain|>json" if form.separator == "<|message|>" else ""
        return f"{form.start}{form.prefix}{name}{harmony}{form.separator}", ""
    before = f'{{"{form.name}": {json.dumps(name)}, "{form.arguments}": '
    if form.listed:
        return f"{form.start}[{before}", f"}}]{form.end}"
    line = "\n" if form.end else ""
    return f"{form.start}{line}{before}", f"}}{line}{form.end}"


def _literal(text: str) -> str:
    """A text as a literal of GBNF. The escapes are those of JSON, but only ASCII may be escaped."""
    return json.dumps(text, ensure_ascii=False) if text else ""
