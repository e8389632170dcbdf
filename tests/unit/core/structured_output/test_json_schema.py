"""Texts that a schema's matcher allows satisfy the schema, and what it cannot enforce is refused by name."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from byte_model import MODEL, accepts, random_text
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from schema_cases import REFUSED, SATISFIABLE

from sidecar.core.structured_output.json_schema import Enforced, enforced
from sidecar.core.structured_output.keywords import CHECKED, MASKED, SILENT
from sidecar.core.structured_output.llguidance_api import Matcher
from sidecar.core.structured_output.llguidance_schema import (
    MAX_DEPTH,
    MAX_OPTIONAL,
    MAX_SCHEMAS,
    MAX_VALUES,
    Options,
)
from sidecar.message_handler.errors import SidecarError

COUNT = 8
"""Random texts of each schema."""

OTHER_JUDGE = {"a circle with a way out", "ECMAScript's patterns", "pattern with what JSON escapes"}
"""Schemas for which jsonschema fails, or takes Python's patterns."""


def of(schema: Any, *, checked: bool = False, others: bool = False) -> Enforced:
    return enforced(MODEL, schema, "", Options(checked, others))


def refusal(schema: Any, *, checked: bool = False) -> SidecarError:
    with pytest.raises(SidecarError) as refused:
        of(schema, checked=checked)
    return refused.value


@pytest.mark.parametrize("name", SATISFIABLE)
def test_random_texts_satisfy_the_schema(name: str) -> None:
    schema, chance = SATISFIABLE[name], random.Random(1)
    held = of(schema)
    texts = [text for _ in range(COUNT) if (text := random_text(held.matcher, chance)) is not None]
    assert len(texts) >= COUNT // 2
    judge = validator_for(schema, default=Draft202012Validator)(schema)
    for text in texts:
        held.check.check(text)
        if name not in OTHER_JUDGE:
            judge.validate(json.loads(text))


@pytest.mark.parametrize(("schema", "kind", "pointer"), REFUSED, ids=lambda value: str(value)[:50])
def test_a_schema_that_cannot_be_enforced_is_refused(schema: Any, kind: str, pointer: str) -> None:
    error = refusal(schema)
    assert (error.kind, error.details["pointer"]) == (kind, pointer)


def test_patterns_that_mean_the_same_hold_together() -> None:
    patterns = {"^a$": {"type": "string"}, "^[a]$": {"type": "integer"}}
    held = of({"type": "object", "patternProperties": patterns, "additionalProperties": False})
    assert accepts(held.matcher, "{}")
    assert not accepts(held.matcher, '{"a": 1}') and not accepts(held.matcher, '{"a": "1"}')


@pytest.mark.parametrize(
    ("schema", "ignored"),
    [
        ({"type": "string", "readonly": True, "links": [], "x-order": 3}, ("readonly", "links", "x-order")),
        ({"properties": {"a": {"name": 1}, "b": {"name": 2}}, "x-guidance": {}}, ("name", "x-guidance")),
        ({"type": "string", "format": "color"}, ("format: color",)),
        ({"type": "string", "id": "a", "title": "b", "$comment": "c", "deprecated": True}, ()),
    ],
)
def test_words_that_no_draft_knows_are_ignored_and_told_once(schema: Any, ignored: tuple[str, ...]) -> None:
    assert of(schema).ignored == ignored


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "array", "uniqueItems": True, "items": {"enum": [1, 2]}}, "[1, 2]", "[1, 1]"),
        ({"type": "string", "not": {"pattern": "^a"}}, '"b"', '"a"'),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 3}]}, "2", "4"),
        ({"if": {"type": "string"}, "then": {"maxLength": 1}}, '"a"', '"ab"'),
        ({"type": "object", "propertyNames": {"maxLength": 1}}, '{"a":1}', '{"ab":1}'),
        ({"type": "string", "pattern": "^(?!a)"}, '"b"', '"a"'),
        ({"contains": {"const": 1}, "type": "array"}, "[1]", "[2]"),
        ({"dependentRequired": {n: ["b"] for n in "acdefgh"}, "type": "object"}, '{"a":1,"b":2}', '{"a":1}'),
    ],
)
def test_check_leaves_the_rest_to_the_end(schema: Any, good: str, bad: str) -> None:
    refused = refusal(schema)
    assert refused.kind == "unsupportedSchema"
    held = of(schema, checked=True)
    assert accepts(held.matcher, good)
    assert accepts(held.matcher, bad)
    held.check.check(good)
    with pytest.raises(SidecarError) as wrong:
        held.check.check(bad)
    assert wrong.value.kind == "invalidOutput"


def test_what_cannot_be_checked_either_is_refused() -> None:
    schema = {"allOf": [{"type": "object"}], "unevaluatedProperties": False}
    error = refusal(schema, checked=True)
    assert (error.kind, error.details["pointer"]) == ("unsupportedSchema", "/unevaluatedProperties")


def test_one_name_twice_in_an_object_does_not_pass() -> None:
    held = of({"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}})
    twice = '{"a": 1, "a": 2}'
    assert accepts(held.matcher, twice), "llguidance counts members, not names"
    with pytest.raises(SidecarError, match="fewer than 2"):
        held.check.check(twice)


CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (CLOSED, '{"a": 1, "b": null}'),
        ({"type": "array", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": CLOSED}}, '[{"b": 1}]'),
        ({"anyOf": [CLOSED, {"type": "null"}]}, '{"b": 1}'),
        ({"allOf": [CLOSED]}, '{"b": 1}'),
        ({**CLOSED, "not": {"required": ["c"]}}, '{"a": 1, "b": 1}'),
        ({**CLOSED, "dependentRequired": {"a": []}}, '{"a": 1, "b": 1}'),
    ],
)
def test_objects_have_other_properties_only_if_the_request_allows_them(schema: Any, text: str) -> None:
    assert not accepts(of(schema).matcher, text)
    assert accepts(of(schema, others=True).matcher, text)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({**CLOSED, "additionalProperties": {"type": "null"}}, '{"a": 1, "b": null}'),
        ({"allOf": [CLOSED, {"properties": {"b": {"type": "null"}}}]}, '{"a": 1, "b": null}'),
        ({**CLOSED, "anyOf": [{"properties": {"b": {"const": 1}}, "required": ["b"]}]}, '{"a": 1, "b": 1}'),
        ({**CLOSED, "required": ["b"]}, '{"a": 1, "b": 1}'),
        ({**CLOSED, "required": ["a"], "dependentRequired": {"a": ["b"]}}, '{"a": 1, "b": 1}'),
        ({**CLOSED, "oneOf": [{"required": ["b"]}, {"required": ["c"]}]}, '{"a": 1, "b": 1}'),
        ({**CLOSED, "patternProperties": {"^x": {}}}, '{"x1": 1}'),
        ({"type": "object"}, '{"x": {"y": 1}}'),
        ({"$ref": "#/$defs/x", "properties": {"b": {}}, "$defs": {"x": CLOSED}}, '{"a": 1, "b": 1}'),
    ],
)
def test_properties_that_another_part_of_the_schema_names_are_no_others(schema: Any, text: str) -> None:
    assert accepts(of(schema).matcher, text)


def test_llguidance_takes_properties_in_the_schemas_order_only() -> None:
    matcher = of({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}}).matcher
    assert accepts(matcher, '{"a": 1, "b": 2}')
    assert not accepts(matcher, '{"b": 2, "a": 1}'), "decision 007 says otherwise"


def test_white_space_is_bounded() -> None:
    matcher = of(
        {"type": "object", "properties": {"a": {"type": "array"}}, "additionalProperties": False}
    ).matcher
    for text in ('{"a":[]}', '{\n  "a" : [1,\r\n\t2]\n}', '{ "a": [ ] }'):
        assert accepts(matcher, text), text
    for text in ('{\n\n"a":[]}', '{   "a":[]}', "{\n" + " " * 41 + '"a":[]}', ' {"a":[]}', '{"a":[]}\n'):
        assert not accepts(matcher, text), text


def test_one_line_leaves_no_choice_of_white_space() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array"}, "b": {"const": {"c": 1}}},
        "required": ["b"],
    }
    matcher = enforced(MODEL, schema, "", Options(on_one_line=True)).matcher
    assert accepts(matcher, '{"a": [1, {"x": null}], "b": {"c": 1}}')
    for text in (
        '{"a":[1], "b": {"c": 1}}',
        '{"b": {"c":1}}',
        '{ "b": {"c": 1}}',
        '{"a": [1,2], "b": {"c": 1}}',
    ):
        assert not accepts(matcher, text), text
    assert bytes(matcher.forced(9)) == b'{"'


def test_every_keyword_is_of_one_kind() -> None:
    assert not MASKED & CHECKED
    assert not MASKED & SILENT
    assert not CHECKED & SILENT


# ---- what is large, or wrong ---------------------------------------------------------------------


def optional(count: int) -> Any:
    return {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(count)}}


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [f"value {number}" for number in range(50_000)]},
        {"enum": ["the same beginning " * 3 + str(number) for number in range(5000)]},
        optional(MAX_OPTIONAL),
        {"type": "string", "pattern": "^(([a-z]{1,900}){1,900}){1,900}$"},
        {"type": "string", "pattern": "^(a+)+(.*a.{500})+$"},
    ],
    ids=["many choices", "one beginning", "many properties", "nested repetitions", "many states"],
)
def test_a_large_schema_is_taken(schema: Any) -> None:
    assert of(schema).matcher.mask()


def test_the_most_optional_properties_can_be_followed() -> None:
    matcher = of(optional(MAX_OPTIONAL)).matcher
    assert accepts(matcher, '{"p5": "a", "p1899": "b"}')
    assert not matcher.error


def nested(depth: int) -> Any:
    schema: Any = {}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        nested(MAX_DEPTH + 1),
        nested(10_000),
        {"prefixItems": [{}] * (MAX_SCHEMAS + 1)},
        {"enum": list(range(MAX_VALUES + 1))},
        {"items": optional(MAX_OPTIONAL + 1)},
        {"description": "", "properties": {str(n) + "x" * 5000: {} for n in range(1000)}},
    ],
    ids=["deep", "too deep for Python", "many schemas", "many values", "many optional properties", "5 MB"],
)
def test_a_schema_without_measure_is_refused(schema: Any) -> None:
    assert refusal(schema).kind == "schemaTooComplex"


def test_a_vocabulary_is_read_once_and_copies_are_independent() -> None:
    first = of({"enum": ["aa", "ab"]}).matcher
    second = of({"enum": ["aa", "ab"]}).matcher
    assert first is not second
    first.consume(ord('"'))
    assert first.forced(9) == [ord("a")]
    assert second.allows(ord('"'))
    assert not first.allows(ord('"'))


def test_a_matcher_tells_what_it_cannot_follow() -> None:
    matcher: Matcher = of({"const": 1}).matcher
    assert any(matcher.mask())
    matcher.consume(ord("2"))
    assert matcher.error
    assert not any(matcher.mask()), "the mask of the step before is forgotten"
    assert not matcher.complete
