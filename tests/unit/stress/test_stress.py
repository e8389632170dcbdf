"""What the groups of `dev.py stress` calculate, and the inputs that fuzzing has kept."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "stress"))
import flat
import line_grammar

STRESS = Path(line_grammar.__file__).parent


def test_every_input_that_fuzzing_has_kept_is_read_without_a_fault() -> None:
    command = [sys.executable, str(STRESS / "fuzz_targets.py")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-3000:]


def test_a_slope_is_told_apart_from_noise() -> None:
    chance = random.Random(1)
    noise = [chance.gauss(100, 5) for _ in range(600)]
    assert not flat.slope(noise).grows(1)
    growing = [value + index / 60 for index, value in enumerate(noise)]
    assert flat.slope(growing).grows(5) and not flat.slope(growing).grows(15)
    assert flat.slope(growing).growth == pytest.approx(10, abs=3)


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', [1]),
        (b'{"jsonrpc":"2.0","method":"ping"}', []),
        (b'{"jsonrpc":"2.0","method":1}', [None]),
        (b'{"jsonrpc":"1.0","id":"a","method":"ping"}', ["a"]),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', [None]),
        (b'{"jsonrpc":"2.0","id":1.0,"method":"ping"}', [None]),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"ping"},7]', [1, None]),
        (b"[]", [None]),
        (b"{", [None]),
        (b"[1e999]", [None]),
        (b"[NaN]", [None]),
        (b"\xff", [None]),
        (b"[" * 257 + b"]" * 257, [None]),
    ],
)
def test_the_answers_that_a_line_must_get(line: bytes, ids: list[Any]) -> None:
    assert line_grammar.expected(line)[0] == ids


def test_the_same_seed_makes_the_same_lines_of_every_method() -> None:
    known = {"model-1": "model-7"}
    first, again = ([line_grammar.line(random.Random(n), known) for n in range(600)] for _ in range(2))
    assert first == again
    called = {call["method"] for line in first for call in line_grammar.expected(line)[1]}
    methods = json.loads((line_grammar.SCHEMA / "methods.json").read_text(encoding="utf-8"))
    assert called >= methods["requests"].keys() - {"shutdown"}
