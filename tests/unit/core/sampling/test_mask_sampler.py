"""From the bits of a mask to what llama.cpp's samplers take."""

from __future__ import annotations

import random

import pytest

from sidecar.core.sampling.mask_sampler import _biases, _tokens, _without

SIZES = (1, 7, 8, 9, 257, 1000)


def allowed(mask: bytes, size: int) -> list[int]:
    return [token for token in range(size) if mask[token // 8] >> token % 8 & 1]


def random_mask(size: int, share: float) -> bytes:
    chance = random.Random(size)
    words = -(-size // 32)
    bits = sum(1 << token for token in range(size) if chance.random() < share)
    return bits.to_bytes(4 * words, "little")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.02, 0.5, 1])
def test_every_way_allows_the_same_tokens(size: int, share: float) -> None:
    mask = random_mask(size, share)
    expected = allowed(mask, size)
    assert _tokens(mask) == expected
    biases = list(_biases(size, mask))
    assert [bias.token for bias in biases] == list(range(size))
    assert [bias.token for bias in biases if bias.bias == 0.0] == expected
    assert {bias.bias for bias in biases} <= {0.0, float("-inf")}
    assert _tokens(_without(mask, {0, size - 1})) == [t for t in expected if t not in (0, size - 1)]
