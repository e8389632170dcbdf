"""What a model writes as bare text becomes the value that the tool's schema means, and always strict JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.core.output.calls.arguments import object_text, to_json, typed_value
from sidecar.core.output.calls.elements import MAX_TRIES, element_of
from sidecar.core.output.calls.tag_forms import NAMESPACE
from sidecar.core.output.calls.tools import Tools

STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
FREE: dict[str, Any] = {}

VALUES: list[tuple[Any, str, Any]] = [
    # text, where the schema accepts text
    (STRING, "123", "123"),
    (STRING, "true", "true"),
    (STRING, '{"x": 1}', '{"x": 1}'),
    (STRING, " a\n", " a\n"),
    ({"anyOf": [STRING, NULL]}, "123", "123"),
    ({"oneOf": [NULL, STRING]}, "true", "true"),
    ({"type": ["string", "null"]}, "123", "123"),
    ({"type": ["string", "integer"]}, "123", "123"),
    ({"$ref": "#/$defs/text"}, "123", "123"),
    ({"allOf": [{"$ref": "#/$defs/text"}, {"maxLength": 3}]}, "123", "123"),
    ({"enum": ["1", "2"]}, "1", "1"),
    ({"const": "true"}, "true", "true"),
    ({"$ref": "#/$defs/maybe"}, "None of them", "None of them"),
    # JSON, where it accepts that and not the text
    (INTEGER, "12", 12),
    (INTEGER, " 12\n", 12),
    ({"type": "boolean"}, "true", True),
    ({"type": "object"}, '{"a": [1]}', {"a": [1]}),
    ({"type": ["array", "null"]}, "null", None),
    ({"enum": [1, None]}, "1", 1),
    ({"const": 2.5}, "2.5", 2.5),
    ({"anyOf": [INTEGER, {"type": "array"}]}, "[1]", [1]),
    ({"$ref": "#/$defs/maybe"}, "null", None),
    ({"type": ["string", "null"]}, "None", None),
    # Python's own notation, where only that fits
    ({"type": "boolean"}, "True", True),
    ({"type": ["number", "null"]}, "None", None),
    ({"type": "object"}, "{'a': \"it's\", 'b': [True, None], 'c': 'say \"x\" \\'y\\' \\xe9\\n'}", ...),
    ({"type": "array"}, """["'\\x7f\\U0001f600", '"', '\t']""", ["'\x7f😀", '"', "\t"]),
    # a schema that says nothing about the type
    (FREE, "12", 12),
    (FREE, '{"x": 1}', {"x": 1}),
    (FREE, "True", "True"),
    (FREE, "x < y", "x < y"),
    # what fits in no way stays text, which the check of the call refuses
    (INTEGER, "many", "many"),
    (INTEGER, "NaN", "NaN"),
    ({"type": "number"}, "1e999", "1e999"),
    ({"type": "array"}, "[" * 500 + "]" * 500, "[" * 500 + "]" * 500),
    ({"type": "object"}, "{'a': lambda: 1}", "{'a': lambda: 1}"),
]


@pytest.mark.parametrize(("schema", "text", "value"), VALUES)
def test_a_bare_value_is_what_the_schema_means(schema: Any, text: str, value: Any) -> None:
    parameters = {
        "type": "object",
        "properties": {"a": schema},
        "required": ["a", "other"],
        "$defs": {"text": STRING, "maybe": {"anyOf": [STRING, NULL]}},
    }
    tools = Tools([{"type": "function", "function": {"name": "f", "parameters": parameters}}], "auto")
    if value is ...:
        value = {"a": "it's", "b": [True, None], "c": "say \"x\" 'y' é\n"}
    assert repr(tools.parse_value("f", "a", text, None)) == repr(value)


def test_what_the_model_says_about_the_type_counts_where_the_schema_allows_both() -> None:
    properties = {"both": {"type": ["string", "null", "integer"]}, "number": INTEGER, "free": FREE}
    parameters = {"type": "object", "properties": properties}
    tools = Tools([{"type": "function", "function": {"name": "f", "parameters": parameters}}], "auto")
    parsed = [
        (key, said, tools.parse_value("f", key, text, said))
        for key, text in (("both", "null"), ("both", "12"), ("number", "12"), ("free", "12"))
        for said in (True, False)
    ]
    assert parsed == [
        ("both", True, "null"),
        ("both", False, None),
        ("both", True, "12"),
        ("both", False, 12),
        ("number", True, 12),
        ("number", False, 12),
        ("free", True, "12"),
        ("free", False, 12),
    ]


def test_what_is_written_is_strict_json() -> None:
    assert to_json({"a": "\ud800 ü"}) == '{"a": "\\ud800 ü"}'
    with pytest.raises(ValueError, match="Out of range float"):
        to_json([float("nan")])
    assert object_text(' "{\\"a\\": \\"\\ud800\\"}" ') == '{"a": "\\ud800"}'
    assert [object_text(text) for text in ("", "null", '""', '"null"', "7")] == ["{}"] * 4 + ["7"]
    assert json.loads(object_text('"{}"')) == {}


def element(*values: str | dict[str, str]) -> str:
    """A list in tags within tags."""
    texts = (
        value
        if isinstance(value, str)
        else "".join(f"{NAMESPACE}<{name}>{text}{NAMESPACE}</{name}>" for name, text in value.items())
        for value in values
    )
    return "".join(f"{NAMESPACE}<item>{text}{NAMESPACE}</item>" for text in texts)


COUNT = 2 * MAX_TRIES


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (
            {"items": {"type": "string"}},
            element(*map(str, range(COUNT))),
            [str(number) for number in range(COUNT)],
        ),
        (
            {"items": {"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}},
            element(*({"id": str(number), "n": "5"} for number in range(COUNT))),
            [{"id": str(number), "n": 5} for number in range(COUNT)],
        ),
        (
            {"prefixItems": [{"type": "string"}, {"type": "integer"}, {"const": "true"}, {"const": True}]},
            element("5", "6", "true", "true"),
            ["5", 6, "true", True],
        ),
    ],
    ids=["texts", "objects", "several types"],
)
def test_items_in_tags_are_read_as_the_schema_says(schema: Any, text: str, expected: Any) -> None:
    parameters = {"type": "object", "properties": {"list": {"type": "array", **schema}}}
    tool: Any = {"type": "function", "function": {"name": "t", "parameters": parameters}}
    assert Tools([tool], "auto").parse_element("t", "list", element_of(text, NAMESPACE)) == expected


@pytest.mark.parametrize(
    ("text", "value"), [(" 1\n", 1), ("\u20281", "\u20281"), ("\u00a0true", "\u00a0true"), ("true", True)]
)
def test_only_json_white_space_may_stand_around_a_value(text: str, value: object) -> None:
    found = typed_value(text, lambda _: True)
    assert (found, type(found)) == (value, type(value))
