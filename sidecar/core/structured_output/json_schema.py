"""From a JSON Schema to a GBNF grammar of values that satisfy it.

The grammar may allow less than the schema, never more: properties come in the schema's order, and an object has
only named properties unless `additionalProperties` allows others. A schema that cannot be enforced is refused.
"""

from __future__ import annotations

from typing import Final, Literal

from sidecar.core.structured_output import json_numbers
from sidecar.core.structured_output.json_objects import Member, object_rules
from sidecar.core.structured_output.json_strings import CHARACTER, CHARACTER_CODE, free_string, repeated
from sidecar.core.structured_output.json_values import literals, number, string
from sidecar.core.structured_output.schema_keywords import (
    Schema,
    Unsatisfiable,
    Unsupported,
    read_if_object,
    read_schema,
    types_of,
    without,
)
from sidecar.core.structured_output.schema_merge import disjoint, merged

MAX_SCHEMAS: Final = 5000
"""Maximum number of subschemas. One with several references may count several times."""

MAX_DEPTH: Final = 64
"""Largest nesting of schemas."""

COMMON: Final = {
    "ws": '"" | " " | "\\n" [ \\t]{0,20}',
    "char": CHARACTER,
    "char-code": CHARACTER_CODE,
    "plain-char": r'[^"\\\x00-\x1F\x7F-\x9F\uD800-\uDFFF]',
    "string": free_string(0, None),
    "number": str(json_numbers.numbers(None, None, False, False)),
    "integer": str(json_numbers.integers(None, None)),
    "boolean": '"true" | "false"',
    "null": '"null"',
    "array": '"[" ws (value ("," ws value)*)? "]" ws',
    "object": '"{" ws (member ("," ws member)*)? "}" ws',
    "member": 'string ws ":" ws value',
    "value": "object | array | (string | number | boolean | null) ws",
}
"""Rules of JSON itself. The rule of a value includes the white space after it."""


def json_grammar(schema: object, pointer: str) -> str:
    """The grammar of a schema. `pointer` is the schema's JSON pointer in the params.

    Raises Unsupported, Unsatisfiable.
    """
    converter = _Converter(schema, pointer)
    root = converter.rule(schema, pointer)
    rules = {**COMMON, **converter.rules}
    used, wanted = {"root": root}, [root]
    while wanted:
        name = wanted.pop()
        if name not in used:
            used[name] = rules[name]
            wanted += _references(rules[name], rules)
    return "".join(f"{name} ::= {body}\n" for name, body in used.items())


def _references(body: str, rules: dict[str, str]) -> list[str]:
    """The rules that a rule refers to. Also finds names in literals, which only keeps unneeded rules."""
    for sign in '()[]{}|*+?",':
        body = body.replace(sign, " ")
    return [word for word in set(body.split()) if word in rules]


class _Converter:
    """Makes rules. All references to one place share a rule, which makes recursive schemas possible."""

    def __init__(self, root: object, pointer: str) -> None:
        self.rules: dict[str, str] = {}
        self._root = root
        self._root_pointer = pointer
        self._by_reference: dict[str, str] = {}
        self._schemas = 0
        self._depth = 0

    # ---- rules -----------------------------------------------------------------------------------

    def rule(self, schema: object, pointer: str) -> str:
        """The name of the rule for a schema. Raises Unsupported, Unsatisfiable."""
        self._schemas += 1
        if self._schemas > MAX_SCHEMAS:
            raise Unsupported(pointer, "$ref", f"the schema has more than {MAX_SCHEMAS} subschemas")
        if self._depth == MAX_DEPTH:
            raise Unsupported(pointer, "$ref", f"more than {MAX_DEPTH} nested schemas")
        self._depth += 1
        try:
            return self._rule(schema, pointer)
        finally:
            self._depth -= 1

    def _rule(self, schema: object, pointer: str) -> str:
        if schema is True or schema == {}:
            return "value"
        if schema is False:
            raise Unsatisfiable(pointer)
        read = read_schema(schema, pointer)
        if set(read) == {"$ref"}:
            return self._reference(read["$ref"], pointer)
        if set(read) == {"allOf"} and len(read["allOf"]) == 1:
            return self.rule(read["allOf"][0], f"{pointer}/allOf/0")
        return self._add_rule(self._body(read, pointer))

    def _add_rule(self, body: str) -> str:
        name = f"r{len(self.rules)}"
        self.rules[name] = body
        return name

    def _reference(self, reference: str, pointer: str) -> str:
        known = self._by_reference.get(reference)
        if known is not None:
            return known
        target = self._resolve(reference, pointer)
        name = self._add_rule("")
        self._by_reference[reference] = name
        try:
            self.rules[name] = self.rule(target, self._root_pointer + reference[1:])
        except Unsatisfiable:
            del self._by_reference[reference]
            raise
        return name

    def _resolve(self, reference: str, pointer: str) -> object:
        if reference != "#" and not reference.startswith("#/"):
            raise Unsupported(pointer, "$ref", "only references within the same schema (#/…) are supported")
        node: object = self._root
        for part in reference.split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
                node = node[int(part)]
            elif isinstance(node, dict) and part in node:
                node = node[part]
            else:
                raise Unsupported(pointer, "$ref", f"it leads nowhere: {reference}")
        return node

    # ---- schemas ---------------------------------------------------------------------------------

    def _body(self, schema: Schema, pointer: str) -> str:
        if "$ref" in schema:
            target = self._resolve(schema["$ref"], pointer)
            return self.rule(self._flattened(schema, "$ref", [target], pointer), pointer)
        if "allOf" in schema:
            return self.rule(self._flattened(schema, "allOf", schema["allOf"], pointer), pointer)
        if "anyOf" in schema:
            return self._choice(schema, "anyOf", pointer)
        if "oneOf" in schema:
            return self._choice(schema, "oneOf", pointer)
        if "const" in schema or "enum" in schema:
            return literals(schema, pointer)
        bodies = []
        first_failure = None
        for name in types_of(schema):
            try:
                bodies.append(self._typed(name, schema, pointer))
            except Unsatisfiable as error:
                first_failure = first_failure or error  # another type may be possible
        if not bodies:
            raise first_failure or Unsatisfiable(pointer)
        return " | ".join(bodies)

    def _flattened(self, schema: Schema, keyword: str, parts: list[object], pointer: str) -> Schema | bool:
        """The schema without its `$ref` or `allOf`, merged with the schemas that the keyword refers to."""
        rest: Schema | bool = without(schema, keyword)
        self._schemas += len(parts)
        if self._schemas > MAX_SCHEMAS:
            raise Unsupported(pointer, keyword, "it contains itself")
        for index, part in enumerate(parts):
            rest = merged(rest, read_if_object(part, f"{pointer}/{keyword}/{index}"), pointer)
        return rest

    def _choice(self, schema: Schema, keyword: Literal["anyOf", "oneOf"], pointer: str) -> str:
        rest = without(schema, keyword)
        names, kept = [], []
        for index, part in enumerate(schema[keyword]):
            where = f"{pointer}/{keyword}/{index}"
            branch = read_if_object(part, where)
            try:
                whole = merged(rest, branch, where) if rest else branch
                names.append(self.rule(whole, where))
            except Unsatisfiable:
                continue
            kept.append(self._resolved(branch, where))
        if not names:
            raise Unsatisfiable(pointer)
        if keyword == "oneOf" and not all(
            disjoint(left, right) for i, left in enumerate(kept) for right in kept[:i]
        ):
            raise Unsupported(
                pointer, "oneOf", "it is not certain that its choices exclude each other; use anyOf"
            )
        return " | ".join(dict.fromkeys(names))

    def _resolved(self, schema: object, pointer: str) -> object:
        for _ in range(MAX_DEPTH):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            schema = self._resolve(schema["$ref"], pointer)
        return schema

    def _typed(self, name: str, schema: Schema, pointer: str) -> str:
        if name == "object":
            return self._object(schema, pointer)
        if name == "array":
            return self._array(schema, pointer)
        if name == "string":
            return f"{string(schema, pointer)} ws"
        if name in ("integer", "number"):
            return f"({number(name, schema, pointer)}) ws"
        return f"{name} ws"

    # ---- arrays and objects ----------------------------------------------------------------------

    def _array(self, schema: Schema, pointer: str) -> str:
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        tuple_like = "prefixItems" in schema
        if isinstance(rest, list):  # draft-07
            first, rest, tuple_like = rest, schema.get("additionalItems", True), True
        open_end = (
            not tuple_like
            or ("items" in schema and not isinstance(schema["items"], list))
            or ("additionalItems" in schema)
        )
        low, high = schema.get("minItems", 0), schema.get("maxItems")
        if high is not None and low > high:
            raise Unsatisfiable(pointer)
        first = first if high is None else first[:high]
        parts = [self.rule(item, f"{pointer}/prefixItems/{i}") for i, item in enumerate(first)]
        more_low = max(low - len(parts), 0)
        more_high = None if high is None else high - len(parts)
        if (not open_end and not more_low) or more_high == 0:
            return _array_of(parts)
        try:
            item = self.rule(rest, f"{pointer}/items")
        except Unsatisfiable:
            if more_low:
                raise
            return _array_of(parts)
        if not parts:
            more = self._add_rule(f'"," ws {item}')
            some = f"{item} {repeated(more, max(low - 1, 0), None if high is None else high - 1)}"
            return f'"[" ws {some} "]" ws' if low else f'"[" ws ({some})? "]" ws'
        more = self._add_rule(f'"," ws {item}')
        return _array_of([*parts[:-1], f"{parts[-1]} {repeated(more, more_low, more_high)}"])

    def _object(self, schema: Schema, pointer: str) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        additional = schema.get("additionalProperties", "properties" not in schema)
        named = {**properties, **{key: additional for key in required if key not in properties}}
        if "additionalProperties" not in schema:
            named |= {key: True for key in required if key not in properties}
        members = []
        for key, value in named.items():
            try:
                where = f"{pointer}/properties/{key.replace('~', '~0').replace('/', '~1')}"
                members.append(Member(key, self.rule(value, where), key in required))
            except Unsatisfiable:
                if key in required:
                    raise
        extra = None
        if additional is not False:
            try:
                extra = self.rule(additional, f"{pointer}/additionalProperties")
            except Unsatisfiable:
                extra = None
        return object_rules(members, list(named), extra, self._add_rule)


def _array_of(parts: list[str]) -> str:
    return '"[" ws ' + ' "," ws '.join(parts) + ' "]" ws'
