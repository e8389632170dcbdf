"""Finds what a `$ref` of a schema leads to, within that schema. Nothing is fetched."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sidecar.core.schema_check.node import Json
from sidecar.core.schema_check.value_keywords import Malformed

_INDEX: Final = re.compile("[0-9]{1,8}")


class Place(NamedTuple):
    """A schema within another, and where it is."""

    schema: Json
    pointer: str
    base: Place | None = None
    """The schema around it that has an `$id`; None: the whole one. JSON pointers in references start there."""


class References:
    """The references of one schema."""

    def __init__(self, root: Json, pointer: str) -> None:
        self._root = Place(root, pointer)
        self._names: dict[str, Place] | None = None

    def target(self, reference: Json, base: Place | None) -> Place:
        """Where a reference leads. `base`: that of the schema in which it stands. Raises Malformed."""
        if not isinstance(reference, str):
            raise Malformed("it must be a string")
        address, _, fragment = reference.partition("#")
        fragment = _decoded(fragment)
        start = self._named(address) if address else base or self._root
        if start is None:
            raise Malformed("it leads out of the schema, and nothing is fetched")
        if fragment and not fragment.startswith("/"):
            start, fragment = self._named(f"#{fragment}"), ""
        found = None if start is None else _follow(start, fragment)
        if found is None or not isinstance(found.schema, (dict, bool)):
            raise Malformed("it leads nowhere")
        return found

    def _named(self, name: str) -> Place | None:
        """The schema with an `$id`, or with an anchor, which begins with `#`."""
        if self._names is None:
            self._names = {}
            waiting = [self._root]
            while waiting:
                place = waiting.pop()
                if isinstance(place.schema, dict):
                    place = self._add_names(place, self._names)
                    inner = [(escaped(key), each) for key, each in place.schema.items()]
                elif isinstance(place.schema, list):
                    inner = [(str(index), each) for index, each in enumerate(place.schema)]
                else:
                    continue
                waiting += [
                    Place(each, f"{place.pointer}/{step}", place.base)
                    for step, each in inner
                    if isinstance(each, (dict, list))
                ]
        return self._names.get(name)

    def _add_names(self, place: Place, names: dict[str, Place]) -> Place:
        """Add the names of a schema. Returns its place with the base of what is in it."""
        own, anchor = place.schema.get("$id", place.schema.get("id")), place.schema.get("$anchor")
        if isinstance(own, str) and own.startswith("#"):  # until draft 7
            names.setdefault(own, place)
        elif isinstance(own, str) and own:
            place = place._replace(base=place)
            names.setdefault(own.rstrip("#"), place)
        if isinstance(anchor, str):
            names.setdefault(f"#{anchor}", place)
        return place


def _follow(start: Place, fragment: str) -> Place | None:
    """Where a JSON pointer leads from a place."""
    schema, pointer, base = start
    for step in fragment.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, dict) and name in schema:
            schema = schema[name]
        elif isinstance(schema, list) and _INDEX.fullmatch(name) and int(name) < len(schema):
            schema = schema[int(name)]
        else:
            return None
        pointer += f"/{step}"
    return Place(schema, pointer, base)


def escaped(name: str) -> str:
    """A name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _decoded(fragment: str) -> str:
    """A fragment without percent escapes."""
    if "%" not in fragment:
        return fragment
    from urllib.parse import unquote

    return unquote(fragment)
