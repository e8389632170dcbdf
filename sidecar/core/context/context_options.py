"""The params of createContext as llama.cpp's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar.core.context import memory_check
from sidecar.core.context.checkpoints import MAX_BYTES
from sidecar.core.llama import devices
from sidecar.core.llama.bindings import KV_CACHE_TYPES, lib
from sidecar.hardware.device_choice import check_range, most_of
from sidecar.hardware.machine import available_bytes
from sidecar.models.memory_estimate.buffers import MAX_DEFAULT_CONTEXT_SIZE, RESERVED_OUTPUTS

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import llama_context_params
    from sidecar.core.model.model import Model
    from sidecar.message_handler._types import CreateContextParams

    class ContextParams(CreateContextParams):
        """The params of createContext with the id that the router has given."""

        contextId: str  # noqa: N815  # a name on the wire


FLASH_ATTENTION: Final = {"auto": -1, False: 0, True: 1}
"""Wire value → llama_flash_attn_type (llama.h)."""

ROPE: Final = {
    "scaling": "rope_scaling_type", "frequencyBase": "rope_freq_base", "frequencyScale": "rope_freq_scale",
    "yarnOriginalContext": "yarn_orig_ctx", "yarnExtrapolation": "yarn_ext_factor", "yarnAttention": "yarn_attn_factor",
    "yarnBetaFast": "yarn_beta_fast", "yarnBetaSlow": "yarn_beta_slow",
}  # fmt: skip
"""Member of `rope` → member of llama_context_params (llama.h)."""

MAX_CACHE_BYTES: Final = 1024**3
"""Default of `cacheBytes`, if MEMORY_SHARE allows it."""
MEMORY_SHARE: Final = 16
"""Conversations without a sequence, and checkpoints, take by default at most 1/MEMORY_SHARE of the free memory each."""

ROPE_SCALINGS: Final = {"none": 0, "linear": 1, "yarn": 2, "longrope": 3}
"""Wire value → llama_rope_scaling_type (llama.h)."""


def made(model: Model, filled: ContextParams) -> llama_context_params:
    """`filled`: the params with all defaults. Raises SidecarError as `size_of`."""
    size, threads = size_of(model, filled), devices.threads(model.max_threads)
    options = lib.llama_context_default_params()
    options.kv_unified = filled["kvUnified"]
    options.n_ctx = size * (1 if filled["kvUnified"] else filled["sequences"])
    options.n_seq_max = filled["sequences"]
    options.n_rs_seq = filled["draftTokens"] if model.has_state_beyond_kv else 0
    # What can be taken back is in one step: with fewer tokens in a step, llama.cpp ends the process (split_equal).
    least = options.n_rs_seq + 2 if options.n_rs_seq else 1
    options.n_batch = options.n_ubatch = max(filled["batchSize"], filled["sequences"], least)
    options.n_outputs_max = min(max(filled["sequences"], RESERVED_OUTPUTS), options.n_batch)
    options.n_threads = options.n_threads_batch = min(threads, filled.get("threads", threads))
    options.flash_attn_type = FLASH_ATTENTION[filled["flashAttention"]]
    options.type_k = KV_CACHE_TYPES[filled["kvCacheType"]]
    options.type_v = KV_CACHE_TYPES[filled.get("valueCacheType", filled["kvCacheType"])]
    for name, value in filled.get("rope", {}).items():
        setattr(options, ROPE[name], ROPE_SCALINGS.get(str(value), value))
    options.no_perf = True
    options.swa_full = filled["swaFull"]
    return options


def kept_bytes(params: CreateContextParams) -> tuple[int, int]:
    """The most bytes of conversations without a sequence, and of checkpoints."""
    share = available_bytes() // MEMORY_SHARE
    conversations = params.get("cacheBytes", min(MAX_CACHE_BYTES, share))
    return conversations, params.get("checkpointBytes", min(MAX_BYTES, share))


def size_of(model: Model, params: ContextParams, default: int = MAX_DEFAULT_CONTEXT_SIZE) -> int:
    """Tokens per sequence. `default`: at most as many, unless the params say more.

    Raises SidecarError `outOfMemory`, and `invalidParams` for a range whose bounds contradict each other.
    """
    trained = model.context_length_trained or default
    if params.get("kvUnified"):
        params = {**params, "sequences": 1}  # they share one cache
    asked = params.get("contextSize", min(trained, default))
    if isinstance(asked, int):
        return asked
    if asked == "auto":
        return memory_check.largest_context(model, params) or min(trained, default)
    check_range(asked, "/contextSize")
    least = asked.get("min", 1)
    most = most_of(asked, max(trained, least))
    return memory_check.largest_context(model, params, least, most) or most
