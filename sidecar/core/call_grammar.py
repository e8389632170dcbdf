"""The grammar of a call that must be made: it names one of the tools, and its arguments fit."""

from __future__ import annotations

import copy
import json
from typing import Any

from sidecar.core.tools import CallForm, Tools


def call_grammar(form: CallForm, tools: Tools) -> str:
    """GBNF whose root is one call of one of the tools that are to be called.

    Raises SidecarError `invalidParams` if the parameters of one cannot be put into a grammar.
    """
    from llama_cpp.llama_grammar import SchemaConverter

    converter: Any = SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    choices = []
    for index, name in enumerate(tools.forced):
        try:
            schema = converter.resolve_refs(copy.deepcopy(tools.schemas[name]), f"tool{index}")
            rule = converter.visit(schema, f"tool{index}")
        except Exception as error:
            raise tools.unmet(name, str(error) or type(error).__name__) from None
        before, after = _around(form, name)
        choices.append(" ".join(filter(None, [_literal(before), rule, _literal(after)])))
    converter._rules["root"] = f"[ \\n]{{0,2}} ({' | '.join(choices)})"
    grammar: str = converter.format_grammar()
    return grammar


def _around(form: CallForm, name: str) -> tuple[str, str]:
    """What stands before and after the arguments."""
    if form.separator:
        harmony = " <|constrain|>json" if form.separator == "<|message|>" else ""
        return f"{form.start}{name}{harmony}{form.separator}", ""
    before = f'{{"{form.name}": {json.dumps(name)}, "{form.arguments}": '
    if form.listed:
        return f"{form.start}[{before}", f"}}]{form.end}"
    line = "\n" if form.start else ""
    return f"{form.start}{line}{before}", f"}}{line}{form.end}"


def _literal(text: str) -> str:
    """A text as GBNF writes it, which is as JSON does, for what is ASCII."""
    return json.dumps(text) if text else ""
