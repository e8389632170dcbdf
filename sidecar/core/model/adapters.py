"""LoRA adapters: loaded with the model, and how strongly each counts for a request.

llama.cpp applies one set of scales to a whole context at a time. So a batch has requests of one set only, and
a cache holds for the set that it was computed with.
"""

from __future__ import annotations

import ctypes
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sidecar.core.llama.bindings import lib
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.gguf.fingerprint import fingerprint

if TYPE_CHECKING:
    from sidecar.core.model.model import Model

Scales = tuple[float, ...]
"""How strongly each of the model's adapters counts; 0: not at all."""


class Adapter:
    """Owns a llama_adapter_lora, for as long as the model lives."""

    def __init__(self, handle: Any, path: str, scale: float) -> None:
        self.handle = handle
        self.path = path
        self.scale = scale

    @cached_property
    def fingerprint(self) -> str:
        """A hash by which its weights are known."""
        return fingerprint([self.path])


def load(model_handle: int, architecture: str, wanted: list[dict[str, Any]]) -> list[Adapter]:
    """Load adapters. Raises SidecarError: see `gguf.check_readable`, `gguf.read_header`; `unsuitableAdapter`."""
    adapters = []
    for place, adapter in enumerate(wanted):
        path, pointer = adapter["path"], f"/adapters/{place}/path"
        _check(path, pointer, architecture)
        handle = lib.llama_adapter_lora_init(model_handle, os.fsencode(path))
        if not handle:
            raise _unsuitable(path, pointer, None)  # the caller knows llama.cpp's log
        if lib.llama_adapter_get_alora_n_invocation_tokens(handle):
            raise _unsuitable(path, pointer, "adapters that some tokens switch on (aLoRA) are not supported")
        adapters.append(Adapter(handle, path, adapter.get("scale", 1.0)))
    return adapters


def _check(path: str, pointer: str, architecture: str) -> None:
    """Look at the header before llama.cpp does, which ends its process over values of another type."""
    try:
        header = reader.read_header(path)
    except SidecarError as error:
        error.point_to(pointer)
        raise
    if header.typed("general.type", str) != "adapter" or header.typed("adapter.type", str) != "lora":
        raise _unsuitable(path, pointer, "its header does not say that it is a LoRA adapter")
    if header.typed("adapter.lora.alpha", float) is None:
        raise _unsuitable(path, pointer, "its header does not tell adapter.lora.alpha")
    if header.architecture != architecture:
        cause = f"it is for the architecture {header.architecture!r:.50}, the model's is {architecture!r}"
        raise _unsuitable(path, pointer, cause)


def _unsuitable(path: str, pointer: str, cause: str | None) -> SidecarError:
    problem = f"{pointer}: {path!r} is no adapter for this model"
    details = {} if cause is None else {"cause": cause}
    return SidecarError("unsuitableAdapter", problem, pointer=pointer, value=path[:500], **details)


def scales_of(model: Model, params: dict[str, Any]) -> Scales:
    """The scales that a request asks for. Raises SidecarError `invalidParams` for what was not loaded."""
    if "adapters" not in params:
        return model.scales
    scales = [0.0] * len(model.adapters)
    seen = set()
    for place, asked in enumerate(params["adapters"]):
        number = asked["id"]
        if number >= len(scales) or number in seen:
            pointer = f"/adapters/{place}/id"
            why = "is named twice" if number in seen else f"was not loaded with {model.model_id}"
            problem = f"{pointer}: the adapter {number} {why}"
            allowed = list(range(len(scales)))
            raise SidecarError("invalidParams", problem, pointer=pointer, value=number, allowed=allowed)
        seen.add(number)
        scales[number] = float(asked["scale"])
    return tuple(scales)


def apply(context_handle: int, model: Model, scales: Scales) -> None:
    """Let the context compute with these scales. It must not compute at the moment."""
    count = len(scales)
    handles = (lib.llama_adapter_lora_p_ctypes * count)(*(adapter.handle for adapter in model.adapters))
    lib.llama_set_adapters_lora(context_handle, handles, count, (ctypes.c_float * count)(*scales))


def told(model: Model, scales: Scales) -> list[list[Any]]:
    """A set as it is written into files: by the adapters' weights, as their places may change."""
    pairs = zip(model.adapters, scales, strict=True)
    return sorted([adapter.fingerprint, scale] for adapter, scale in pairs if scale)


def found(model: Model, written: Any) -> Scales | None:
    """The scales that were written into a file; None if the model has no such adapters."""
    by_weights = {adapter.fingerprint: place for place, adapter in enumerate(model.adapters)}
    scales = [0.0] * len(model.adapters)
    try:
        for name, scale in written:
            scales[by_weights[name]] = float(scale)
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(scales)
