"""Validates params against schema/ and reports the first mistake as an `invalidParams` error.

fast_check.py accepts valid params quickly. jsonschema finds what is wrong and where; it is imported only for the first
invalid params.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sidecar.message_handler._wire import PARAMS, REQUIRED
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

    from sidecar.message_handler.fast_check import FastCheck, Schema

SCHEMAS_FILE: Final = os.path.join(os.path.dirname(__file__), "schemas.json")
MAX_SHOWN_CHARS: Final = 200
"""Longest part of a wrong value that an error repeats."""


@lru_cache(maxsize=1)
def _schemas() -> dict[str, Schema]:
    """The schemas of params by name, generated from schema/ without descriptions."""
    with open(SCHEMAS_FILE, encoding="utf-8") as file:
        found: dict[str, Schema] = json.load(file)
    return found


@lru_cache(maxsize=1)
def _fast_check() -> FastCheck:
    from sidecar.message_handler.fast_check import FastCheck  # not at start

    return FastCheck(_schemas())


def validate_params(method: str, params: object) -> None:
    """Raise SidecarError `invalidParams` if `params` do not match the schema of `method`."""
    if (params == {} and method not in REQUIRED) or _fast_check().named(PARAMS[method])(params):
        return
    error = _first_error(_validator(PARAMS[method]), params)
    if error is not None:
        raise _invalid(error)


@lru_cache(maxsize=128)
def _validator(type_name: str) -> Validator:
    from jsonschema import Draft7Validator
    from jsonschema.validators import extend

    # JSON Schema also accepts 1.0 as an integer; C functions that take an int do not.
    checker = Draft7Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    keywords = {
        "items": _items,
        "additionalProperties": _additional_properties,
        "propertyNames": _property_names,
        "pattern": _pattern,
    }
    strict = extend(Draft7Validator, keywords, type_checker=checker)  # type: ignore[no-untyped-call]
    root = {"$ref": f"#/components/schemas/{type_name}", "components": {"schemas": _schemas()}}
    validator: Validator = strict(root)
    return validator


def _items(
    validator: Any,  # the class that `extend` makes; Validator lacks `descend`
    items: Schema | list[Schema],
    instance: object,
    schema: Schema,
) -> Iterator[ValidationError]:
    """The keyword `items`, only for the first invalid item: a list of a million must not block the router."""
    from jsonschema import Draft7Validator

    if not isinstance(instance, list) or isinstance(items, list):
        yield from Draft7Validator.VALIDATORS["items"](validator, items, instance, schema)
        return
    fits = _fast_check().make(items)
    for index, item in enumerate(instance):
        if not fits(item) and (errors := list(validator.descend(item, items, path=index))):
            yield from errors
            return


def _additional_properties(
    validator: Any,  # as in _items
    others: Schema | bool,
    instance: object,
    schema: Schema,
) -> Iterator[ValidationError]:
    """The keyword `additionalProperties`, only for the first invalid member, as `_items`."""
    from jsonschema.exceptions import ValidationError

    if not isinstance(instance, dict) or others is True or _has_too_many(instance, schema):
        return
    known = schema.get("properties", {})
    fits = _fast_check().make(others) if isinstance(others, dict) else None
    for name, value in instance.items():
        if name in known or (fits is not None and fits(value)):
            continue
        errors = [ValidationError("is not known")] if fits is None else validator.descend(value, others, name)
        if errors := list(errors):
            yield from errors
            return


def _property_names(
    validator: Any,  # as in _items
    names: Schema,
    instance: object,
    schema: Schema,
) -> Iterator[ValidationError]:
    """The keyword `propertyNames`, only for the first invalid name, as `_items`."""
    if isinstance(instance, dict) and not _has_too_many(instance, schema):
        fits = _fast_check().make(names)
        wrong = next((name for name in instance if not fits(name)), None)
        if wrong is not None:
            yield from validator.descend(wrong, names)


def _has_too_many(members: dict[str, object], schema: Schema) -> bool:
    """Whether there are more than `maxProperties`, which is error enough."""
    most: int = schema.get("maxProperties", len(members))
    return len(members) > most


def _pattern(_: object, pattern: str, instance: object, __: Schema) -> Iterator[ValidationError]:
    """The keyword `pattern`, as fast_check.py understands it."""
    from jsonschema.exceptions import ValidationError

    from sidecar.message_handler.fast_check import compiled

    if isinstance(instance, str) and not compiled(pattern).search(instance):
        yield ValidationError("does not match")


def _first_error(validator: Validator, params: Any) -> ValidationError | None:  # any JSON value
    """The error nearest to the top of the params, which a person would correct first; in a list, the first one."""
    first = min(validator.iter_errors(params), key=lambda error: len(error.absolute_path), default=None)
    while first is not None and first.validator == "anyOf" and first.context:
        branches: dict[str | int, list[ValidationError]] = {}
        for error in first.context:
            branches.setdefault(error.schema_path[0], []).append(error)
        # The choices whose type matches: if there is only one, its own error says more.
        meant = [errors for errors in branches.values() if all(len(error.path) for error in errors)]
        if len(meant) != 1:
            break
        first = meant[0][0]
    return first


def _invalid(error: ValidationError) -> SidecarError:
    path = [str(part) for part in error.absolute_path]
    schema: Any = error.schema  # a Schema, typed more widely by jsonschema
    value: Any = error.instance  # any JSON value
    required: Any = error.validator_value  # depends on the keyword
    allowed = _allowed(schema)
    problem = "does not fit"
    if error.validator == "required":
        missing = next(name for name in required if name not in value)
        path, value, problem = [*path, missing], None, "is missing"
        allowed = _allowed(schema.get("properties", {}).get(missing, {}))
    elif error.validator == "additionalProperties":
        known = sorted(schema.get("properties", {}))
        unknown = next(name for name in value if name not in known)
        path, value, problem = [*path, unknown], value[unknown], "is not known"
        allowed = known
    elif error.validator == "oneOf" and isinstance(value, dict):  # one of these properties is required
        allowed = sorted(name for choice in required for name in choice["required"])
        given = [name for name in allowed if name in value]
        if given:
            path, value, problem = [*path, given[1]], value[given[1]], f"cannot be combined with /{given[0]}"
        else:
            problem = f"is missing one of {' and '.join(allowed)}"
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    details = {"pointer": pointer, "allowed": allowed}
    shown = ""
    if not problem.startswith("is missing"):
        secret = pointer.lower().endswith("token")  # also if it is misspelt
        details["value"] = "…" if secret else _shortened(value)
        shown = f" ({json.dumps(details['value'])})"
    where = pointer or "params"
    return SidecarError("invalidParams", f"{where} {problem}{shown}; allowed: {_listed(allowed)}", **details)


def _resolved(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    return _resolved(_schemas()[reference.rsplit("/", 1)[1]])


def _allowed(schema: object) -> object:
    """What a schema allows, as a short JSON value: its main keywords, choices as a list."""
    if not isinstance(schema, dict):
        return schema
    schema = _resolved(schema)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return [_allowed(choice) for choice in schema[keyword]]
    if "enum" in schema:
        return schema["enum"]
    if "const" in schema:
        return [schema["const"]]
    main = ("type", "minimum", "maximum", "exclusiveMinimum", "minLength", "minItems", "maxItems")
    short = {keyword: schema[keyword] for keyword in main if keyword in schema}
    if schema.get("type") == "object":
        short["properties"] = sorted(schema.get("properties", {}))
    elif "items" in schema:
        short["items"] = _allowed(schema["items"])
    return short


def _listed(allowed: object) -> str:
    text = json.dumps(allowed, ensure_ascii=False)
    return text if len(text) <= 2 * MAX_SHOWN_CHARS else text[: 2 * MAX_SHOWN_CHARS] + "…"


def _shortened(value: object) -> object:
    """The value, or its beginning as text if it is long."""
    text = ""
    for part in [value] if isinstance(value, str) else json.JSONEncoder().iterencode(value):
        text += part[: MAX_SHOWN_CHARS + 1]
        if len(text) > MAX_SHOWN_CHARS:
            return text[:MAX_SHOWN_CHARS] + "…"
    return value
