"""The structs that llguidance's C functions take have its layout."""

from __future__ import annotations

import ctypes

from byte_model import MODEL

from sidecar.core.structured_output.compiling import vocabulary
from sidecar.core.structured_output.llguidance_api import MatcherInit, library

DEFAULTS = {
    "max_items_in_row": 2000,
    "initial_lexer_fuel": 1_000_000,
    "step_lexer_fuel": 200_000,
    "step_max_items": 50_000,
    "max_lexer_states": 250_000,
    "max_grammar_size": 500_000,
    "precompute_large_lexemes": True,
    "verbose_errors": True,
}
"""llguidance's documented limits."""


def test_the_limits_stand_where_llguidance_writes_them() -> None:
    init = MatcherInit()
    handle = vocabulary(MODEL).handle
    library().llg_constraint_init_set_defaults(ctypes.byref(init), handle)
    assert init.tokenizer == handle
    assert {name: getattr(init.limits, name) for name, _ in init.limits._fields_} == DEFAULTS
