"""The grammar of the calls that a model may make: what it writes is free until the form's mark of a call has come.

From there on the name is that of a tool, and the arguments fit the tool's schema, up to the end of the call. In forms
with tags a text has no quotes that end it: it is free up to the first closing tag, and checked when it is complete.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from sidecar.core.chat.tool_grammar import POINTER, WHITE_SPACE, literal, objects, pieces
from sidecar.core.model.model import Model
from sidecar.core.output.calls.call_forms import CallForm
from sidecar.core.output.calls.tag_forms import Tags
from sidecar.core.output.calls.tools import Tools
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.structured_output.compiling import Promised
    from sidecar.core.structured_output.keywords import Json
    from sidecar.core.structured_output.llguidance_api import Matcher
    from sidecar.core.structured_output.llguidance_schema import Options, Prepared

HEADER: Final = ("<|channel|>", "<|constrain|>", "<|message|>")
"""What a header of gpt-oss may have between the recipient and the arguments, the last one always."""

MAX_KEPT: Final = 16
"""Grammars that are kept: a program sends the same tools in each turn."""

MAX_KEPT_CHARS: Final = 200_000
"""Longest JSON text of the tools of such a grammar."""

MAX_WAIT_S: Final = 10.0
"""How long a chat waits for such a grammar, and looks for tools that are at fault. Usual ones take milliseconds."""

MAX_SHOWN_CHARS: Final = 300
"""How much of an error is told."""

MAX_LISTED: Final = 100
"""Longest `enum` whose values are written one by one between tags."""

_lock: Final = threading.Lock()
_kept: Final[dict[tuple[Model, CallForm, str, Options], Promised]] = {}
"""The grammars that are kept, the most recently used one last."""


def optional_calls(
    model: Model, form: CallForm, tools: Tools, options: Options, warn: Callable[[str], None]
) -> Promised | None:
    """What may follow the form's mark; None if the form has none, or is loose.

    It is made beside the request and costs it nothing.

    `warn` is told, once, of parameters that no grammar follows: such arguments are only checked.
    """
    if not form.start or form.loose:
        return None
    from sidecar.core.structured_output.compiling import Promised

    options = options._replace(on_one_line=True, checked=True)  # all arguments are checked afterwards
    try:
        key = model, form, json.dumps(tools.schemas), options
    except RecursionError:
        return None
    with _lock:
        made = _kept.pop(key, None)
        if made is None or made.failed:
            made = Promised(lambda: _make(*key, warn))
        if len(key[2]) <= MAX_KEPT_CHARS:
            _kept[key] = made
        if len(_kept) > MAX_KEPT:
            del _kept[next(iter(_kept))]
    return made


def _make(
    model: Model, form: CallForm, tools: str, options: Options, warn: Callable[[str], None]
) -> Matcher | None:
    from sidecar.core.structured_output import json_schema

    ready: dict[str, Prepared] = {}
    loose: dict[str, str] = {}
    for index, (name, schema) in enumerate(json.loads(tools).items()):
        ready[name] = anything = json_schema.prepare({"type": "object"}, "", options)
        try:
            where = f"{POINTER}/{index}/function/parameters"
            ready[name] = json_schema.prepare(schema, where, options, f"t{index}")
        except SidecarError as error:
            loose[name] = str(error)
    end = time.monotonic() + MAX_WAIT_S
    try:
        matcher = _matcher(model, form, ready, options)
        for name in ready.keys() - loose.keys() if matcher is None else ():  # some of them are at fault
            if time.monotonic() < end and _matcher(model, form, {name: ready[name]}, options) is None:
                ready[name], loose[name] = anything, "no grammar can follow them"
        matcher = matcher or _matcher(model, form, ready, options)
    except SidecarError as error:
        warn(f"Calls are only checked: {error}")
        if error.kind == "overloaded":  # only now
            raise
        return None
    if matcher is None:
        warn("Calls are only checked: a grammar of all parameters is too complex")
        return None
    for name, why in loose.items():
        warn(f"Arguments of {name!r} are only checked: {why[:MAX_SHOWN_CHARS]}")
    return matcher


def _matcher(model: Model, form: CallForm, ready: dict[str, Prepared], options: Options) -> Matcher | None:
    """None if no grammar can follow these parameters. Raises SidecarError `schemaTooComplex`, `overloaded`."""
    from sidecar.core.structured_output import json_schema, regex_and_lark

    lark = "\n".join([*_rules(model, form, ready, options), WHITE_SPACE])
    return None if len(lark) > json_schema.MAX_CHARS else regex_and_lark.of_calls(model, lark, MAX_WAIT_S)


def _rules(model: Model, form: CallForm, ready: dict[str, Prepared], options: Options) -> Iterator[str]:
    """The rules of what follows the form's mark, up to the end of the call."""
    from sidecar.core.structured_output.json_schema import document

    end = f" WS? {literal(model, form.end)}" if form.end and form.separator != HEADER[-1] else ""
    calls = f"({' | '.join(f'call{index}' for index in range(len(ready)))})"
    if form.tags is not None:
        more = f" (WS? {calls})*" if form.tags.call[2] else ""
        yield f"start: WS? {calls}{more}{end}"
        for index, (name, schema) in enumerate(ready.items()):
            yield from _tagged(model, form.tags, index, name, schema, options)
    elif form.separator:
        prefix = f"({literal(model, form.prefix)})? " if form.prefix else ""
        yield f"start: {prefix}{calls}{end}"
        for index, (name, schema) in enumerate(ready.items()):
            called, between = json.dumps(name, ensure_ascii=False), _before_arguments(model, form)
            yield f"call{index}: {called} {between} WS? arguments{index}"
            yield f"arguments{index}: %json {document(schema.root, schema.definitions, options)}"
    else:
        call, definitions = objects(form, ready, most=None)
        yield f"start: WS? call{end}"
        yield f"call: %json {document(call, definitions, options)}"


def _before_arguments(model: Model, form: CallForm) -> str:
    """What stands between name and arguments: models may write a number or an id before the separator."""
    separator = literal(model, form.separator)
    if form.separator == HEADER[-1]:
        channel, constrain = (literal(model, mark) for mark in HEADER[:2])
        words = f'" "? {constrain} "json"? | " json" | " code"'
        return f'({channel} "commentary")? ({words})? {separator}'
    marks = " | ".join(literal(model, mark) for mark in form.inner)
    return f"(({marks or json.dumps(':')}) /[A-Za-z0-9_]{{1,40}}/)? {separator}"


def _tagged(
    model: Model, tags: Tags, index: int, name: str, schema: Prepared, options: Options
) -> Iterator[str]:
    """The rules of the calls of one tool that are written with tags."""
    before, after, end = (literal(model, tag) for tag in tags.call)
    root = schema.root if isinstance(schema.root, dict) else {}
    required, parts = root.get("required", ()), []
    for place, (key, value) in enumerate(root.get("properties", {}).items()):
        rule = f"a{index}x{place}"
        parts.append(rule if key in required else f"{rule}?")
        yield from _argument(model, tags, rule, json.dumps(key, ensure_ascii=False), value, schema, options)
    if root.get("additionalProperties") is not False:
        parts.append(f"a{index}*")
        yield from _argument(model, tags, f"a{index}", r"/[^<>\"\s]{1,64}/", True, schema, options)
    called = json.dumps(name, ensure_ascii=False)
    yield " ".join(filter(None, [f"call{index}:", before, called, after, *parts, end and "WS?", end]))


def _argument(
    model: Model, tags: Tags, rule: str, key: str, value: Json, schema: Prepared, options: Options
) -> Iterator[str]:
    """The rules of one argument between tags. A text is free up to the first closing tag."""
    from sidecar.core.structured_output.json_schema import document

    opening, closing = tags.value
    listed, is_text = _values(value, schema.definitions)
    says = f' string="{str(is_text).lower()}"' if tags.says_type else ""
    key_before, key_after, before = (literal(model, tag) for tag in (*tags.key, says + opening))
    head = " ".join(
        filter(None, [f"{rule}:", "WS?", key_before, key, key_after, "WS?" if opening else "", before])
    )
    if listed:
        line = '"\\n"?' if tags.on_lines else ""
        choice = " | ".join(json.dumps(each, ensure_ascii=False) for each in listed)
        yield f"{head} {line} ({choice}) {line} {literal(model, closing)}"
    elif is_text:
        yield f"{head} {rule}t"
        yield from _text_until(model, closing, f"{rule}t")
    else:
        yield f"{head} WS? {rule}j WS? {literal(model, closing)}"
        yield f"{rule}j: %json {document(value, schema.definitions, options)}"


def _values(schema: Json, definitions: dict[str, Json]) -> tuple[list[str], bool]:
    """The values of a schema as they stand between tags, if it lists them; and whether a value is a text."""
    for _ in range(len(definitions)):
        if not isinstance(schema, dict) or "$ref" not in schema:
            break
        schema = definitions.get(schema["$ref"].rpartition("/")[2], True)
    if not isinstance(schema, dict):
        return [], True
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if 0 < len(listed) <= MAX_LISTED:
        texts = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in listed]
        return texts if all(texts) else [], any(isinstance(each, str) for each in listed)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices and "type" not in schema:
        return [], any(_values(choice, definitions)[1] for choice in choices)
    types = schema.get("type", "string")
    return [], types == "string" or "string" in types


def _text_until(model: Model, closing: str, rule: str) -> Iterator[str]:
    """The rule of any text up to the first closing tag."""
    first, *others = pieces(model, closing)
    if not others:
        yield f"{rule}[lazy]: /(?s:.*)/ {first}"
        return
    # A control token ends the text before it, which ends as the tag begins.
    begun = re.escape(json.loads(first)).replace("/", r"\/") if first.startswith('"') else ""
    yield f"{rule}: {rule.upper()} {' '.join(others if begun else [first, *others])}"
    yield f"{rule.upper()}: /(?s:.*){begun}/"
