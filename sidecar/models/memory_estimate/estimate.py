"""Whether a model runs here: its memory on each device, the number of layers on GPUs, the largest context.

All is calculated from the header, before anything is loaded. buffers.py has the sizes.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from sidecar.hardware.device_choice import CPU, most_of
from sidecar.hardware.machine import Machine
from sidecar.message_handler._wire import DEFAULTS
from sidecar.models.gguf.header import Header, Tensor
from sidecar.models.memory_estimate.buffers import (
    CELLS,
    EXPERTS,
    HEAD_DRAFT_TOKENS,
    LOOKED_UP,
    MAX_DEFAULT_CONTEXT_SIZE,
    MORE_THAN_KEYS_AND_VALUES,
    RESERVED_OUTPUTS,
    ModelShape,
)
from sidecar.models.memory_estimate.device_share import FULL, DeviceShare, add_weights, fits_on, lacking
from sidecar.models.memory_estimate.projector_memory import needed_bytes

if TYPE_CHECKING:
    from sidecar.message_handler._types import LayerRange

MAX_CONTEXT_SIZE: Final = 2**24


def estimate(
    header: Header,
    params: dict[str, Any],  # EstimateModelParams or CreateContextParams, validated
    machine: Machine,
    projector: Header | None = None,
) -> dict[str, object]:
    """The result of estimateModel, without `path`, `source` and `projectorPath`."""
    return Planner(header, params, machine, projector=projector).describe()


class Planner:
    """Plans the memory of a model and one context on a machine.

    `loaded`: the weights are in memory already, so only the context counts. `projector`: the header of one that is
    loaded with the model.
    """

    def __init__(
        self,
        header: Header,
        params: dict[str, Any],  # EstimateModelParams or CreateContextParams, validated
        machine: Machine,
        *,
        loaded: bool = False,
        projector: Header | None = None,
    ) -> None:
        asked = {**DEFAULTS["EstimateModelParams"], **params}
        self.shape = ModelShape(header, asked.get("mtp", False))
        self._drafts: int = asked.get("draftTokens", HEAD_DRAFT_TOKENS if self.shape.has_head else 0)
        self.sequences: int = asked["sequences"]
        self.cache_type: str = asked["kvCacheType"]
        self._cache_types = self.cache_type, asked.get("valueCacheType", self.cache_type)
        self._batch = max(asked["batchSize"], self.sequences)
        self._flash = asked.get("flashAttention") is not False
        self._keeps_windows = not asked["swaFull"]
        self._mapped = asked.get("useMmap", True) and not asked.get("useDirectIo")
        self._shares: list[float] = asked.get("tensorSplit", [])
        experts: bool | int = asked["expertsOnCpu"]
        self._cpu_experts = len(self.shape.layers) if experts is True else int(experts)
        """How many layers, from the first one on, have their experts on the CPU."""
        self._margins: int | dict[str, int] | None = asked.get("memoryMarginBytes")
        self._asked_layers: int | str | LayerRange = asked["gpuLayers"] if machine.gpus else 0
        self._machine = machine
        self._loaded = loaded
        self._projector_bytes = needed_bytes(projector) if projector else 0
        self._trained = min(self.shape.trained or MAX_DEFAULT_CONTEXT_SIZE, MAX_CONTEXT_SIZE)
        self.size: int = asked.get("contextSize", min(self._trained, MAX_DEFAULT_CONTEXT_SIZE))

    def describe(self) -> dict[str, object]:
        """The result of estimateModel, without `path`, `source` and `projectorPath`."""
        layers = self.gpu_layers(self.size)
        shares = self.plan(self.size, layers)
        largest = self.largest()
        runs, why = self._verdict(shares, largest)
        return {
            "contextSize": self.size,
            "sequences": self.sequences,
            "kvCacheType": self.cache_type,
            "gpuLayers": layers,
            "weightsBytes": sum(share.weights for share in shares),
            "kvCacheBytes": sum(share.caches for share in shares),
            "computeBytes": sum(share.compute for share in shares),
            "projectorBytes": self._projector_bytes,
            "totalBytes": sum(share.total for share in shares),
            "devices": [share.describe() for share in shares],
            "largestContextSize": largest,
            "runs": runs,
            "why": why,
        }

    def gpu_layers(self, size: int) -> int:
        """llama.cpp's n_gpu_layers for a context of `size` tokens. One more than all layers includes the output."""
        everything = len(self.shape.layers) + 1
        if isinstance(self._asked_layers, int):
            return min(self._asked_layers, everything)

        limits: LayerRange = self._asked_layers if isinstance(self._asked_layers, dict) else {}

        def fits(layers: int) -> bool:
            return all(fits_on(part, FULL) for part in self.plan(size, layers)[1:])

        return _last(range(min(most_of(limits, everything), everything) + 1), fits)

    def largest(self, share: float = 1, second: Planner | None = None, most: int | None = None) -> int:
        """Tokens per sequence that fit into this share of the free memory, at most the trained size, or `most`.

        `second` plans another context of the same size on the same devices. 0: nothing fits.
        """

        most = self._trained if most is None else most

        def fits(cells: int) -> bool:
            size = min(cells * CELLS, most)
            parts = self.plan(size, self.gpu_layers(size))
            others = second.plan(size, second.gpu_layers(size)) if second is not None else []
            for part, other in zip(parts, others, strict=False):
                part.compute += other.needed
            return lacking(parts, share) is None

        return min(_last(range(-(-most // CELLS) + 1), fits) * CELLS, most)

    def plan(self, size: int, gpu_layers: int) -> list[DeviceShare]:
        """The shares of all devices: the CPU first, then the GPUs (llama-model.cpp, load_tensors)."""
        shape, gpus = self.shape, self._machine.gpus
        cpu = DeviceShare(CPU, "cpu", self._machine.free_bytes, self._margin_of(CPU))
        parts = [
            DeviceShare(gpu["name"], gpu["type"], gpu["memoryFreeBytes"], self._margin_of(gpu["name"]))
            for gpu in gpus
        ]
        first = len(shape.layers) + 1 - gpu_layers
        edges = list(accumulate(self._shares or [max(1, part.free) for part in parts]))

        def device(index: int) -> DeviceShare:
            if index < first:
                return cpu
            share = (index - first) / gpu_layers * edges[-1]
            return parts[bisect.bisect_right(edges, share)]

        cells = -(-size // CELLS) * CELLS
        windows = self._window_cells(size, cells)
        outputs_on = device(len(shape.layers))
        on_cpu = [
            tensor for tensor in shape.rest if outputs_on is cpu or not tensor.name.startswith("output")
        ]
        tied = shape.tied
        for index, layer in enumerate(shape.layers):
            part = device(index)
            part.layers += layer.loaded
            held = windows if layer.windowed else cells
            part.caches += shape.cache_bytes(
                layer, held, self.sequences, self._cache_types, self._flash, self._drafts
            )
            for tensor in layer.tensors:
                if part is cpu or self._stays(index, tensor):
                    on_cpu.append(tensor)
                else:
                    add_weights(part, [tensor])
        if outputs_on is not cpu:
            elsewhere = [tensor for tensor in shape.rest if tensor.name.startswith("output")]
            add_weights(outputs_on, [*elsewhere, *([tied] if tied else [])])
        self._add_to_cpu(cpu, on_cpu, tied if outputs_on is cpu else None)
        self._add_compute(cpu, [cpu, *parts], outputs_on, size, cells)
        if shape.has_head:
            self._add_head(cpu, device(len(shape.layers) - 1), outputs_on, size, cells)
        near = [part for part, gpu in zip(parts, gpus, strict=True) if "endpoint" not in gpu]
        (near[0] if near and self._asked_layers != 0 else cpu).projector = self._projector_bytes
        if self._loaded:
            for part in (cpu, *parts):
                part.weights = part.kept = part.copied = 0
        return [cpu, *parts]

    def _stays(self, index: int, tensor: Tensor) -> bool:
        """Whether a tensor of this layer stays on the CPU: it is of the experts, and `expertsOnCpu` says so."""
        return index < self._cpu_experts and tensor.name.split(".")[2] in EXPERTS

    def _window_cells(self, size: int, cells: int) -> int:
        tokens = min(self._batch, size * self.sequences)
        return self.shape.window_cells(cells, tokens) if self._keeps_windows else cells

    def _add_to_cpu(self, cpu: DeviceShare, tensors: Iterable[Tensor], tied: Tensor | None) -> None:
        """The mapped range reaches from the first tensor to the last; repacked copies come in addition."""
        features = self._machine.features
        plain = []
        for tensor in tensors:
            copy = 0 if tensor.name in LOOKED_UP else self.shape.copied_bytes(tensor, features)
            cpu.copied += copy
            if not copy and tensor.size:
                plain.append(tensor)
        if tied:
            cpu.copied += self.shape.copied_bytes(tied, features)
        size = sum(tensor.size or 0 for tensor in plain)
        cpu.kept = cpu.copied + size
        cpu.weights = cpu.kept
        if self._mapped and plain:
            ends = [tensor.offset + (tensor.size or 0) for tensor in plain]
            cpu.weights = cpu.copied + max(ends) - min(tensor.offset for tensor in plain)
        elif not self._mapped:
            cpu.copied += size

    def _add_compute(
        self, cpu: DeviceShare, parts: Iterable[DeviceShare], outputs_on: DeviceShare, size: int, cells: int
    ) -> None:
        shape = self.shape
        windows = self._window_cells(size, cells) if any(layer.windowed for layer in shape.layers) else 0
        tokens = min(self._batch, size * self.sequences)
        outputs = min(max(self.sequences, RESERVED_OUTPUTS), tokens)
        for part in parts:
            if part.layers or (part is cpu and self._cpu_experts):
                part.compute = shape.compute_bytes(cells, windows, tokens, self.sequences, self._flash)
            if part is outputs_on:
                part.compute = max(part.compute, shape.output_bytes(outputs))
        cpu.compute = max(
            cpu.compute, 4 * tokens * shape.width
        )  # the embeddings, even if all layers are on GPUs
        cpu.compute += 4 * self.sequences * shape.vocabulary  # logits that the CPU reads (output_reserve)

    def _add_head(
        self, cpu: DeviceShare, head_on: DeviceShare, outputs_on: DeviceShare, size: int, cells: int
    ) -> None:
        """What the context of the model's head computes with (speculation/mtp_head.py); its cache is counted."""
        shape = self.shape
        tokens = min(self._batch, size * self.sequences)
        outputs = min(max(self.sequences, RESERVED_OUTPUTS), tokens)
        step = shape.compute_bytes(cells, 0, tokens, self.sequences, self._flash, head=True)
        logits = shape.output_bytes(outputs)
        if head_on is outputs_on:
            head_on.compute += max(step, logits)
        else:
            head_on.compute += step
            outputs_on.compute += logits
        cpu.compute += 4 * self.sequences * (shape.vocabulary + shape.width)
        cpu.compute += 4 * tokens * shape.width  # the states that the model hands out

    def _margin_of(self, device: str) -> int | None:
        return self._margins.get(device) if isinstance(self._margins, dict) else self._margins

    def _verdict(self, parts: list[DeviceShare], largest: int) -> tuple[str, str]:
        rough = ""
        if self.shape.architecture in MORE_THAN_KEYS_AND_VALUES or not self.shape.layers:
            kind = self.shape.architecture or "unknown"
            rough = f"; only a rough estimate for the architecture {kind}"
        too_small = lacking(parts)
        needed = sum(part.needed for part in parts)
        if too_small is not None:
            less = f"; with {largest} tokens of context it would fit" if largest else ""
            name, wanted, free = too_small
            return "no", f"It needs {_size(wanted)} on {name}, where {_size(free)} are free{less}{rough}."
        if lacking(parts, FULL) is not None:
            return "tight", f"It needs {_size(needed)} and leaves little for everything else{rough}."
        free = sum(part.free for part in parts)
        return "yes", f"It needs {_size(needed)} of {_size(free)} that are free{rough}."


def _last(candidates: range, holds: Callable[[int], bool]) -> int:
    """The last candidate for which `holds` is true: true for all before it, false for all after it."""
    low, high = candidates[0], candidates[-1]
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
