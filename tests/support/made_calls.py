"""Made-up tool calls, with values of every type, and how a model with a given chat template would write them."""

from __future__ import annotations

import json
import random
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from template_cases import ASK, says, sources

from sidecar.core.chat import messages
from sidecar.core.chat.rendering.template import Template
from sidecar.core.chat.tool_prompt import add_tool_prompt
from sidecar.core.output.calls.call_forms import FORMS, HERMES, CallForm, call_form
from sidecar.core.output.calls.tag_forms import KEY, Tags
from sidecar.core.output.message_headers import Headers, headers_of
from sidecar.core.output.reasoning import ReasoningMarks, reasoning_marks

Call = tuple[str, dict[str, Any]]

TEXT = {"type": "string"}
PROPERTIES: dict[str, Any] = {
    "text": TEXT,
    "count": {"type": "integer"},
    "ratio": {"type": "number"},
    "flag": {"type": "boolean"},
    "list": {"type": "array"},
    "object": {"type": "object"},
    "maybe": {"anyOf": [TEXT, {"type": "null"}]},
    "several": {"type": ["string", "null"]},
    "ref": {"$ref": "#/$defs/text"},
    "all": {"allOf": [TEXT]},
    "words": {"enum": ["1", "true", "null", "None", "{}", "a b"]},
    "values": {"enum": [1, True, None, 2.5]},
    "const": {"const": "123"},
    "either": {"oneOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "array"}]},
    "maybe_number": {"anyOf": [{"type": "number"}, {"type": "null"}]},
}
PARAMETERS = {"type": "object", "properties": PROPERTIES, "$defs": {"text": TEXT}}
NAMES = ("f", "get_weather", "a.b-c_D9", "functions")
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "description": "Does it.", "parameters": PARAMETERS}}
    for name in NAMES
]
NULLABLE = ("maybe", "several")
TEXTS = ("text", "ref", "all", *NULLABLE)
AWKWARD = (  # noqa: SIM905 - a list would take a line for each
    "| |\n|\n\n|\t|12|-1.5e3|true|True|null|None|{'x': 1}|[1]|'|\"|\"q\"|\\|\\n|\\u0041|{|}|[|]|]}|},|,|;|:|<|>|</|`"
    '|Zürich|日本|😀|e\u0301|\u2028|\u200f|\x7f|&lt;|%20|word|two words|NaN|1e999|{"x": 1}'
).split("|")
ALL_MARKS = sorted(
    {mark for *_, form in FORMS for mark in form.marks if mark} | {"<think>", "</think>", "<|end|>"}
)


@dataclass
class Writer:
    """How a model with one chat template writes calls."""

    name: str
    source: str
    form: CallForm
    reasoning: ReasoningMarks | None
    template: Template | None
    """None: the template does not write calls, so they are written by hand."""
    tail: str = ""
    """What the template writes after a message."""
    most: int = 3
    """The most calls of one message."""
    variables: dict[str, Any] = field(default_factory=dict)
    _prompts: dict[str, str] = field(default_factory=dict)

    @cached_property
    def headers(self) -> Headers:
        """What the models write beside text, reasoning and calls."""
        return headers_of(self.source)

    @cached_property
    def header(self) -> str:
        """The beginning of a header that stands at the end of the prompt."""
        opened = self.headers.opened
        return opened if self.template is not None and opened and self._prompt().endswith(opened) else ""

    @property
    def marks(self) -> list[str]:
        """All marks of calls, but not of reasoning."""
        quotes = self.form.literals.quotes if self.form.literals is not None else ()
        marks = [*self.form.marks, *quotes, *self.headers.of_tools(list(NAMES))]
        return [mark for mark in marks if mark.strip()]

    def write(
        self, calls: list[Call], text: str = "", thought: str = "", tools: list[Any] | None = None
    ) -> str:
        """The output of a model that makes these calls. Raises what the template raises."""
        if self.template is None:
            return text + by_hand(self.form, calls)
        message = says("assistant", text or None, toolCalls=[_message(*call) for call in calls])
        if thought:
            message["reasoningContent"] = thought
        whole, prompt = self._render([ASK, message], tools), self._prompt(tools)
        common = whole[
            : bisect_left(range(len(prompt)), True, key=lambda at: not whole.startswith(prompt[: at + 1]))
        ]
        if common != prompt and common.rfind("<") > common.rfind(">"):
            common = common[: common.rindex("<")]  # no mark is cut
        written = whole[len(common) :]
        return written[: written.rindex(self.tail)] if self.tail else written

    def opens(self, written: str) -> bool:
        """Whether the prompt has begun the reasoning that ends in this text."""
        marks, before = self.reasoning, written.partition(self.form.start or "{")[0]
        return marks is not None and marks.end in before and marks.start not in before

    def begins_reasoning(self, tools: list[Any]) -> bool:
        """Whether the prompt ends with the mark that begins reasoning."""
        marks = self.reasoning
        return (
            self.template is not None
            and marks is not None
            and self._prompt(tools).rstrip().endswith(marks.start)
        )

    @cached_property
    def turn_end(self) -> str:
        """What the template writes after the assistant's text."""
        return self._render([ASK, says("assistant", "qzend")]).rpartition("qzend")[2].strip()

    def _prompt(self, tools: list[Any] | None = None) -> str:
        key = json.dumps(tools)
        if key not in self._prompts:
            self._prompts[key] = self._render([ASK], tools, add_generation_prompt=True)
        return self._prompts[key]

    def _render(self, turns: list[Any], tools: list[Any] | None = None, **more: Any) -> str:
        assert self.template is not None
        tools = TOOLS if tools is None else tools
        variables = {**self.variables, **more}
        if call_form(self.source) is None:
            turns = add_tool_prompt(turns, tools)
        else:
            variables["tools"] = tools
        return self.template.render(
            {**variables, "messages": messages.for_template(turns, self.template, variables)}
        )


def _message(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(arguments, ensure_ascii=False)
    return {"id": "call00001", "type": "function", "function": {"name": name, "arguments": text}}


def by_hand(form: CallForm, calls: list[Call]) -> str:
    """The calls in a form, as its models write them."""
    if form.literals is not None:
        written = [form.literals.written(*call) for call in calls]
        if form.literals.listed:
            written = [f"[{', '.join(each[1:-1] for each in written)}]"]
        return "".join(f"{form.start}{each}{form.end}" for each in written)
    if form.tags is not None:
        return f"{form.start}{''.join(_tagged(form.tags, *call) for call in calls)}{form.end}"
    texts = [json.dumps(arguments, ensure_ascii=False) for _, arguments in calls]
    if form.separator:
        written = [
            f"{form.start}{form.prefix}{name}{form.separator}{text}{form.end}"
            for (name, _), text in zip(calls, texts, strict=True)
        ]
        return "".join(written)
    objects = [
        f"{{{json.dumps(name)}: {text}}}"
        if form.keyed
        else f'{{"{form.name}": {json.dumps(name)}, "{form.arguments}": {text}}}'
        for (name, _), text in zip(calls, texts, strict=True)
    ]
    if form.listed:
        return f"{form.start}[{', '.join(objects)}]{form.end}"
    return (
        "; ".join(objects) if not form.start else "".join(f"{form.start}{each}{form.end}" for each in objects)
    )


def _tagged(tags: Tags, name: str, arguments: dict[str, Any]) -> str:
    line = "\n" if tags.on_lines else ""
    body = []
    for key, value in arguments.items():
        text = _bare(value)
        if tags.quotes[0] and "<" in text:
            text = f"{tags.quotes[0]}{text}{tags.quotes[1]}"
        close = tags.value[1].replace(KEY, key)
        body.append(f"{tags.key[0]}{key}{tags.key[1]}{tags.value[0]}{line}{text}{line}{close}")
    return f"{tags.call[0]}{name}{tags.call[1]}{''.join(body)}{tags.call[2]}"


def _bare(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def writers(*, every: bool = True) -> list[Writer]:
    """One writer for each shipped template, or for each form; and one for each form that no template writes."""
    made: list[Writer] = []
    for file, source in sorted(sources().items()):
        if every or (call_form(source) or HERMES) not in {writer.form for writer in made if writer.template}:
            made.append(writer_of(file, source))
    written = {writer.form for writer in made}
    made += [Writer(f"form {form.start}", "", form, None, None) for *_, form in FORMS if form not in written]
    return made


def writer_of(file: str, source: str) -> Writer:
    """The writer of a shipped template."""
    name = file.removesuffix(".jinja")
    form, reasoning = call_form(source) or HERMES, reasoning_marks(source)
    variables = {"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": True}
    writer = Writer(name, source, form, reasoning, Template(source), variables=variables)
    for most in (3, 1):
        writer.most = most
        try:
            written = writer.write([("f", {"text": "qzvalue"}), ("functions", {"text": "qzlast"})][:most])
        except Exception:  # a template may refuse several calls, or all
            continue
        last = written.find("qzlast" if most > 1 else "qzvalue")
        if last >= 0 and not re.search("qzvalue.*qzvalue", written, re.DOTALL):
            writer.tail = _tail(writer, written[last:])
            return writer
    return Writer(name, source, form, reasoning, None)


def _tail(writer: Writer, end: str) -> str:
    """What of the end of a message does not belong to the call."""
    marks = [mark for mark in writer.form.marks if mark] + ["}", "]", '"', ")"]
    ends = [end.rindex(mark) + len(mark) for mark in marks if mark in end]
    return end[max(ends, default=len("qzlast")) :].strip()


def made_calls(chance: random.Random, writer: Writer) -> list[Call]:
    """Calls with arguments that fit PARAMETERS, and that the writer's form can carry."""
    form, most = writer.form, writer.most
    marks = writer.marks or ALL_MARKS
    calls = []
    for _ in range(chance.randint(1, most)):
        keys = chance.sample(list(PROPERTIES), chance.choice((0, 1, 1, 2, 3, 5)))
        calls.append((chance.choice(NAMES), {key: _value(chance, key, marks) for key in keys}))
    if form.literals is not None and form.literals.escapes and writer.template is not None:
        calls = _changed(calls, lambda text: text.replace("\\", "/"), lambda key: key)  # it escapes nothing
    if form.literals is not None and not form.literals.escapes:  # no text can have the form's own quotes
        (quote,) = form.literals.quotes
        calls = _changed(calls, lambda text: text.replace(quote, "<q>"), lambda key: key)
    if (form.tags is not None and form.tags.nested) or (
        form.literals is not None and form.literals.bare_keys
    ):
        calls = _changed(calls, lambda text: text, lambda key: re.sub(r"\W", "_", key) or "k")
    return calls


def _changed(value: Any, text: Callable[[str], str], key: Callable[[str], str]) -> Any:
    """A value with other texts and keys."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {key(name): _changed(each, text, key) for name, each in value.items()}
    return (
        type(value)(_changed(each, text, key) for each in value)
        if isinstance(value, (list, tuple))
        else value
    )


def _value(chance: random.Random, key: str, marks: list[str]) -> Any:
    if key in TEXTS:
        text = made_text(chance, marks)
        if key not in NULLABLE:
            return text
        return (
            None if text in ("null", "None") or chance.random() < 0.2 else text
        )  # the forms write both alike
    if "enum" in PROPERTIES[key]:
        return chance.choice(PROPERTIES[key]["enum"])
    if "const" in PROPERTIES[key]:
        return PROPERTIES[key]["const"]
    number = chance.choice((0, 1, -1, 17, 2**53, -(10**20), chance.randrange(-(10**6), 10**6)))
    fraction = chance.choice((0.5, -0.0, 1e22, 5e-324, 1.7976931348623157e308, chance.uniform(-9, 9)))
    flag = chance.random() < 0.5
    nested = _json(chance, marks, 0)
    return {
        "count": number,
        "ratio": chance.choice((number, fraction)),
        "flag": flag,
        "list": [_json(chance, marks, 1) for _ in range(chance.randrange(4))],
        "object": nested if isinstance(nested, dict) else {"a": nested},
        "either": chance.choice((number, flag, [nested])),
        "maybe_number": chance.choice((None, number, fraction)),
    }[key]


def _json(chance: random.Random, marks: list[str], depth: int) -> Any:
    kind = chance.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [_json(chance, marks, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return {made_text(chance, marks): _json(chance, marks, depth + 1) for _ in range(chance.randrange(4))}
    return (
        made_text(chance, marks),
        chance.randrange(-99, 99),
        chance.uniform(-1, 1),
        chance.random() < 0.5,
        None,
    )[kind]


def made_text(chance: random.Random, marks: list[str]) -> str:
    """A text of awkward pieces, now and then with marks."""
    pieces = []
    for _ in range(chance.choice((0, 1, 1, 2, 3, 6))):
        kind = chance.random()
        pool = marks if kind < 0.06 else ALL_MARKS if kind < 0.1 else AWKWARD
        pieces.append(chance.choice(pool))
    return "".join(pieces)
