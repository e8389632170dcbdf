"""Where llama.cpp puts a model's weights: devices, their shares, and experts that stay on the CPU."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from sidecar.core.llama import devices, ggml
from sidecar.hardware import device_choice
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from typing_extensions import NotRequired

    from sidecar.core.llama.c_api import llama_model_params
    from sidecar.message_handler._types import LoadModelParams, ModelId

    class LoadParams(LoadModelParams):
        """The params of loadModel with what the router adds: an id, and settings of `init`."""

        modelId: ModelId  # noqa: N815  # names on the wire
        gpu: str | Literal[False]
        maxThreads: int | None  # noqa: N815
        rpcServers: NotRequired[list[str]]  # noqa: N815
        mediaDirectories: NotRequired[list[str]]  # noqa: N815


SPLIT_MODES: Final = {"none": 0, "layer": 1, "row": 2}
"""Wire value → llama_split_mode (llama.h)."""

DIRECT_IO: Final = 4
"""LLAMA_LOAD_MODE_DIRECT_IO (llama.h)."""

EXPERTS: Final = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"
"""The names of experts' tensors, as the regular expression that llama.cpp takes (common.h)."""

MAX_DEVICES: Final = 16
"""Of `devices`, and the length of the list of shares that llama.cpp reads (llama_max_devices)."""


class Placement(NamedTuple):
    """The devices in the order of the layers, how they share the model, and the index of the main one."""

    handles: list[int]
    mode: int = SPLIT_MODES["layer"]
    main: int = 0


class _Override(ctypes.Structure):
    """llama_model_tensor_buft_override (llama.h): tensors with these names go into this kind of memory."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


def place(params: LoadParams) -> Placement:
    """The devices for a model. Raises SidecarError as `devices.of_model` and `device_choice.choose`."""
    remote = params.get("rpcServers") or []
    usual = devices.of_model(params["gpu"], remote if params.get("gpuLayers") != 0 else [])
    if not any(field in params for field in device_choice.FIELDS):
        return Placement(usual)
    own = [ggml.describe(handle) for handle in usual]
    others = [device for device in ggml.devices() if device["handle"] not in usual]
    gpus = [device for device in others if device["type"] in ("gpu", "integratedGpu")]
    chosen, main = device_choice.choose(params, own, [*own, *gpus])
    handles, mode = [device["handle"] for device in chosen], params.get("splitMode", "layer")
    for device in chosen:
        if mode == "row" and not ggml.splits_rows(device["handle"]):
            problem = f"/splitMode: {device['name']} cannot hold rows: its backend is {device['backend']}"
            allowed = ["none", "layer"]
            raise SidecarError("invalidParams", problem, pointer="/splitMode", value=mode, allowed=allowed)
    return Placement(handles, SPLIT_MODES[mode], main)


def fill(
    options: llama_model_params, placed: Placement, params: LoadParams
) -> list[Any]:  # Any: ctypes' objects
    """Set all that is about places. Returns what must live until the model is loaded."""
    # A list that ends with a null pointer; an empty one means the CPU.
    offload = (ctypes.c_void_p * (len(placed.handles) + 1))(*placed.handles, None)
    options.devices = ctypes.cast(offload, ctypes.c_void_p)
    options.split_mode, options.main_gpu = placed.mode, placed.main
    shares = (ctypes.c_float * MAX_DEVICES)(*params.get("tensorSplit", ()))
    options.tensor_split = ctypes.cast(shares, ctypes.POINTER(ctypes.c_float))
    overrides = _overrides(params.get("expertsOnCpu", False))
    if len(overrides) > 1:
        options.tensor_buft_overrides = ctypes.cast(overrides, ctypes.c_void_p)
    return [offload, shares, overrides]


def load_mode(params: LoadParams) -> int:
    """How the file is read (llama_load_mode). Raises SidecarError `invalidParams` for ways that exclude each other."""
    if not params.get("useDirectIo", False):
        return int(params.get("useMmap", True)) + 2 * int(params.get("useMlock", False))
    for field in ("useMmap", "useMlock"):
        if params.get(field):
            raise conflicting_params(field, True, "/useDirectIo")
    return DIRECT_IO


def _overrides(experts: bool | int) -> ctypes.Array[_Override]:
    """llama.cpp's list for `expertsOnCpu`, which ends with an empty entry."""
    patterns = [EXPERTS] if experts is True else [rf"blk\.{layer}{EXPERTS}" for layer in range(int(experts))]
    cpu = ggml.cpu_buffer_type() if patterns else None
    entries = [_Override(pattern.encode(), cpu) for pattern in patterns]
    return (_Override * (len(entries) + 1))(*entries)
