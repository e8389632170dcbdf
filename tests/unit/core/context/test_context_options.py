"""The params of createContext as llama.cpp's, without a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.context import context_options, memory_check
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

MODEL: Any = SimpleNamespace(max_threads=2, context_length_trained=8192, has_state_beyond_kv=False)


def filled(**params: Any) -> Any:
    defaults = {"sequences": 1, "batchSize": 512, "contextId": "context-1", "modelId": "model-1"}
    return {**defaults, **DEFAULTS["CreateContextParams"], **params}


def test_every_setting_of_rope_reaches_llama_cpp() -> None:
    rope = {
        "scaling": "yarn", "frequencyBase": 2.0, "frequencyScale": 0.5, "yarnOriginalContext": 3,
        "yarnExtrapolation": 4.0, "yarnAttention": 5.0, "yarnBetaFast": 6.0, "yarnBetaSlow": 7.0,
    }  # fmt: skip
    made = context_options.made(MODEL, filled(rope=rope))
    assert rope.keys() == context_options.ROPE.keys()
    assert made.rope_scaling_type == 2
    assert (made.rope_freq_base, made.rope_freq_scale, made.yarn_orig_ctx) == (2, 0.5, 3)
    assert (made.yarn_ext_factor, made.yarn_attn_factor) == (4, 5)
    assert (made.yarn_beta_fast, made.yarn_beta_slow) == (6, 7)
    usual = context_options.made(MODEL, filled())
    assert (usual.rope_scaling_type, usual.rope_freq_scale) == (-1, 0), "as the model says"


def test_keys_and_values_have_types_of_their_own() -> None:
    for params, types in (
        ({}, (1, 1)),
        ({"kvCacheType": "q8_0"}, (8, 8)),
        ({"valueCacheType": "q4_0"}, (1, 2)),
    ):
        made = context_options.made(MODEL, filled(**params))
        assert (made.type_k, made.type_v) == types


def test_a_range_takes_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    room = 3000

    def largest(_: Any, __: Any, least: int, most: int) -> int:
        if min(room, most) < least:
            raise SidecarError("outOfMemory", "too large")
        return min(room, most)

    monkeypatch.setattr(memory_check, "largest_context", largest)

    def size(**asked: int) -> int:
        return context_options.size_of(MODEL, filled(contextSize=asked))

    assert size(min=10) == size(preferred=4000) == size(min=10, max=2**20) == 3000
    assert size(preferred=2000, max=2500) == size(max=2000) == 2000
    room = 10**6
    assert size(min=100) == 8192, "what the model was trained with"
    assert size(min=10_000) == 10_000
    assert size(max=20_000) == 20_000
    with pytest.raises(SidecarError, match="/contextSize/preferred"):
        size(min=9, preferred=8)


@pytest.mark.parametrize(
    ("free", "params", "expected"),
    [
        (16 * 300, {}, (300, 300)),
        (2**40, {}, (2**30, 2**29)),
        (16 * 300, {"cacheBytes": 0, "checkpointBytes": 10**6}, (0, 10**6)),
    ],
)
def test_a_part_of_the_free_memory_keeps_conversations_and_checkpoints(
    monkeypatch: pytest.MonkeyPatch, free: int, params: Any, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(context_options, "available_bytes", lambda: free)
    assert context_options.kept_bytes(params) == expected
