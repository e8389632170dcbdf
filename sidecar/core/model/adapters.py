"""LoRA adapters: they are loaded with the model, and each request chooses their scales.

llama.cpp applies one set of scales to a whole context at a time. So all requests in a batch have the same scales,
and a KV cache is valid only for the scales that it was computed with.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sidecar.core.llama.bindings import lib
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.gguf.fingerprint import fingerprint

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import AdapterPointer, ContextPointer, ModelPointer
    from sidecar.message_handler._types import Adapter as AdapterParams
    from sidecar.message_handler._types import SamplingParams

Scales = tuple[float, ...]
"""One factor for each adapter of the model; 0 switches the adapter off."""


class Adapter:
    """One adapter. The model owns its memory and frees it."""

    def __init__(self, handle: AdapterPointer, path: str, scale: float) -> None:
        self.handle = handle
        self.path = path
        self.scale = scale
        """For requests that name no adapters."""

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights."""
        return fingerprint([self.path])


class Adapters:
    """The adapters of one model. An adapter's `id` on the wire is its index here."""

    def __init__(self, model_id: str, adapters: Sequence[Adapter]) -> None:
        self._model_id = model_id
        self._adapters = adapters
        self.default_scales: Scales = tuple(adapter.scale for adapter in adapters)

    def scales_of(self, params: SamplingParams) -> Scales:
        """The scales that a request asks for. Raises SidecarError `invalidParams` for an unknown adapter."""
        if "adapters" not in params:
            return self.default_scales
        scales = [0.0] * len(self._adapters)
        seen = set()
        for place, asked in enumerate(params["adapters"]):
            number = asked["id"]
            if number >= len(scales) or number in seen:
                pointer = f"/adapters/{place}/id"
                why = "is named twice" if number in seen else f"was not loaded with {self._model_id}"
                problem = f"{pointer}: the adapter {number} {why}"
                allowed = list(range(len(scales)))
                raise SidecarError("invalidParams", problem, pointer=pointer, value=number, allowed=allowed)
            seen.add(number)
            scales[number] = float(asked["scale"])
        return tuple(scales)

    def apply(self, context: ContextPointer, scales: Scales) -> None:
        """Compute with these scales from now on. The context must not be computing."""
        count = len(scales)
        handles = (lib.llama_adapter_lora_p_ctypes * count)(*(each.handle for each in self._adapters))
        lib.llama_set_adapters_lora(context, handles, count, (ctypes.c_float * count)(*scales))

    def to_fingerprints(self, scales: Scales) -> list[tuple[str, float]]:
        """The scales as a file keeps them: by the adapters' weights, because their ids may change."""
        pairs = zip(self._adapters, scales, strict=True)
        return sorted((adapter.fingerprint, scale) for adapter, scale in pairs if scale)

    def from_fingerprints(self, written: Any) -> Scales | None:  # Any: JSON of a file
        """The scales that a file keeps; None if the model does not have these adapters."""
        ids = {adapter.fingerprint: place for place, adapter in enumerate(self._adapters)}
        scales = [0.0] * len(self._adapters)
        try:
            for name, scale in written:
                scales[ids[name]] = float(scale)
        except (KeyError, TypeError, ValueError):
            return None
        return tuple(scales)


def load(model: ModelPointer, architecture: str, wanted: Sequence[AdapterParams]) -> list[Adapter]:
    """Load adapters for a model of this architecture.

    Raises SidecarError `unsuitableAdapter`, and those of `gguf.reader.read_header`.
    """
    adapters = []
    for place, adapter in enumerate(wanted):
        path, pointer = adapter["path"], f"/adapters/{place}/path"
        _check(path, pointer, architecture)
        handle = lib.llama_adapter_lora_init(model, os.fsencode(path))
        if not handle:
            raise _unsuitable(path, pointer, None)  # the caller adds llama.cpp's reason
        if lib.llama_adapter_get_alora_n_invocation_tokens(handle):
            raise _unsuitable(path, pointer, "adapters that some tokens switch on (aLoRA) are not supported")
        adapters.append(Adapter(handle, path, adapter.get("scale", 1.0)))
    return adapters


def _check(path: str, pointer: str, architecture: str) -> None:
    """Check the header before llama.cpp reads it: at values of a wrong type llama.cpp ends the process."""
    try:
        header = reader.read_header(path)
    except SidecarError as error:
        error.point_to(pointer)
        raise
    if header.typed("general.type", str) != "adapter" or header.typed("adapter.type", str) != "lora":
        raise _unsuitable(path, pointer, "its header does not say that it is a LoRA adapter")
    if header.typed("adapter.lora.alpha", float) is None:
        raise _unsuitable(path, pointer, "its header has no adapter.lora.alpha")
    if header.architecture != architecture:
        cause = f"it is for the architecture {header.architecture!r:.50}, the model's is {architecture!r}"
        raise _unsuitable(path, pointer, cause)


def _unsuitable(path: str, pointer: str, cause: str | None) -> SidecarError:
    problem = f"{pointer}: {path!r} is not an adapter for this model"
    details = {} if cause is None else {"cause": cause}
    return SidecarError("unsuitableAdapter", problem, pointer=pointer, value=path[:500], **details)
