"""The fast check accepts exactly what jsonschema accepts."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sidecar.message_handler._wire import PARAMS
from sidecar.message_handler.fast_check import FastCheck
from sidecar.message_handler.validation import SCHEMAS_FILE

SCHEMA = Path(__file__).resolve().parents[3] / "schema"
SCHEMAS: dict[str, Any] = json.loads(Path(SCHEMAS_FILE).read_text(encoding="utf-8"))
GIVEN = {
    name: [
        path
        for kind in ("examples", "counterexamples")
        for path in sorted((SCHEMA / kind / name).glob("*.json"))
    ]
    for name in sorted(set(PARAMS.values()))
}
"""Type of params → its examples and counterexamples."""

MUTATIONS = 60
"""Per example and counterexample."""

VALUES = (
    *(None, True, False, 0, 1, -1, 1.0, 0.5, 1e9, 2**31, 2**63, "", "a", "auto", "x" * 300, "user", "\ud800"),
    *([], [1], ["a"], [[]], [1, 1], ["a", "a"], [1, True], [{}, {}]),
    *({}, {"a": 1}, {"role": "user", "content": ""}),
)


def judge(type_name: str) -> Any:
    """jsonschema's validator, except that 1.0 is not an integer here."""
    checker = jsonschema.Draft7Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    strict = jsonschema.validators.extend(jsonschema.Draft7Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    return strict({"$ref": f"#/components/schemas/{type_name}", "components": {"schemas": SCHEMAS}})


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value, with each key or index in it."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def mutated(given: Any, chance: random.Random) -> Any:
    """Params with one to three values replaced, removed, added or renamed."""
    whole = [copy.deepcopy(given)]
    for _ in range(chance.randint(1, 3)):
        place, key = chance.choice(list(places(whole)))
        what, value = chance.randrange(4), copy.deepcopy(chance.choice(VALUES))
        if what == 1 and place is not whole:
            del place[key]
        elif what == 2 and isinstance(place, dict):
            place[chance.choice(("path", "model", "content", "text", "x", key + "_"))] = value
        elif what == 3 and isinstance(place, list) and place is not whole:
            place.insert(key, copy.deepcopy(place[key]))
        else:
            place[key] = value
    return whole[0]


@pytest.mark.parametrize("type_name", GIVEN)
def test_both_give_the_same_verdict(type_name: str) -> None:
    fits, validator = FastCheck(SCHEMAS).named(type_name), judge(type_name)
    for path in GIVEN[type_name]:
        given = json.loads(path.read_text(encoding="utf-8"))
        chance = random.Random(path.stem)
        for params in (given, *(mutated(given, chance) for _ in range(MUTATIONS))):
            assert fits(params) is validator.is_valid(params), (path, params)


def test_every_schema_can_be_compiled() -> None:
    """An unknown keyword would raise KeyError."""
    check = FastCheck(SCHEMAS)
    for name in SCHEMAS:
        check.named(name)


@pytest.mark.parametrize(
    "values", [[], [0, 9], [9, 0, 5], [0, 10], [-1], [1, True], [1, 1.0], [1, None], [[1]]]
)
def test_a_list_of_integers_is_checked_as_each_of_them(values: list[Any]) -> None:
    check = FastCheck({"Digit": {"type": "integer", "minimum": 0, "maximum": 9}})
    fits = check.make({"type": "array", "items": {"$ref": "#/components/schemas/Digit"}})
    assert fits(values) is all(map(check.named("Digit"), values))
