"""Two hundred small schemas: what fits is allowed, and what does not is not."""

from __future__ import annotations

import json

import pytest
from byte_model import MODEL, accepts
from small_schemas import Case, cases

from sidecar.core.structured_output.json_schema import enforced
from sidecar.core.structured_output.llguidance_schema import Options

CASES = list(cases())


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case.schema)[:70])
def test_a_mask_allows_exactly_what_fits(case: Case) -> None:
    held = enforced(MODEL, case.schema, "", Options(others=True))
    texts = {json.dumps(value, ensure_ascii=False): value in case.fit for value in (*case.fit, *case.unfit)}
    assert {text: accepts(held.matcher, text) for text in texts} == texts
    for value in case.fit:
        held.check.check(json.dumps(value))
