"""Which of llama.cpp's CPU variants this processor loads. `setup` builds that one, `freeze` all."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Final

_AVX2: Final = frozenset({"sse4_2", "avx", "f16c", "fma", "avx2", "bmi2"})
_ICELAKE: Final = _AVX2 | {
    *("avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw", "avx512vbmi", "avx512_vnni")
}

VARIANTS: Final = {
    "sapphirerapids": _ICELAKE | {"avx512_bf16", "amx_tile", "amx_int8"},
    "zen4": _ICELAKE | {"avx512_bf16"},
    "icelake": _ICELAKE,
    "alderlake": _AVX2 | {"avx_vnni"},
    "haswell": _AVX2,
    "sandybridge": frozenset({"sse4_2", "avx"}),
    "sse42": frozenset({"sse4_2"}),
    "x64": frozenset[str](),
}
"""Variant → the features it needs, as Linux names them; best first. Source: ggml/src/CMakeLists.txt."""

_CPUINFO: Final = Path("/proc/cpuinfo")


def variant() -> str:
    """The variant for this processor; empty if it is unknown, and so all must be built."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not _CPUINFO.exists():
        return ""
    return best(_CPUINFO.read_text(encoding="utf-8", errors="replace"))


def best(cpuinfo: str) -> str:
    """The best variant for the first processor in the text of /proc/cpuinfo; empty if it lists none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            features = frozenset(value.split())
            return next(variant for variant, needed in VARIANTS.items() if needed <= features)
    return ""
