"""Decides whether a model fits into memory, and how many layers go to the GPUs, before llama.cpp loads it.

A system promises more memory than it has, and ends the process that uses too much. So this module finds a lack of
memory first, from the model's header (models/memory/estimate.py). Reading the header takes up to 100 ms; if
memory is plentiful, the size of the file is enough.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from sidecar.core.llama import ggml
from sidecar.core.llama.bindings import lib
from sidecar.hardware.machine import Machine, available_bytes
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import parts
from sidecar.models.gguf.header import Header, join
from sidecar.models.gguf.splits import part_paths

if TYPE_CHECKING:
    from sidecar.message_handler._types import LoadModelParams


def read_header(path: str) -> Header | None:
    """The header of all parts of a model; None if it cannot be read: llama.cpp will say why."""
    try:
        return join(parts.read_headers(path))
    except SidecarError as error:
        log.log("debug", "no estimate of memory", cause=error.problem)
        return None


def file_bytes(path: str) -> int:
    """Bytes of all existing parts of a model."""
    return sum(os.path.getsize(part) for part in part_paths(path) if os.path.exists(part))


def machine(handles: Collection[int]) -> Machine:
    """This machine with the devices that a model uses. Others may belong to an RPC server that is gone."""
    gpus = [ggml.describe(handle) for handle in handles]
    features = lib.llama_print_system_info().decode().split()
    return Machine(available_bytes(), gpus, frozenset(features))


def least_free(here: Machine) -> int:
    """Bytes that are free on every device. A driver that does not know reports 0 and is left out."""
    known: list[int] = [gpu["memoryFreeBytes"] for gpu in here.gpus if gpu["memoryFreeBytes"]]
    return min([here.free_bytes, *known])


def plan_load(params: LoadModelParams, handles: Collection[int]) -> int:
    """How many layers go to the devices. Raises SidecarError `outOfMemory` if the weights cannot fit."""
    path, asked = params["path"], params.get("gpuLayers", "auto")
    if not handles:
        asked = 0
    here = machine(handles)
    size = file_bytes(path)
    # The CPU may need twice the file: the file mapped, and a copy in the order that its kernels prefer.
    plenty = 2 * size < here.free_bytes and size < least_free(here)
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
