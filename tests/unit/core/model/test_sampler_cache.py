"""Samplers that are slow to make, such as grammars, are made once; the oldest are dropped."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.llama.bindings import lib
from sidecar.core.model.sampler_cache import MAX_KEPT, SamplerCache
from sidecar.core.structured_output.grammar import Grammar, make_sampler


def address(sampler: Any) -> int:
    """Its address, which distinguishes samplers."""
    return ctypes.addressof(sampler.contents)


class Maker:
    """Makes samplers, and notes them."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, *_: Any) -> Any:
        sampler = lib.llama_sampler_init_greedy()
        self.made.append(address(sampler))
        return sampler


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The samplers that the cache gives back, in order."""
    given_back: list[int] = []

    def note(sampler: Any) -> None:
        given_back.append(address(sampler))  # and is kept, so that no other one gets its address

    monkeypatch.setattr(lib, "llama_sampler_free", note)
    return given_back


def test_it_is_made_once_and_every_copy_is_its_callers_own(freed: list[int]) -> None:
    cache, make = SamplerCache(), Maker()
    copies = [address(cache.clone("key", make)) for _ in range(2)]
    assert len(make.made) == 1
    assert len({*copies, *make.made}) == 3
    assert freed == []


def test_the_least_recently_used_goes_first(freed: list[int]) -> None:
    cache, make = SamplerCache(), Maker()
    for key in range(MAX_KEPT):
        cache.clone(key, make)
    assert freed == []
    cache.clone(0, make)  # used again
    cache.clone("one more", make)
    assert freed == [make.made[1]]
    assert len(make.made) == MAX_KEPT + 1
    cache.clone(0, make)
    assert len(make.made) == MAX_KEPT + 1, "0 was used since, and is kept"
    cache.clone(1, make)
    assert len(make.made) == MAX_KEPT + 2, "1 was the oldest"


def test_what_cannot_be_made_is_tried_again() -> None:
    cache, make = SamplerCache(), Maker()

    def fail() -> Any:
        raise ValueError("no sampler")

    for _ in range(2):
        with pytest.raises(ValueError, match="no sampler"):
            cache.clone("key", fail)
    cache.clone("key", make)
    assert len(make.made) == 1


def test_a_grammar_is_compiled_once_for_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_ = Maker()
    monkeypatch.setattr(lib, "llama_sampler_init_grammar", compile_)
    models: list[Any] = [SimpleNamespace(vocab=None, samplers=SamplerCache()) for _ in range(2)]
    digits, letters = (Grammar("/grammar", f"root ::= [{range_}]") for range_ in ("0-9", "a-z"))
    for grammar in (digits, letters, digits, Grammar("/grammar", "root ::= [0-9]")):
        make_sampler(models[0], grammar)
    assert len(compile_.made) == 2
    make_sampler(models[1], digits)
    assert len(compile_.made) == 3, "tokens are the model's own"
