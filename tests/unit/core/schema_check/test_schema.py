"""Schemas as people and libraries write them are understood, and no schema does harm."""

from __future__ import annotations

import random
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from stranger_schemas import CASES, DOUBTS, MALFORMED, random_schema, random_value

from sidecar.core.schema_check.pattern import TooMuchWork
from sidecar.core.schema_check.schema import Schema

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(("schema", "fitting", "others"), CASES.values(), ids=CASES)
def test_a_schema_is_understood(schema: Any, fitting: list[Any], others: list[Any]) -> None:
    read = Schema(schema, "")
    assert read.take_unchecked() == []
    assert [(value, read.problem(value)) for value in fitting if read.problem(value)] == []
    assert [value for value in others if read.problem(value) is None] == []


def test_verdicts_are_those_of_jsonschema() -> None:
    rng = random.Random(14)
    for _ in range(300):
        schema = random_schema(rng, 3)
        read, theirs = Schema(schema, ""), Draft202012Validator(schema)
        assert read.take_unchecked() == []
        for value in [random_value(rng, 3) for _ in range(4)]:
            assert read.fits(value) is theirs.is_valid(value), (schema, value)


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "integer"}, "1", '$: "1" is not of type integer'),
        (
            {"properties": {"a": {"items": {"enum": [1, "b", None]}}}},
            {"a": [1, True]},
            '$.a[1]: true is not one of 1, "b", null',
        ),
        ({"pattern": r"^\p{L}$"}, "1", r'$: "1" does not match "^\\p{L}$"'),
        ({"required": ["a"]}, {}, '$: an object lacks "a"'),
        ({"additionalProperties": False}, {"a": "x" * 200}, f'$.a: "{"x" * 100}…" is not allowed'),
        ({"minimum": 2}, 1, "$: 1 is less than 2"),
        # of several choices, the one that fits furthest
        (
            {"anyOf": [{"type": "null"}, {"properties": {"a": {"type": "string"}}}]},
            {"a": 1},
            "$.a: 1 is not of type string",
        ),
    ],
)
def test_a_problem_is_told_with_its_place(schema: Any, value: Any, problem: str) -> None:
    assert Schema(schema, "").problem(value) == problem


@pytest.mark.parametrize(("schema", "pointer"), MALFORMED)
def test_a_keyword_that_cannot_be_checked_costs_its_own_check_only(schema: Any, pointer: str) -> None:
    """It is named, once; other keywords hold."""
    whole = {"type": "object", "properties": {"a": schema, "b": {"type": "integer"}}}
    read = Schema(whole, "/p")
    unchecked = read.take_unchecked()
    assert [each.partition(": ")[0] for each in unchecked] == [f"/p/properties/a{pointer}"]
    assert read.take_unchecked() == []
    assert read.fits({"a": "text", "b": 1})
    assert not read.fits({"a": "text", "b": "1"})


@pytest.mark.parametrize("schema", DOUBTS)
def test_what_depends_on_an_unknown_word_is_taken_to_fit(schema: Any) -> None:
    """`not`, `oneOf`, `if` and others would turn a check that is left out into a refusal."""
    read = Schema(schema, "")
    assert len(read.take_unchecked()) == 1
    assert read.problem({"a": "x"}) is None


def test_references_beside_other_keywords() -> None:
    """Until draft 7 a reference replaces them."""
    schema = {"$ref": "#/definitions/a", "type": "string", "definitions": {"a": {"minimum": 1}}}
    assert not Schema(schema, "").fits(2)
    assert Schema({**schema, "$schema": DRAFT_7}, "").fits(2)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("text", "1", True),
        ("text", None, True),
        ("text", 1, False),
        ("number", "1", False),
        ("number", 1, True),
        ("kind", "b", True),
        ("kind", "c", False),
        ("shared", "1", False),
        ("x-1", 1, True),
        ("x-1", "1", False),
        ("unknown", 1, False),
    ],
)
def test_one_member_of_an_object(name: str, value: Any, allowed: bool) -> None:
    """Whatever the other members are: they may still be missing."""
    schema = {
        "allOf": [{"$ref": "#/$defs/shared"}],
        "properties": {
            "text": {"type": ["string", "null"]},
            "number": {"type": "integer"},
            "kind": True,
            "shared": True,
        },
        "patternProperties": {"^x-": {"type": "integer"}},
        "additionalProperties": False,
        "required": ["text", "number", "kind"],
        "oneOf": [{"properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in "ab"],
        "$defs": {"shared": {"properties": {"shared": {"type": "integer"}}}},
    }
    assert Schema(schema, "").member_fits(name, value) is allowed


def nested(depth: int, key: str) -> Any:
    schema: Any = {"type": "integer"}
    for _ in range(depth):
        schema = {key: schema}
    return schema


def laughs(rounds: int) -> dict[str, Any]:
    """Each definition asks twice for the next one."""
    pairs = {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(rounds)}
    return {"$ref": "#/$defs/0", "$defs": {**pairs, str(rounds): True}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#"}, 1),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 2}}}, 1),
        ({"not": {"$ref": "#"}}, 1),
        (nested(10_000, "not"), 1),
        (laughs(40), 1),
        ({"items": {"pattern": r"^(a+)+\1$"}}, ["a" * 500 + "!"] * 50),
        ({"uniqueItems": True}, [[1] * 1000] * 1000),
    ],
    ids=["itself", "circle", "not itself", "deep", "many", "patterns", "large"],
)
def test_a_check_ends_with_its_budget(schema: Any, value: Any) -> None:
    read = Schema(schema, "")
    with pytest.raises(TooMuchWork):
        read.problem(value)
    assert read.fits(value)


def test_large_schemas_are_read_in_part() -> None:
    read = Schema({"properties": {"first": {"type": "null"}, **{str(n): {} for n in range(6000)}}}, "")
    assert len(read.take_unchecked()) == 16
    assert not read.fits({"first": 1})
    assert read.fits({"5999": 1})
    assert Schema(nested(10_000, "items"), "").fits([[[1]]])
    assert Schema({"$ref": "#"}, "").member_fits("a", 1)


def test_deep_values_end_a_check() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    assert Schema({"const": value}, "").take_unchecked() == ["/const: it is too large"]
    with pytest.raises(TooMuchWork):
        Schema({"const": 1}, "").problem(value)
    with pytest.raises(TooMuchWork):
        Schema({"items": {"$ref": "#"}}, "").problem(value)
