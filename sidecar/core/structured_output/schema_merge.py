"""Merges schemas that a value must satisfy together, and finds schemas that exclude each other."""

from __future__ import annotations

from typing import Final, cast

from sidecar.core.structured_output.schema_keywords import (
    Schema,
    Unsatisfiable,
    Unsupported,
    type_of,
    types_of,
)

LOWER_LIMITS: Final = frozenset(("minItems", "minLength", "minimum", "exclusiveMinimum"))
UPPER_LIMITS: Final = frozenset(("maxItems", "maxLength", "maximum", "exclusiveMaximum"))


# ---- merging -------------------------------------------------------------------------------------------


def merged(left: Schema | bool, right: Schema | bool, pointer: str) -> Schema | bool:
    """A schema of the values that satisfy both schemas. Raises Unsupported, Unsatisfiable."""
    if left is True or left == {}:
        return right
    if right is True or right == {}:
        return left
    if left is False or right is False:
        raise Unsatisfiable(pointer)
    both: dict[str, object] = {**left, **right}
    for keyword in left.keys() & right.keys():
        both[keyword] = _merged_keyword(keyword, left, right, pointer)
    if "properties" in both or "additionalProperties" in both:
        both["properties"] = _merged_properties(left, right)
    return cast("Schema", both)


def _merged_keyword(keyword: str, left: Schema, right: Schema, pointer: str) -> object:
    ours, theirs = left.get(keyword), right.get(keyword)
    if ours == theirs or keyword == "properties":
        return ours
    if keyword == "type":
        return _common_types(types_of(left), types_of(right)) or _impossible(pointer)
    if keyword == "enum":
        common = [value for value in left["enum"] if any(equal(value, other) for other in right["enum"])]
        return common or _impossible(pointer)
    if keyword == "required":
        return list(dict.fromkeys([*left["required"], *right["required"]]))
    if keyword == "allOf":
        return [*left["allOf"], *right["allOf"]]
    if keyword in ("additionalProperties", "items"):
        return {"allOf": [ours, theirs]}
    if keyword == "const":
        raise Unsatisfiable(pointer)
    tighter = max if keyword in LOWER_LIMITS else min if keyword in UPPER_LIMITS else None
    if tighter is not None and isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return tighter(ours, theirs)
    raise Unsupported(
        pointer, keyword, "it cannot be merged with that of another allOf, anyOf, oneOf or $ref"
    )


def _impossible(pointer: str) -> list[object]:
    raise Unsatisfiable(pointer)


def _common_types(left: list[str], right: list[str]) -> list[str]:
    common = [name for name in left if name in right]
    crossed = ("integer" in left and "number" in right) or ("number" in left and "integer" in right)
    return [*common, "integer"] if crossed and not {"integer", "number"} & set(common) else common


def _merged_properties(left: Schema, right: Schema) -> dict[str, object]:
    """A property that only one schema names must satisfy additionalProperties of the other."""
    ours, theirs = left.get("properties", {}), right.get("properties", {})
    merged_properties: dict[str, object] = {}
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        parts = [
            side[key] if key in side else schema.get("additionalProperties", True)
            for side, schema in ((ours, left), (theirs, right))
        ]
        merged_properties[key] = _all_of([part for part in parts if part is not True and part != {}])
    return merged_properties


def _all_of(schemas: list[object]) -> object:
    if not schemas:
        return True
    if False in schemas:
        return False
    return schemas[0] if len(schemas) == 1 else {"allOf": schemas}


# ---- comparison ----------------------------------------------------------------------------------------


def equal(left: object, right: object) -> bool:
    """Whether two JSON values are equal. Unlike in Python, `true` is not 1."""
    return type_of(left) == type_of(right) and left == right


def disjoint(left: object, right: object) -> bool:
    """Whether it is certain that no value satisfies both schemas. Both must be checked, with all subschemas."""
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return False in (left, right)
    return _disjoint(cast("Schema", left), cast("Schema", right))


def _disjoint(left: Schema, right: Schema) -> bool:
    ours, theirs = _values(left), _values(right)
    if ours is not None and theirs is not None:
        return not any(equal(a, b) for a in ours for b in theirs)
    types = [
        _all_types_of(schema) if values is None else {type_of(value) for value in values}
        for schema, values in ((left, ours), (right, theirs))
    ]
    if not _common_types(sorted(types[0]), sorted(types[1])):
        return True
    if types[0] & types[1] != {"object"}:
        return False
    shared = set(left.get("required", [])) & set(right.get("required", []))
    properties = left.get("properties", {}), right.get("properties", {})
    if any(disjoint(properties[0].get(key, True), properties[1].get(key, True)) for key in shared):
        return True
    return _requires_forbidden(left, right) or _requires_forbidden(right, left)


def _all_types_of(schema: Schema) -> set[str]:
    types = set(types_of(schema))
    return types | {"integer"} if "number" in types else types


def _values(schema: Schema) -> list[object] | None:
    """The values that a schema lists; None if it lists none."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _requires_forbidden(left: Schema, right: Schema) -> bool:
    """Whether `left` requires a property that `right` forbids."""
    forbids = right.get("additionalProperties") is False
    return forbids and any(key not in right.get("properties", {}) for key in left.get("required", []))
