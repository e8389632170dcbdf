"""Which CPU variant a processor gets before it is built."""

from __future__ import annotations

import platform
import sys

import pytest

from llama import processors
from sidecar.core.llama.cpu_backend import BEST_FIRST

OF_2008 = "fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt"
OF_2011 = f"{OF_2008} avx"
OF_2013 = f"{OF_2011} f16c fma avx2 bmi1 bmi2"
OF_2017 = f"{OF_2013} avx512f avx512dq avx512cd avx512bw avx512vl"
OF_2019 = f"{OF_2017} avx512vbmi avx512_vbmi2 avx512_vnni"


@pytest.mark.parametrize(
    ("features", "variant"),
    [
        ("fpu sse sse2", "x64"),
        (OF_2008, "sse42"),
        (OF_2011, "sandybridge"),
        (f"{OF_2011} f16c fma", "sandybridge"),
        (OF_2013, "haswell"),
        (f"{OF_2013} avx_vnni", "alderlake"),
        (OF_2017, "haswell"),
        (f"{OF_2017} avx512_vnni", "haswell"),
        (OF_2019, "icelake"),
        (f"{OF_2019} avx_vnni avx512_bf16", "zen4"),
        (f"{OF_2019} avx_vnni avx512_bf16 amx_bf16 amx_tile amx_int8", "sapphirerapids"),
    ],
)
def test_the_best_that_its_features_allow(features: str, variant: str) -> None:
    assert processors.best(f"processor\t: 0\nflags\t\t: {features}\nbugs\t\t:\n\nflags\t\t: fpu\n") == variant


def test_without_a_list_of_features_it_is_not_known() -> None:
    assert processors.best("processor\t: 0\nFeatures\t: fp asimd\n") == ""


def test_the_engine_tries_them_in_the_same_order() -> None:
    assert tuple(processors.VARIANTS) == BEST_FIRST


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="known on Linux, x86-64"
)
def test_this_processor_has_one() -> None:
    assert processors.variant() in processors.VARIANTS
