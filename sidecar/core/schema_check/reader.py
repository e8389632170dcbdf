"""Reads a schema of a stranger.

All drafts from 4 on are understood. A keyword that has a wrong value, leads nowhere or cannot be checked is left out
and noted in `unchecked`; what depends on it is in doubt, and taken to fit.
"""

from __future__ import annotations

from typing import Final

from sidecar.core.schema_check import nested_keywords as nested
from sidecar.core.schema_check import value_keywords as values
from sidecar.core.schema_check.node import Json, Node, Problem, first
from sidecar.core.schema_check.references import Place, References, escaped
from sidecar.core.schema_check.value_keywords import Malformed

MAX_SCHEMAS: Final = 5000
"""Maximum number of schemas within a schema."""

MAX_UNCHECKED: Final = 16
"""How many keywords that are not checked are noted."""

OLD_DRAFTS: Final = ("draft-03", "draft-04", "draft-06", "draft-07")
"""Drafts in which a `$ref` replaces the keywords next to it."""

COMBINED: Final = frozenset(
    ("allOf", "anyOf", "oneOf", "not", "$ref", "$dynamicRef", "if", "dependentSchemas", "dependencies")
)
"""Keywords that decide together with `unevaluatedProperties` and `unevaluatedItems`."""

OTHER_LIMIT: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


class Reader:
    """Makes the nodes of a schema."""

    def __init__(self, schema: Json, pointer: str) -> None:
        """`pointer`: where the schema stands, for messages."""
        self.unchecked: list[str] = []
        """Which keywords are not checked, and why."""
        self._references = References(schema, pointer)
        self._nodes: dict[int, Node] = {}
        self._waiting: list[tuple[Place, Node]] = []
        declared = schema.get("$schema") if isinstance(schema, dict) else None
        self._is_old = isinstance(declared, str) and any(draft in declared for draft in OLD_DRAFTS)
        self.root = self._node(Place(schema, pointer))
        while self._waiting:  # not recursion: a schema may be deep, and circular
            self._read(*self._waiting.pop())

    def _note(self, node: Node, pointer: str, problem: object) -> None:
        """Note that a keyword is not checked."""
        node.is_partial = True
        if len(self.unchecked) < MAX_UNCHECKED:
            self.unchecked.append(f"{pointer}: {problem}")

    def _node(self, place: Place) -> Node:
        """The node of a schema, which is read later."""
        schema = place.schema
        if isinstance(schema, dict) and id(schema) in self._nodes:
            return self._nodes[id(schema)]
        node = Node()
        if schema is False:
            node.checks.append(lambda value, _: Problem("is not allowed", value))
        elif not isinstance(schema, (dict, bool)):
            self._note(node, place.pointer, "a schema must be an object, true or false")
        elif len(self._nodes) >= MAX_SCHEMAS:
            self._note(node, place.pointer, f"there are more than {MAX_SCHEMAS} schemas")
        elif schema is not True:
            self._nodes[id(schema)] = node
            self._waiting.append((place, node))
        return node

    # ---- one schema ------------------------------------------------------------------------------

    def _read(self, place: Place, node: Node) -> None:
        own = place.schema.get("$id")
        if isinstance(own, str) and not own.startswith("#"):
            place = place._replace(base=place)
        for keyword in ["$ref"] if self._is_old and "$ref" in place.schema else place.schema:
            try:
                self._read_keyword(keyword, place, node)
            except Malformed as error:
                self._note(node, f"{place.pointer}/{escaped(keyword)}", error)
        self._read_members(place, node)
        self._read_items(place, node)
        if place.schema.get("nullable") is True:  # OpenAPI's word
            checks = node.checks
            node.checks = [
                lambda value, run: None if value is None else first(check(value, run) for check in checks)
            ]

    def _read_keyword(self, keyword: str, place: Place, node: Node) -> None:
        value = place.schema[keyword]
        other = place.schema.get(OTHER_LIMIT.get(keyword, ""))
        if isinstance(value, bool) and keyword in OTHER_LIMIT:  # as in draft 4
            if value and values.is_number(other):
                node.checks.append(values.READERS[keyword](other))
        elif keyword in values.READERS:
            node.checks.append(values.READERS[keyword](value))
        elif keyword in ("$ref", "allOf", "anyOf", "oneOf"):
            self._read_choices(keyword, place, node)
        elif keyword == "not":
            node.checks.append(nested.excluded(self._within(place, keyword)))
        elif keyword == "if":
            branches = [
                self._within(place, name) if name in place.schema else None for name in ("then", "else")
            ]
            node.checks.append(nested.condition(self._within(place, keyword), *branches))
        elif keyword == "propertyNames":
            node.checks.append(nested.names(self._within(place, keyword)))
        elif keyword == "dependentSchemas":
            node.checks.append(nested.dependent(self._named(place, keyword)))
        elif keyword == "dependencies":
            self._read_dependencies(place, node)
        elif keyword == "contains":
            low, high = place.schema.get("minContains", 1), place.schema.get("maxContains")
            node.checks.append(nested.contains(self._within(place, keyword), low, high))
        elif keyword in ("$dynamicRef", "$recursiveRef") or (
            keyword in ("unevaluatedProperties", "unevaluatedItems") and COMBINED & place.schema.keys()
        ):
            raise Malformed("it is not supported")

    def _read_choices(self, keyword: str, place: Place, node: Node) -> None:
        value = place.schema[keyword]
        if keyword == "$ref":
            nodes = [self._node(self._references.target(value, place.base))]
        elif isinstance(value, list) and value:
            nodes = [self._within(place, keyword, str(index)) for index in range(len(value))]
        else:
            raise Malformed("it must be a list of schemas")
        make = {"anyOf": nested.any_of, "oneOf": nested.one_of}.get(keyword, nested.all_of)
        node.checks.append(make(nodes))
        if keyword in ("anyOf", "oneOf"):
            node.choices.append(nodes)
        else:
            node.all_of += nodes

    def _read_dependencies(self, place: Place, node: Node) -> None:
        value = place.schema["dependencies"]
        if not isinstance(value, dict):
            raise Malformed("it must be an object")
        for name, needed in value.items():
            if isinstance(needed, list):
                node.checks.append(values.READERS["dependentRequired"]({name: needed}))
            else:
                node.checks.append(nested.dependent({name: self._within(place, "dependencies", name)}))

    def _read_members(self, place: Place, node: Node) -> None:
        schema = place.schema
        rest = "additionalProperties" if "additionalProperties" in schema else "unevaluatedProperties"
        if rest != "additionalProperties" and COMBINED & schema.keys():
            rest = ""
        if not schema.keys() & {"properties", "patternProperties", rest}:
            return
        doubts = len(self.unchecked), node.is_partial
        patterns = []
        node.is_partial = False
        properties = self._noted_named(place, "properties", node)
        for expression, each in self._noted_named(place, "patternProperties", node).items():
            try:
                patterns.append((values.matcher(expression), each))
            except Malformed as error:
                self._note(node, f"{place.pointer}/patternProperties/{escaped(expression)}", error)
        others = self._within(place, rest) if rest in schema and not node.is_partial else None
        node.is_partial = node.is_partial or doubts[1]
        node.members = nested.members(properties, patterns, others)
        node.checks.append(nested.each_member(node.members))

    def _read_items(self, place: Place, node: Node) -> None:
        schema = place.schema
        listed = "items" if isinstance(schema.get("items"), list) else "prefixItems"  # a list until 2019-09
        rest = "additionalItems" if listed == "items" else "items"
        if rest not in schema and "unevaluatedItems" in schema and not COMBINED & schema.keys():
            rest = "unevaluatedItems"
        places = schema.get(listed, [])
        if not isinstance(places, list):
            self._note(node, f"{place.pointer}/{listed}", "it must be a list of schemas")
            return
        first_items = [self._within(place, listed, str(index)) for index in range(len(places))]
        others = self._within(place, rest) if rest in schema else None
        if first_items or others is not None:
            node.checks.append(nested.each_item(first_items, others))

    # ---- schemas within --------------------------------------------------------------------------

    def _within(self, place: Place, *path: str) -> Node:
        schema, pointer = place.schema, place.pointer
        for name in path:
            schema = schema[int(name)] if isinstance(schema, list) else schema[name]
            pointer += f"/{escaped(name)}"
        return self._node(Place(schema, pointer, place.base))

    def _named(self, place: Place, keyword: str) -> dict[str, Node]:
        value = place.schema[keyword]
        if not isinstance(value, dict):
            raise Malformed("it must be an object of schemas")
        return {name: self._within(place, keyword, name) for name in value}

    def _noted_named(self, place: Place, keyword: str, node: Node) -> dict[str, Node]:
        try:
            return self._named(place, keyword) if keyword in place.schema else {}
        except Malformed as error:
            self._note(node, f"{place.pointer}/{keyword}", error)
            return {}
