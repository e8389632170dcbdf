"""The grammar of a forced tool call: it names one of the tools, and its arguments fit the tool's schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sidecar.core.model.model import Model
from sidecar.core.output.calls.call_forms import CallForm
from sidecar.core.output.calls.tools import Tools
from sidecar.core.structured_output.grammar import Grammar

if TYPE_CHECKING:
    from sidecar.core.structured_output.keywords import Json
    from sidecar.core.structured_output.llguidance_schema import Options, Prepared

POINTER: Final = "/tools"
WHITE_SPACE: Final = r"WS: /[ \n]{1,2}/"


def call_grammar(model: Model, form: CallForm, tools: Tools, options: Options) -> Grammar:
    """A grammar whose texts are one call of one of the forced tools, in Lark's syntax.

    Raises SidecarError `unsupportedSchema`, `unsatisfiableSchema`, `schemaTooComplex` for the tools' parameters.
    """
    from sidecar.core.structured_output import (  # only for requests that force a call
        json_schema,
        regex_and_lark,
    )

    options = options._replace(on_one_line=True)  # as templates write calls
    ready = {
        name: json_schema.prepare(tools.schemas[name], tools.pointer(name), options, f"t{index}")
        for index, name in enumerate(tools.forced)
    }
    rules = (
        _named_rules(model, form, ready, options)
        if form.separator
        else _object_rules(model, form, ready, options)
    )
    lark = "\n".join([*rules, WHITE_SPACE])
    if len(lark) > json_schema.MAX_CHARS:
        raise json_schema.too_complex(POINTER, f"more than {json_schema.MAX_CHARS} characters")
    matcher = regex_and_lark.of_calls(model, lark)
    if matcher is None:  # then the parameters of one tool alone are at fault, or all are too many
        for name, schema in ready.items():
            text = json_schema.document(schema.root, schema.definitions, options)
            json_schema.matcher_of(model, text, schema, tools.pointer(name))
        raise json_schema.too_complex(POINTER, "these tools together are too complex")
    return Grammar(POINTER, matcher=matcher)


def _named_rules(model: Model, form: CallForm, ready: dict[str, Prepared], options: Options) -> list[str]:
    """The rules of calls whose names stand before the arguments."""
    from sidecar.core.structured_output.json_schema import document

    rules = [f"start: WS? ({' | '.join(f'call{index}' for index in range(len(ready)))})"]
    for index, (name, schema) in enumerate(ready.items()):
        before, after = around(form, name)
        rules.append(f"call{index}: {literal(model, before)} arguments{index} {literal(model, after)}")
        of_arguments = document(schema.root, schema.definitions, options)
        rules.append(f"arguments{index}: %json {of_arguments}")
    return rules


def _object_rules(model: Model, form: CallForm, ready: dict[str, Prepared], options: Options) -> list[str]:
    """The rules of calls that are objects with name and arguments."""
    from sidecar.core.structured_output.json_schema import document

    call, definitions = objects(form, ready, most=1)
    line = "\n" if form.end and not form.listed else ""
    before, after = literal(model, f"{form.start}{line}"), literal(model, f"{line}{form.end}")
    return [
        f"start: WS? {before} call {after}",
        f"call: %json {document(call, definitions, options)}",
    ]


def objects(form: CallForm, ready: dict[str, Prepared], most: int | None) -> tuple[Json, dict[str, Json]]:
    """The schema of a call that is an object, or of a list of up to `most` calls, and its definitions."""
    calls = [
        {
            "type": "object",
            "properties": (
                {name: schema.root}
                if form.keyed
                else {form.name: {"const": name}, form.arguments: schema.root}
            ),
            "required": [name] if form.keyed else [form.name, form.arguments],
            "additionalProperties": False,
        }
        for name, schema in ready.items()
    ]
    call: Json = {"anyOf": calls}
    if form.listed:
        call = {"type": "array", "items": call, "minItems": 1, **({"maxItems": most} if most else {})}
    return call, {key: value for schema in ready.values() for key, value in schema.definitions.items()}


def around(form: CallForm, name: str) -> tuple[str, str]:
    """The text before and after the arguments of a call."""
    if form.separator:
        harmony = " <|constrain|>json" if form.separator == "<|message|>" else ""
        return f"{form.start}{form.prefix}{name}{harmony}{form.separator}", ""
    before = f'{{"{form.name}": {json.dumps(name)}, "{form.arguments}": '
    if form.keyed:
        before = f"{{{json.dumps(name)}: "
    if form.listed:
        return f"{form.start}[{before}", f"}}]{form.end}"
    line = "\n" if form.end else ""
    return f"{form.start}{line}{before}", f"}}{line}{form.end}"


def literal(model: Model, text: str) -> str:
    """A text in Lark's syntax. Control tokens in it are named by their ids: they have no text."""
    return " ".join(pieces(model, text))


def pieces(model: Model, text: str) -> list[str]:
    """The parts of that: texts and control tokens."""
    parts, at = [], 0
    for token in model.tokenize(text, add_special=False, parse_special=True) if text else []:
        if model.piece(token):
            continue
        name = model.token_text(token)
        found = text.find(name, at)
        if not name or found < 0:
            continue
        parts += [text[at:found], f"<[{token}]>"]
        at = found + len(name)
    parts.append(text[at:])
    return [
        part if index % 2 else json.dumps(part, ensure_ascii=False)
        for index, part in enumerate(parts)
        if part
    ]
