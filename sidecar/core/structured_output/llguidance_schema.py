"""From an app's JSON Schema to one that llguidance takes.

References are resolved, words that no draft knows are left out, keywords of older drafts are written in the newest
one's. A keyword that cannot be enforced is refused by name, or left to the check of the finished text.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sidecar.core.schema_check.reader import COMBINED, OLD_DRAFTS
from sidecar.core.schema_check.references import Place, References, escaped
from sidecar.core.schema_check.value_keywords import Malformed
from sidecar.core.structured_output import keywords as words
from sidecar.core.structured_output.ecma_pattern import NotRegular, checked_and_translated
from sidecar.core.structured_output.endless_schemas import is_finite, without_endless
from sidecar.core.structured_output.keyword_rewrites import equivalent
from sidecar.core.structured_output.keywords import Json, TooComplex, Unsatisfiable, Unsupported

MAX_SCHEMAS: Final = 50_000
"""Maximum number of schemas within a schema."""

MAX_DEPTH: Final = 64
"""Largest nesting of schemas."""

MAX_VALUES: Final = 100_000
"""Maximum number of values that all `enum` list."""

MAX_OPTIONAL: Final = 1_900
"""Maximum number of properties of an object that are not required: llguidance follows all of them at once."""

MAX_IGNORED: Final = 64
"""How many words that are left out are reported."""


class Options(NamedTuple):
    """How a request wants its schema to be taken."""

    checked: bool = False
    """Leave to a check of the finished text what a mask cannot enforce."""
    others: bool = False
    """Allow properties that an object does not name, where `additionalProperties` says nothing."""
    on_one_line: bool = False
    """Leave no choice of white space."""


class Prepared(NamedTuple):
    """A schema for llguidance."""

    root: Json
    definitions: dict[str, Json]
    """What its references lead to."""
    ignored: list[str]
    """Words that were left out because no draft knows them."""
    places: dict[str, str]
    """Keyword → where it stands first. llguidance does not say which one it refuses."""


def prepared(schema: Json, pointer: str, options: Options, prefix: str) -> Prepared:
    """A schema for llguidance. `pointer`: where it stands; `prefix`: of the names of its definitions.

    Raises Unsupported, Unsatisfiable, TooComplex.
    """
    reader = _Reader(schema, pointer, options, prefix)
    root = reader.read(_Spot(Place(schema, pointer)))
    definitions: dict[str, Json] = {}
    while reader.waiting:  # not recursion: references may form long chains, and circles
        name, spot = reader.waiting.pop()
        definitions[name] = reader.read(spot)
    definitions = without_endless(definitions)
    if not is_finite(root, {name for name, each in definitions.items() if each is not False}):
        raise Unsatisfiable("no value satisfies it, or its references form a circle")
    return Prepared(root, definitions, list(reader.ignored)[:MAX_IGNORED], reader.places)


class _Spot(NamedTuple):
    """A schema that is being read."""

    place: Place
    depth: int = 0
    alone: bool = True
    """Whether no other schema decides about the same value."""

    @property
    def schema(self) -> Json:
        return self.place.schema

    def decides_only_by(self, keyword: str) -> bool:
        """Whether nothing but this keyword and those around the schema decide about its value."""
        return self.alone and self.schema.keys() <= {keyword, *words.SILENT}


class _Reader:
    def __init__(self, schema: Json, pointer: str, options: Options, prefix: str) -> None:
        self.waiting: list[tuple[str, _Spot]] = []
        self.ignored: dict[str, None] = {}
        self.places: dict[str, str] = {}
        self._options = options
        self._prefix = prefix
        self._references = References(schema, pointer)
        self._names: dict[tuple[int, bool], str] = {}
        declared = schema.get("$schema") if isinstance(schema, dict) else None
        self._is_old = isinstance(declared, str) and any(draft in declared for draft in OLD_DRAFTS)
        self._schemas = self._values = 0

    def read(self, spot: _Spot) -> Json:
        """A schema for llguidance."""
        schema, pointer = spot.schema, spot.place.pointer
        self._schemas += 1
        if self._schemas > MAX_SCHEMAS:
            raise TooComplex(f"{pointer}: more than {MAX_SCHEMAS} schemas")
        if spot.depth > MAX_DEPTH:
            raise TooComplex(f"{pointer}: more than {MAX_DEPTH} nested schemas")
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise Unsupported(
                pointer, pointer.rpartition("/")[2], "a schema must be an object, true or false"
            )
        own = schema.get("$id")
        if isinstance(own, str) and not own.startswith("#"):
            spot = spot._replace(place=spot.place._replace(base=spot.place))
        out: dict[str, Json] = {}
        more: list[Json] = []
        for keyword in ["$ref"] if self._is_old and "$ref" in schema else schema:
            where = f"{pointer}/{escaped(keyword)}"
            try:
                self._keyword(keyword, where, spot, out, more)
            except Malformed as error:
                raise Unsupported(where, keyword, error) from None
        if len(out.get("properties", {}).keys() - out.get("required", ())) > MAX_OPTIONAL:
            raise TooComplex(f"{pointer}/properties: more than {MAX_OPTIONAL} optional ones")
        if spot.alone and not self._options.others and "oneOf" not in schema:
            words.close(schema, out)
        if more:
            out.setdefault("allOf", []).extend(more)
        return {"anyOf": [out, {"type": "null"}]} if schema.get("nullable") is True else out

    def _keyword(self, keyword: str, where: str, spot: _Spot, out: dict[str, Json], more: list[Json]) -> None:
        """Read a keyword into `out`; what its schema must satisfy besides, into `more`."""
        value = spot.schema[keyword]
        if keyword in words.MASKED:
            self.places.setdefault(keyword, where)
        if keyword in words.SILENT:
            return
        if keyword in words.NUMBERS:
            words.limit(keyword, spot.schema, out)
        elif keyword in words.SIZES:
            out[keyword] = words.size(value)
        elif keyword in words.VALUES:
            self._value(keyword, value, where, out, more)
        elif keyword == "oneOf" and self._otherwise(keyword, where, spot, more):
            return
        elif keyword in words.LISTS:
            if not isinstance(value, list) or not value:
                raise Malformed("it must be a list of schemas")
            alone = spot.decides_only_by(keyword) and (keyword != "allOf" or len(value) == 1)
            out[keyword] = [self._within(spot, keyword, str(i), alone=alone) for i in range(len(value))]
        elif keyword in words.OBJECTS:
            self._members(keyword, spot, out)
        elif keyword == "additionalProperties":
            out[keyword] = self._within(spot, keyword)
        elif keyword in words.ITEMS:
            self._items(keyword, spot, out)
        elif keyword == "$ref":
            out[keyword] = self._reference(value, spot)
        elif keyword in words.CHECKED:
            self._weak(keyword, where, spot, out, more)
        else:
            self.ignored.setdefault(keyword)

    # ---- keywords of a value ---------------------------------------------------------------------

    def _value(self, keyword: str, value: Json, where: str, out: dict[str, Json], more: list[Json]) -> None:
        if keyword == "type":
            out[keyword] = words.types(value)
        elif keyword == "required":
            out[keyword] = words.names(value)
        elif keyword == "pattern":
            self._pattern(value, where, out, more)
        elif keyword == "format":
            self._format(value, where, out, more)
        elif keyword == "const":
            out[keyword] = value
        else:
            if not isinstance(value, list):
                raise Malformed("it must be a list")
            self._values += len(value)
            if self._values > MAX_VALUES:
                raise TooComplex(f"{where}: more than {MAX_VALUES} values in enums")
            out[keyword] = value

    def _pattern(self, value: Json, where: str, out: dict[str, Json], more: list[Json]) -> None:
        try:
            words.add_pattern(checked_and_translated(value), out, more)
        except NotRegular as error:
            if not self._options.checked:
                raise Unsupported(where, "pattern", error) from None

    def _format(self, value: Json, where: str, out: dict[str, Json], more: list[Json]) -> None:
        if not isinstance(value, str):
            raise Malformed("it must be a string")
        if value in words.FORMATS:
            out["format"] = words.FORMATS[value]
        elif value in words.FORMAT_PATTERNS:
            words.add_pattern(checked_and_translated(words.FORMAT_PATTERNS[value]), out, more)
        elif value in words.STANDARD_FORMATS and not self._options.checked:
            raise Unsupported(where, "format", f"the format {value!r} cannot be enforced")
        else:
            self.ignored.setdefault(f"format: {value:.64}")

    # ---- keywords with schemas -------------------------------------------------------------------

    def _within(self, spot: _Spot, *path: str, alone: bool = True) -> Json:
        schema, pointer, base = spot.place
        for name in path:
            schema = schema[int(name)] if isinstance(schema, list) else schema[name]
            pointer += f"/{escaped(name)}"
        return self.read(_Spot(Place(schema, pointer, base), spot.depth + 1, alone))

    def _members(self, keyword: str, spot: _Spot, out: dict[str, Json]) -> None:
        value = spot.schema[keyword]
        if not isinstance(value, dict):
            raise Malformed("it must be an object of schemas")
        read: dict[str, Json] = {}
        for name in value:
            try:
                key = checked_and_translated(name) if keyword == "patternProperties" else name
            except NotRegular as error:
                where = f"{spot.place.pointer}/{keyword}/{escaped(name)}"
                raise Unsupported(where, keyword, error) from None
            part = self._within(spot, keyword, name)
            read[key] = {"allOf": [read[key], part]} if key in read else part  # patterns may mean the same
        out[keyword] = read

    def _items(self, keyword: str, spot: _Spot, out: dict[str, Json]) -> None:
        value, listed = spot.schema[keyword], isinstance(spot.schema.get("items"), list)
        if isinstance(value, list) and keyword != "additionalItems":
            out["prefixItems"] = [self._within(spot, keyword, str(index)) for index in range(len(value))]
        elif keyword == "items" or (keyword == "additionalItems" and listed):
            out["items"] = self._within(spot, keyword)
        elif keyword == "prefixItems":
            raise Malformed("it must be a list of schemas")

    def _reference(self, value: Json, spot: _Spot) -> str:
        target = self._references.target(value, spot.place.base)
        alone = spot.alone and (self._is_old or spot.decides_only_by("$ref"))
        key = id(target.schema), alone
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"{self._prefix}d{len(self._names)}"
            self.waiting.append((name, _Spot(target, alone=alone)))
        return f"#/$defs/{name}"

    # ---- keywords that a mask cannot enforce -----------------------------------------------------

    def _weak(self, keyword: str, where: str, spot: _Spot, out: dict[str, Json], more: list[Json]) -> None:
        schema, value = spot.schema, spot.schema[keyword]
        if any(value == each and isinstance(value, type(each)) for each in words.TRIVIAL.get(keyword, ())):
            return
        if not schema.keys() & words.NEEDS.get(keyword, {keyword}):
            return
        if keyword in words.SAME_AS and not COMBINED & schema.keys():
            out.setdefault(words.SAME_AS[keyword], self._within(spot, keyword))
        elif not (self._options.checked or self._otherwise(keyword, where, spot, more)):
            raise Unsupported(where, keyword, f"{keyword!r} cannot be enforced while the text is written")

    def _otherwise(self, keyword: str, where: str, spot: _Spot, more: list[Json]) -> bool:
        """Whether other keywords say the same. With `checked` it is not tried: llguidance may refuse them."""
        same = None if self._options.checked else equivalent(keyword, spot.schema[keyword])
        if same is None:
            return False
        known = dict(self.places)
        try:
            more.append(self.read(_Spot(Place(same, where, spot.place.base), spot.depth + 1, alone=False)))
        except Unsupported:  # its pointer is none of the app's schema
            return False
        self.places = {**dict.fromkeys(self.places, where), **known}
        return True
