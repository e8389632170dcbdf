"""The types of the contract for Python's type checker: a TypedDict or an alias per type."""

from __future__ import annotations

import json
from typing import Any

from contract.read import Contract

LINE = 110
"""Longest line, as in pyproject.toml."""

NAMES = {"integer": "int", "number": "float", "string": "str", "boolean": "bool", "null": "None"}
"""Word of JSON Schema → Python type. A float annotation accepts an int, too."""

HEAD = '''"""{notice}.

For type checkers: import it under TYPE_CHECKING only. schema/types.json says what each member means. A member
that the schema does not require is NotRequired, also where the program fills in a default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired  # typing has it from Python 3.11 on
'''


def typed_dicts(contract: Contract, notice: str) -> str:
    """The module `_types.py`, laid out as the formatter does it."""
    aliases: list[str] = []
    classes: list[str] = []
    for name, schema in contract.types.items():
        if "properties" in schema:
            classes += _class(name, schema)
        else:
            aliases.append(_alias(name, _type(name, schema, classes)))
    return HEAD.format(notice=notice) + "\n" + "\n".join(aliases) + "\n" + "".join(classes)


def _class(name: str, schema: dict[str, Any]) -> list[str]:
    """The class of an object type; before it, those of the unnamed objects within it."""
    inner: list[str] = []
    bases = ", ".join(schema.get("x-extends", ["TypedDict"]))
    required = schema.get("required", [])
    members = []
    for key, value in schema["properties"].items():
        annotation = _type(name + _capitals(key), value, inner)
        members.append(f"    {key}: {annotation if key in required else f'NotRequired[{annotation}]'}")
    return [*inner, "\n\n" + "\n".join([f"class {name}({bases}):", *(members or ["    pass"])]) + "\n"]


def _alias(name: str, annotation: str) -> str:
    """An alias; quoted where it names a class, which comes later."""
    if annotation.startswith("Literal["):
        line = f"{name}: TypeAlias = {annotation}"
        if len(line) <= LINE:
            return line
        rows = "".join(f"    {value},\n" for value in annotation[len("Literal[") : -1].split(", "))
        return f"{name}: TypeAlias = Literal[\n{rows}]"
    if annotation not in NAMES.values():
        annotation = f"'{annotation}'" if '"' in annotation else f'"{annotation}"'
    return f"{name}: TypeAlias = {annotation}"


def _type(name: str, schema: dict[str, Any], classes: list[str]) -> str:
    """The annotation of a schema. An unnamed object gets a class `name`, which is added to `classes`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(_literal(value) for value in values)}]"
    for word in ("allOf", "anyOf", "oneOf"):
        if word in schema and "properties" not in schema:
            return _union([_type(name, choice, classes) for choice in schema[word]])
    if "properties" in schema:
        classes += _class(name, schema)
        return name
    words = schema.get("type", [])
    choices = [_plain(name, schema, word, classes) for word in ([words] if isinstance(words, str) else words)]
    return _union(choices) if choices else "object"


def _plain(name: str, schema: dict[str, Any], word: str, classes: list[str]) -> str:
    """The annotation of a schema whose `type` is this word, or has it among others."""
    if word == "object":
        values = schema.get("additionalProperties", True)
        return f"dict[str, {_type(name, values, classes) if isinstance(values, dict) else 'object'}]"
    if word == "array":
        items = schema["items"] if isinstance(schema["items"], list) else [schema["items"]]
        return f"list[{_union([_type(f'{name}Item', item, classes) for item in items])}]"
    return NAMES[word]


def _capitals(name: str) -> str:
    """`imageUrl` → ImageUrl; `json_schema` → JsonSchema."""
    return "".join(part[0].upper() + part[1:] for part in name.split("_"))


def _union(choices: list[str]) -> str:
    return " | ".join(dict.fromkeys(choices))


def _literal(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
