"""The grammar of a call that must be made: it names one of the tools, and its arguments fit."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from sidecar.core.tools import CallForm, Tools

_SYMBOL: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|(?P<rule>[a-zA-Z][\w-]*)')
"""A literal or a class, which stay as they are, or the name of a rule."""


def call_grammar(form: CallForm, tools: Tools) -> str:
    """GBNF whose root is one call of one of the tools that are to be called.

    Raises SidecarError `invalidParams` if the parameters of one cannot be put into a grammar.
    """
    choices, rules = [], []
    for index, name in enumerate(tools.forced):
        try:
            grammar = _grammar_of(tools.schemas[name])
        except Exception as error:
            raise tools.unmet(name, str(error) or type(error).__name__) from None
        rules.append(_renamed(grammar, f"tool{index}-"))
        before, after = _around(form, name)
        choices.append(f"{_literal(before)} tool{index}-root {_literal(after)}".strip())
    return "\n".join([f"root ::= [ \\n]{{0,2}} ({' | '.join(choices)})", *rules])


def _grammar_of(schema: dict[str, Any]) -> str:
    """The grammar of a schema's values."""
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    grammar: str = json_schema_to_gbnf(json.dumps(schema))
    return grammar


def _renamed(grammar: str, prefix: str) -> str:
    """The same grammar with a prefix before the name of every rule."""
    return _SYMBOL.sub(lambda match: prefix + match[0] if match["rule"] else match[0], grammar)


def _around(form: CallForm, name: str) -> tuple[str, str]:
    """What stands before and after the arguments."""
    if form.separator:
        harmony = " <|constrain|>json" if form.separator == "<|message|>" else ""
        return f"{form.start}{name}{harmony}{form.separator}", ""
    before = f'{{"{form.name}": {json.dumps(name)}, "{form.arguments}": '
    if form.listed:
        return f"{form.start}[{before}", f"}}]{form.end}"
    line = "\n" if form.end else ""
    return f"{form.start}{line}{before}", f"}}{line}{form.end}"


def _literal(text: str) -> str:
    """A text as GBNF writes it, which is as JSON does but for what is not ASCII."""
    return json.dumps(text, ensure_ascii=False) if text else ""
