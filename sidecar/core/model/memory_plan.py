"""Whether a model or a context fits into memory, before llama.cpp asks the system for it.

Systems promise more memory than they have and end the process that uses it, so want of memory is told
here, from the model's header (models/memory/estimate.py). Reading that takes up to 100 ms; where there is plenty
of memory, a bound that needs no header says so first.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.llama import bindings
from sidecar.core.llama.bindings import KV_CACHE_BITS, lib
from sidecar.hardware.machine import Machine, available_bytes
from sidecar.message_handler import log
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.gguf.header import Header, join
from sidecar.models.gguf.splits import part_paths
from sidecar.models.memory.buffers import CELLS, RESERVED_OUTPUTS

if TYPE_CHECKING:
    from sidecar.core.model.model import Model
    from sidecar.models.memory.estimate import Planner

WIDEST_STEP: Final = 64
WIDEST_STATE: Final = 512
"""Numbers a token that a step keeps, and a sequence that a recurrent layer keeps, in widths of the embedding:
more than any architecture needs."""


def read_header(path: str) -> Header | None:
    """The header of all parts of a model; None if it cannot be read, which llama.cpp will explain."""
    try:
        return join([reader.read_header(part) for part in part_paths(path)])
    except SidecarError as error:
        log.log("debug", "no estimate of memory", cause=error.problem)
        return None


def machine(handles: Collection[int]) -> Machine:
    """This machine, with those of its devices that a model is offloaded to."""
    gpus = [bindings.describe(handle) for handle in handles]  # the others may be of a server that is gone
    features = lib.llama_print_system_info().decode().split()
    return Machine(available_bytes(), gpus, frozenset(features))


def plan_load(params: dict[str, Any], handles: Collection[int]) -> int:
    """How many layers go to the devices. Raises SidecarError `outOfMemory` if the weights cannot fit."""
    path, asked = params["path"], params.get("gpuLayers", "auto")
    if not handles:
        asked = 0
    here = machine(handles)
    size = sum(os.path.getsize(part) for part in part_paths(path) if os.path.exists(part))
    # Twice the file on the CPU: mapped, and copied once more in the order that it likes.
    plenty = 2 * size < here.free_bytes and size < _least_free(here)
    if asked != "auto" and plenty:
        return int(asked)
    from sidecar.models.memory.estimate import Planner

    header = read_header(path)
    if header is None:
        return -1 if asked == "auto" else int(asked)
    planner = Planner(header, {**params, "gpuLayers": asked}, here)
    layers = planner.gpu_layers(planner.size)
    for part in planner.plan(planner.size, layers):
        if 0 < part.free < part.copied:
            needed = f"{part.copied} bytes on {part.name}, {part.free} are available"
            problem, allowed = f"/path: the weights of {path!r} need {needed}", {"maximum": part.free}
            raise SidecarError("outOfMemory", problem, pointer="/path", value=part.copied, allowed=allowed)
    return layers


def largest_context(model: Model, params: dict[str, Any]) -> int | None:
    """Tokens a sequence that fit beside the model and leave some room; None if its header cannot be read.

    Raises SidecarError `outOfMemory` if not even the smallest context fits.
    """
    from sidecar.models.memory.estimate import FULL, lacking

    header = model.header
    if header is None:
        return None
    planner = _planner(model, header, params)
    beside = None
    if model.draft is not None and model.draft.header is not None:
        beside = _planner(model.draft, model.draft.header, params)
    largest = planner.largest(FULL, beside)
    if not largest:
        parts = planner.plan(1, model.gpu_layers)
        cpu = parts[0]
        raise _too_large(planner.sequences, 1, lacking(parts, FULL) or (cpu.name, cpu.needed, cpu.free))
    return largest


def check_context(model: Model, params: dict[str, Any], size: int) -> None:
    """Raise SidecarError `outOfMemory` if a context of `size` tokens a sequence does not fit."""
    if _context_bound(model, params, size) < _least_free(machine(model.devices)):
        return
    header = model.header
    if header is None:
        return
    from sidecar.models.memory.estimate import lacking

    planner = _planner(model, header, params)
    too_small = lacking(planner.plan(size, model.gpu_layers))
    if too_small is not None and too_small[2] > 0:
        raise _too_large(planner.sequences, size, too_small)


def _planner(model: Model, header: Header, params: dict[str, Any]) -> Planner:
    from sidecar.models.memory.estimate import Planner

    known = {key: value for key, value in params.items() if key != "contextSize"}
    here = machine(model.devices)
    return Planner(header, {**known, "gpuLayers": model.gpu_layers}, here, loaded=True)


def _least_free(here: Machine) -> int:
    """Bytes that are free on every device. Some drivers do not tell and say 0: those have to refuse by themselves."""
    told: list[int] = [gpu["memoryFreeBytes"] for gpu in here.gpus if gpu["memoryFreeBytes"]]
    return min([here.free_bytes, *told])


def _too_large(sequences: int, size: int, too_small: tuple[str, int, int]) -> SidecarError:
    """`too_small` is a device: its name, what is needed there, what is free."""
    name, needed, free = too_small
    problem = f"A context of {sequences} × {size} tokens needs {needed} bytes on {name}, {free} are available"
    return SidecarError("outOfMemory", problem, value=needed, allowed={"maximum": free})


def _context_bound(model: Model, params: dict[str, Any], size: int) -> int:
    """More bytes than a context of any architecture takes, from what llama.cpp tells of the model."""
    asked = {**DEFAULTS["CreateContextParams"], **params}
    sequences, batch = asked["sequences"], max(asked["batchSize"], asked["sequences"])
    heads, layers = lib.llama_model_n_head(model.handle), lib.llama_model_n_layer(model.handle)
    width = lib.llama_model_n_embd(model.handle)
    size += CELLS
    caches = size * sequences * layers * 4 * width * KV_CACHE_BITS[asked["kvCacheType"]] / 8
    states = sequences * layers * WIDEST_STATE * width * 4 if model.has_state_beyond_kv else 0
    step = batch * (WIDEST_STEP * width + size * (heads + 2)) * 4
    logits = (2 * sequences + RESERVED_OUTPUTS) * model.vocabulary_size * 4
    return int(caches + states + step + logits)
