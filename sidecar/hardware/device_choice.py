"""Which devices hold a model: the params `devices`, `splitMode`, `tensorSplit` and `mainDevice`, and their checks.

Names in `memoryMarginBytes` are checked, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sidecar.hardware.machine import Device, Machine
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from sidecar.message_handler._types import LayerRange, PlacementParams, SizeRange

FIELDS: Final = ("devices", "splitMode", "tensorSplit", "mainDevice", "memoryMarginBytes")

CPU: Final = "CPU"
"""Its name beside those of the devices."""

AnyDevice = TypeVar("AnyDevice", bound=Device)


def choose(
    params: PlacementParams,
    usual: Sequence[AnyDevice],
    known: Sequence[AnyDevice],
) -> tuple[list[AnyDevice], int]:
    """The devices in the order of the layers, and the index of the main one.

    `usual`: those that are used unless the params name others; `known`: all that can be named. Raises SidecarError
    `deviceNotFound`, or `invalidParams` for a split that is impossible.
    """
    by_name = {device["name"]: device for device in reversed(known)}
    names = [device["name"] for device in usual]
    if "devices" in params:
        for index, name in enumerate(params["devices"]):
            _check_known(name, f"/devices/{index}", by_name)
        names = params["devices"]
    mode, main = params.get("splitMode", "layer"), params.get("mainDevice")
    if main is not None:
        _check_known(main, "/mainDevice", by_name)
        if main not in names:
            problem = f"/mainDevice: {main!r} is not among the devices of the model: {', '.join(names)}"
            raise SidecarError(
                "invalidParams", problem, pointer="/mainDevice", value=main, allowed=list(names)
            )
    _check_shares(params, mode, len(names))
    margins = params.get("memoryMarginBytes")
    if isinstance(margins, dict):
        for name in margins:
            part = name[:100].replace("~", "~0").replace("/", "~1")
            _check_known(name, f"/memoryMarginBytes/{part}", {CPU: None, **by_name})
    index = 0 if main is None else names.index(main)
    chosen = [by_name[name] for name in names] if "devices" in params else list(usual)
    return (chosen[index : index + 1], 0) if mode == "none" else (chosen, index)


def machine_for(
    params: Any,  # EstimateModelParams, validated
    gpu: str = "cpu",
    devices: Sequence[Device] = (),
    system_info: str = "",
) -> Machine:
    """This machine with the devices that a model would use. The other arguments are those of `Machine.here`.

    Raises SidecarError as `choose` and `check_range`.
    """
    check_range(params.get("gpuLayers"), "/gpuLayers")
    here = Machine.here(gpu, devices, system_info)
    gpus = [device for device in devices if device["type"] in ("gpu", "integratedGpu")]
    chosen, _ = choose(params, here.gpus, [*here.gpus, *gpus])
    return Machine(here.free_bytes, chosen, here.features)


def _check_known(name: str, pointer: str, by_name: Mapping[str, object]) -> None:
    if name not in by_name:
        known = list(by_name)[::-1]
        there = f"there are: {', '.join(known)}" if known else "there is none but the CPU"
        problem = f"{pointer}: there is no device {name!r:.100} that can hold layers; {there}"
        raise SidecarError("deviceNotFound", problem, pointer=pointer, value=name[:100], allowed=known)


def _check_shares(params: PlacementParams, mode: str, count: int) -> None:
    shares, pointer = params.get("tensorSplit"), "/tensorSplit"
    if shares is None:
        return
    if mode == "none":
        raise conflicting_params("tensorSplit", shares, "/splitMode")
    if len(shares) != count:
        problem = f"{pointer}: it has {len(shares)} shares, and the model has {count} devices"
        allowed = {"minItems": count, "maxItems": count}
        raise SidecarError("invalidParams", problem, pointer=pointer, value=shares, allowed=allowed)
    if not sum(shares):
        problem = f"{pointer}: at least one share must be more than 0"
        raise SidecarError("invalidParams", problem, pointer=pointer, value=shares)


def check_range(asked: object, pointer: str) -> None:
    """Raise SidecarError `invalidParams` if the bounds of a `LayerRange` or `SizeRange` contradict each other."""
    if not isinstance(asked, dict):
        return
    before = None
    for name in ("min", "preferred", "max"):
        value = asked.get(name)
        if value is None:
            continue
        if before is not None and value < asked[before]:
            problem = f"{pointer}/{name}: {value} is less than {before}, which is {asked[before]}"
            allowed = {"minimum": asked[before]}
            raise SidecarError(
                "invalidParams", problem, pointer=f"{pointer}/{name}", value=value, allowed=allowed
            )
        before = name


def most_of(asked: LayerRange | SizeRange, otherwise: int) -> int:
    """What a range asks for, if it fits."""
    return asked.get("preferred", asked.get("max", otherwise))
