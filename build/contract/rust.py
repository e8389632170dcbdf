"""The contract for the Tauri plugin's Rust client: a type per type, with serde, and a method per request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from contract.read import Contract

PLAIN: Final = {"string": "String", "number": "f64", "boolean": "bool"}
KEYWORDS: Final = frozenset({"type", "ref", "match", "use", "move", "where"})
VARIANTS: Final = {"String": "Text", "f64": "Number", "i64": "Integer", "u64": "Integer", "bool": "Flag"}
JSON: Final = "serde_json::Value"

HEAD: Final = """\
// {notice}.
//! The types of the protocol. schema/types.json says what each member means. Members that a request may leave out
//! are `Option`s, and all params have a `Default`: `ChatParams {{ messages, ..Default::default() }}`.

use serde::{{Deserialize, Serialize}};
"""
METHODS_HEAD: Final = """\
// {notice}.
//! The methods of the protocol.

use crate::call::Call;
use crate::client::Llama;
use crate::types::*;

/// The version of the protocol that these types describe.
pub const PROTOCOL_VERSION: i64 = {version};

impl Llama {{
"""


def types(contract: Contract, notice: str) -> str:
    """The module `types.rs`."""
    writer = _Writer(contract)
    for name in contract.types:
        writer.add(name)
    return HEAD.format(notice=notice) + "".join(f"\n{text}" for text in writer.items.values())


def methods(contract: Contract, notice: str) -> str:
    """The module `methods.rs`: what each request is called in Rust, takes and returns."""
    lines = []
    for method, row in contract.requests.items():
        name = _snake(method.replace(".", "_"))
        params = f", params: {row['params']}" if contract.flat_type(row["params"])["properties"] else ""
        sent = "params" if params else "serde_json::json!({})"
        result = row["result"]
        lines += [
            *(f"    /// {line}" for line in _wrapped(row["summary"])),
            f"    pub fn {name}(&self{params}) -> Call<{result}> {{",
            f'        self.request("{method}", {sent})',
            "    }",
            "",
        ]
    return (
        METHODS_HEAD.format(notice=notice, version=contract.protocol_version)
        + "\n".join(lines[:-1])
        + "\n}\n"
    )


class _Writer:
    """Collects Rust items by name; those of unnamed types within a type come before it."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.items: dict[str, str] = {}
        self._without_default: set[str] = set()
        self._marks = set(self._marks_in(contract.types))
        """(type, member) of what an enum of choices reads and writes: there the struct has no such member."""

    def add(self, name: str) -> None:
        """Write a named type, and what it needs before it."""
        if name in self.items:
            return
        schema = self._contract.flat_type(name) if "properties" in self._contract.types[name] else None
        if schema is not None:
            self._struct(name, schema)
            return
        self.items[name] = ""  # a type that names itself finds it here
        made = self._type(name, self._contract.types[name])
        text = self.items.pop(name)
        self.items[name] = text or f"pub type {name} = {made};\n"

    def _struct(self, name: str, schema: dict[str, Any]) -> None:
        self.items[name] = ""
        rows, defaults = [], True
        for key, value in schema["properties"].items():
            if (name, key) in self._marks:
                continue
            needed = key in schema.get("required", [])
            kind = self._type(self._owner(name, key) + _pascal(key), value)
            defaults &= not needed or kind not in self._without_default
            rows += self._member(key, kind, needed)
        if not defaults:
            self._without_default.add(name)
        derived = f"Debug, Clone, {'Default, ' if defaults else ''}PartialEq, Serialize, Deserialize"
        head = f'#[derive({derived})]\n#[serde(rename_all = "camelCase")]\n'
        body = f"pub struct {name} {{\n{''.join(rows)}}}\n" if rows else f"pub struct {name} {{}}\n"
        self._put(name, head + body)

    def _owner(self, name: str, key: str) -> str:
        """The type that brings a member along: one that others extend names what is in the member for all."""
        for base in self._contract.types.get(name, {}).get("x-extends", []):
            if key in self._contract.flat_type(base)["properties"]:
                return self._owner(base, key)
        return name

    def _member(self, key: str, kind: str, needed: bool) -> list[str]:
        field = _snake(key)
        rows = []
        if _camel(field) != key:
            rows.append(f'    #[serde(rename = "{key}")]\n')
        if not needed:
            kind = kind if kind.startswith("Option<") else f"Option<{kind}>"
            rows.append('    #[serde(default, skip_serializing_if = "Option::is_none")]\n')
        field = f"r#{field}" if field in KEYWORDS else field
        return [*rows, f"    pub {field}: {kind},\n"]

    def _put(self, name: str, text: str) -> None:
        self.items.pop(name, None)  # behind what it has called for
        self.items[name] = text

    def _type(self, name: str, schema: dict[str, Any]) -> str:
        """The Rust type of a schema. An unnamed object or choice becomes an item `name`."""
        if schema.get("type") == "null":
            return "()"
        if "$ref" in schema:
            referred = str(schema["$ref"]).rpartition("/")[2]
            self.add(referred)
            return referred
        if "enum" in schema:
            return self._words(name, schema["enum"])
        if "const" in schema:
            return "bool" if isinstance(schema["const"], bool) else self._words(name, [schema["const"]])
        if "properties" in schema:
            if name not in self.items:
                self._struct(name, schema)
            return name
        for word in ("allOf", "anyOf", "oneOf"):
            if word in schema:
                return self._choice(name, schema[word])
        words = schema.get("type", [])
        choices = [{**schema, "type": word} for word in words] if isinstance(words, list) else []
        return self._choice(name, choices) if choices else self._plain(name, schema)

    def _plain(self, name: str, schema: dict[str, Any]) -> str:
        match schema.get("type"):
            case "integer":
                return "u64" if schema.get("minimum", -1) >= 0 else "i64"
            case "array" if isinstance(schema.get("items"), dict):
                return f"Vec<{self._type(f'{name}Item', schema['items'])}>"
            case "object" if isinstance(schema.get("additionalProperties"), dict):
                value = self._type(f"{name}Value", schema["additionalProperties"])
                return f"std::collections::BTreeMap<String, {value}>"
            case "object":
                return f"serde_json::Map<String, {JSON}>"
            case str(word) if word in PLAIN:
                return PLAIN[word]
        return JSON

    def _choice(self, name: str, choices: list[dict[str, Any]]) -> str:
        some = [choice for choice in choices if choice.get("type") != "null"]
        if not some:
            return JSON
        if len(some) == 1:
            kind = self._type(name, some[0])
        elif tag := self._tag(some):
            kind = self._tagged_enum(name, tag, some)
        else:
            kind = self._untagged(name, some)
        nullable = len(some) < len(choices) and kind != JSON
        return f"Option<{kind}>" if nullable and not kind.startswith("Option<") else kind

    def _marks_in(self, schema: object) -> Iterator[tuple[str, str]]:
        """Every mark of a choice in a part of the schema."""
        if isinstance(schema, dict):
            choices = schema.get("oneOf")
            if isinstance(choices, list) and (tag := self._tag(choices)):
                yield from ((choice["$ref"].rpartition("/")[2], tag) for choice in choices)
        for inner in (
            schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
        ):
            yield from self._marks_in(inner)

    def _tag(self, choices: list[dict[str, Any]]) -> str | None:
        """The member whose constant value says which of the choices it is."""
        marks = []
        for choice in choices:
            if "$ref" not in choice:
                return None
            named = self._contract.types[choice["$ref"].rpartition("/")[2]]
            marks.append({key for key, value in named.get("properties", {}).items() if "const" in value})
        return next(iter(set.intersection(*marks)), None)

    def _tagged_enum(self, name: str, tag: str, choices: list[dict[str, Any]]) -> str:
        rows = []
        for choice in choices:
            kind = self._type(name, choice)
            value = self._contract.types[kind]["properties"][tag]["const"]
            rows.append(f'    #[serde(rename = "{value}")]\n    {_pascal(value)}({kind}),\n')
        derived = "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]\n"
        self._without_default.add(name)
        self._put(name, f'{derived}#[serde(tag = "{tag}")]\npub enum {name} {{\n{"".join(rows)}}}\n')
        return name

    def _untagged(self, name: str, choices: list[dict[str, Any]]) -> str:
        variants: dict[str, str] = {}
        for number, choice in enumerate(choices):
            plain = {"type": "string"} if isinstance(choice.get("const"), str) else choice
            kind = self._type(f"{name}{number + 1}", plain)
            variants[self._variant(kind)] = kind
        if len(variants) < len(choices) and not all("enum" in c or "const" in c for c in choices):
            return JSON
        if len(variants) == 1:
            return next(iter(variants.values()))
        rows = "".join(f"    {variant}({kind}),\n" for variant, kind in variants.items())
        first, kind = next(iter(variants.items()))
        derived = "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]\n#[serde(untagged)]\n"
        text = f"{derived}pub enum {name} {{\n{rows}}}\n"
        if kind not in self._without_default:
            text += (
                f"\nimpl Default for {name} {{\n    fn default() -> Self {{\n"
                f"        Self::{first}(Default::default())\n    }}\n}}\n"
            )
        else:
            self._without_default.add(name)
        for variant, inner in variants.items():
            text += (
                f"\nimpl From<{inner}> for {name} {{\n    fn from(value: {inner}) -> Self {{\n"
                f"        Self::{variant}(value)\n    }}\n}}\n"
            )
        self._put(name, text)
        return name

    @staticmethod
    def _variant(kind: str) -> str:
        if kind.startswith("Vec<"):
            return "List"
        if "<" in kind or ":" in kind:
            return "Members"
        return VARIANTS.get(kind, kind)

    def _words(self, name: str, words: list[Any]) -> str:
        if not all(isinstance(word, str) for word in words):
            return JSON
        rows = [f'    #[serde(rename = "{word}")]\n    {_pascal(word)},\n' for word in words]
        derived = "#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]\n"
        self._put(name, f"{derived}pub enum {name} {{\n    #[default]\n{''.join(rows)}}}\n")
        return name


def _snake(name: str) -> str:
    """`imageUrl` → image_url; `rpc_discover` stays."""
    return (
        re.sub(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])", r"_\1\2", name).replace("$/", "").lower()
    )


def _camel(name: str) -> str:
    """What serde's camelCase makes of a Rust name."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _pascal(word: str) -> str:
    """`length` → Length; `q8_0` → Q8_0; `x-y` → XY."""
    parts = re.split(r"[^A-Za-z0-9]+", word)
    joined = "".join(part[:1].upper() + part[1:] for part in parts)
    return f"V{joined}" if joined[:1].isdigit() else joined


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > 100:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
