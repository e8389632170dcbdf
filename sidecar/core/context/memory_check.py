"""Checks whether a context fits into memory, and finds the largest that does, before llama.cpp creates it.

As for a model (model/memory_plan.py), the answer comes from the header. If memory is plentiful, an upper
bound is enough, which needs no header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from sidecar.core.llama.bindings import KV_CACHE_BITS, lib
from sidecar.core.model import memory_plan
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError
from sidecar.models.memory_estimate.buffers import CELLS, RESERVED_OUTPUTS

if TYPE_CHECKING:
    from sidecar.core.model.model import Model
    from sidecar.message_handler._types import CreateContextParams
    from sidecar.models.gguf.header import Header
    from sidecar.models.memory_estimate.estimate import Planner

WIDEST_STEP: Final = 64
"""Numbers per token that a step keeps, in multiples of the embedding size: more than any architecture needs."""

WIDEST_STATE: Final = 512
"""Numbers per sequence that a recurrent layer keeps, in the same unit: more than any architecture needs."""


def largest_context(
    model: Model, params: CreateContextParams, least: int = 1, most: int | None = None
) -> int | None:
    """Tokens per sequence of the largest context that leaves some memory free; None without a readable header.

    At most `most`; None: what the model was trained with. Raises SidecarError `outOfMemory` if fewer than `least`
    tokens fit.
    """
    from sidecar.models.memory_estimate.device_share import FULL, lacking

    header = model.header
    if header is None:
        return None
    planner = _planner(model, header, params)
    draft_planner = None
    if model.draft is not None and model.draft.header is not None:
        draft_planner = _planner(model.draft, model.draft.header, params)
    largest = planner.largest(FULL, draft_planner, most)
    if largest < least:
        parts = planner.plan(least, model.gpu_layers)
        cpu = parts[0]
        raise _too_large(planner.sequences, least, lacking(parts, FULL) or (cpu.name, cpu.needed, cpu.free))
    return largest


def check_context(model: Model, params: CreateContextParams, size: int) -> None:
    """Raise SidecarError `outOfMemory` if a context of `size` tokens per sequence does not fit."""
    if _upper_bound(model, params, size) < memory_plan.least_free(memory_plan.machine(model.devices)):
        return
    header = model.header
    if header is None:
        return
    from sidecar.models.memory_estimate.device_share import lacking

    planner = _planner(model, header, params)
    too_small = lacking(planner.plan(size, model.gpu_layers))
    if too_small is not None and too_small[2] > 0:
        raise _too_large(planner.sequences, size, too_small)


def _planner(model: Model, header: Header, params: CreateContextParams) -> Planner:
    from sidecar.models.memory_estimate.estimate import Planner

    known = {key: value for key, value in params.items() if key != "contextSize"}
    here = memory_plan.machine(model.devices)
    return Planner(header, {**known, **model.placement, "gpuLayers": model.gpu_layers}, here, loaded=True)


def check_batch(model: Model, size: int) -> None:
    """Raise SidecarError `invalidParams` if a picture that is evaluated as a whole does not fit into a batch."""
    least = 0 if model.encoder is None else model.encoder.projector.largest_whole_chunk
    if size < least:
        problem = f"/batchSize: this model evaluates a picture in one step, which takes {least} tokens"
        allowed = {"minimum": least}
        raise SidecarError("invalidParams", problem, pointer="/batchSize", value=size, allowed=allowed)


def _too_large(sequences: int, size: int, too_small: tuple[str, int, int]) -> SidecarError:
    """`too_small` is a device: its name, the bytes needed there, the bytes free there."""
    name, needed, free = too_small
    problem = f"A context of {sequences} × {size} tokens needs {needed} bytes on {name}, {free} are available"
    return SidecarError("outOfMemory", problem, value=needed, allowed={"maximum": free})


def _upper_bound(model: Model, params: CreateContextParams, size: int) -> int:
    """More bytes than a context of any architecture takes, from what llama.cpp says about the model."""
    asked = cast("CreateContextParams", {**DEFAULTS["CreateContextParams"], **params})
    sequences, batch = asked["sequences"], max(asked["batchSize"], asked["sequences"])
    heads, layers = lib.llama_model_n_head(model.handle), lib.llama_model_n_layer(model.handle)
    contexts = 1 + model.has_mtp
    layers += lib.llama_model_n_layer_nextn(model.handle) if model.has_mtp else 0
    width = lib.llama_model_n_embd(model.handle)
    size += CELLS
    bits = max(KV_CACHE_BITS[asked[name]] for name in ("kvCacheType", "valueCacheType") if name in asked)
    caches = size * sequences * layers * 4 * width * bits / 8
    states = (
        sequences * (1 + asked["draftTokens"]) * layers * WIDEST_STATE * width * 4
        if model.has_state_beyond_kv
        else 0
    )
    step = batch * (WIDEST_STEP * width + size * (heads + 2)) * 4
    logits = (2 * sequences + RESERVED_OUTPUTS) * model.vocabulary_size * 4
    return int(caches + states + contexts * (step + logits))
