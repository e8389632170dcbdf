"""Finds schemas that no finite value satisfies, because their references form a circle without a way out.

llguidance would follow the circle for ever, or allow nothing at all.
"""

from __future__ import annotations

from sidecar.core.structured_output.keywords import Json

PREFIX = "#/$defs/"
ENDLESS = ("object", "array")
"""Types whose values contain values."""


def without_endless(definitions: dict[str, Json]) -> dict[str, Json]:
    """The same definitions; those that no finite value satisfies are `false`."""
    finite: set[str] = set()
    while True:
        found = {name for name in definitions.keys() - finite if is_finite(definitions[name], finite)}
        if not found:
            return {name: schema if name in finite else False for name, schema in definitions.items()}
        finite |= found


def is_finite(schema: Json, finite: set[str]) -> bool:
    """Whether a finite value may satisfy a schema, if it may satisfy these definitions and no others."""
    if not isinstance(schema, dict):
        return schema is not False
    if "$ref" in schema and schema["$ref"].removeprefix(PREFIX) not in finite:
        return False
    if not all(is_finite(part, finite) for part in schema.get("allOf", ())):
        return False
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema and not any(is_finite(part, finite) for part in schema[keyword]):
            return False
    if "enum" in schema or "const" in schema:
        return True
    types = schema.get("type", "null")
    if any(name not in ENDLESS for name in ([types] if isinstance(types, str) else types)):
        return True
    return ("object" in types and _object(schema, finite)) or ("array" in types and _array(schema, finite))


def _object(schema: dict[str, Json], finite: set[str]) -> bool:
    properties = schema.get("properties", {})
    # A name may match a pattern: llguidance judges that.
    others = "patternProperties" in schema or schema.get("additionalProperties", True)
    return all(is_finite(properties.get(name, others), finite) for name in schema.get("required", ()))


def _array(schema: dict[str, Json], finite: set[str]) -> bool:
    first, low = schema.get("prefixItems", []), schema.get("minItems", 0)
    needed = [*first[:low], *([schema.get("items", True)] if low > len(first) else [])]
    return all(is_finite(part, finite) for part in needed)
