"""Decides whether a model fits into memory, and how many layers go to the GPUs, before llama.cpp loads it.

A system promises more memory than it has, and ends the process that uses too much. So this module finds a lack of
memory first, from the model's header (models/memory_estimate/estimate.py). Reading the header takes up to 100 ms; if
memory is plentiful, the size of the file is enough.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from sidecar.core.llama import ggml
from sidecar.core.llama.bindings import lib
from sidecar.hardware.device_choice import most_of
from sidecar.hardware.machine import Machine, available_bytes
from sidecar.message_handler import log
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import parts, projector
from sidecar.models.gguf.header import Header, join
from sidecar.models.gguf.splits import part_paths
from sidecar.models.memory_estimate.projector_memory import needed_bytes

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


def projector_device(params: LoadModelParams, handles: Collection[int]) -> int | None:
    """The device that the projector computes on; None: the CPU. `handles`: the model's devices.

    Raises SidecarError `invalidParams` for an unknown device.
    """
    asked = params.get("projectorDevice", DEFAULTS["LoadModelParams"]["projectorDevice"])
    local = {device["name"]: device["handle"] for device in ggml.devices() if device["handle"] in handles}
    if asked == "auto":
        return None if params.get("gpuLayers") == 0 else next(iter(local.values()), None)
    if asked != "cpu" and asked not in local:
        pointer, allowed = "/projectorDevice", ["auto", "cpu", *local]
        problem = f"{pointer}: the model uses no device {asked!r}; allowed: {', '.join(allowed)}"
        raise SidecarError("invalidParams", problem, pointer=pointer, value=asked, allowed=allowed)
    return local.get(asked)


def _without_projector(here: Machine, params: LoadModelParams, handles: Collection[int]) -> Machine:
    """What is left of the machine when the projector is loaded. Raises SidecarError `outOfMemory`."""
    path = params.get("projectorPath")
    if path is None:
        return here
    header = projector.read(path)
    size, device = needed_bytes(header) if header else file_bytes(path), projector_device(params, handles)
    name = None if device is None else ggml.describe(device)["name"]
    gpus = [ggml.describe(handle) for handle in handles]
    for gpu in gpus:
        if gpu["name"] == name:
            gpu["memoryFreeBytes"] = max(0, gpu["memoryFreeBytes"] - size)
    free = here.free_bytes - (size if name is None else 0)
    if free <= 0:
        problem = f"/projectorPath: the projector needs {size} bytes, {here.free_bytes} are available"
        allowed = {"maximum": here.free_bytes}
        raise SidecarError("outOfMemory", problem, pointer="/projectorPath", value=size, allowed=allowed)
    return Machine(free, gpus, here.features)


def plan_load(params: LoadModelParams, handles: Collection[int]) -> int:
    """How many layers go to the devices. Raises SidecarError `outOfMemory` if the weights cannot fit."""
    path, asked = params["path"], params.get("gpuLayers", "auto")
    if not handles:
        asked = 0
    here = _without_projector(machine(handles), params, handles)
    size = file_bytes(path)
    # The CPU may need twice the file: the file mapped, and a copy in the order that its kernels prefer.
    plenty = 2 * size < here.free_bytes and size < least_free(here)
    if isinstance(asked, int) and plenty:
        return asked
    from sidecar.models.memory_estimate.estimate import Planner

    header = read_header(path)
    if header is None:
        limits = {} if asked == "auto" else {"max": asked} if isinstance(asked, int) else asked
        return most_of(limits, -1)
    planner = Planner(header, {**params, "gpuLayers": asked}, here)
    layers = planner.gpu_layers(planner.size)
    if isinstance(asked, dict) and layers < asked.get("min", 0):
        problem = f"/gpuLayers/min: {asked['min']} layers do not fit on the devices, {layers} do"
        allowed = {"maximum": layers}
        raise SidecarError(
            "outOfMemory", problem, pointer="/gpuLayers/min", value=asked["min"], allowed=allowed
        )
    for part in planner.plan(planner.size, layers):
        if 0 < part.free < part.copied:
            needed = f"{part.copied} bytes on {part.name}, {part.free} are available"
            problem, allowed = f"/path: the weights of {path!r} need {needed}", {"maximum": part.free}
            raise SidecarError("outOfMemory", problem, pointer="/path", value=part.copied, allowed=allowed)
    return layers
