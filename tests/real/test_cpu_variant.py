"""The CPU backend is compiled once per processor generation; the best that runs here is in use."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest
from conftest import Start
from process_work import COUNTED, count, load

from llama import processors
from sidecar.core.llama.cpu_backend import BEST_FIRST

pytestmark = [pytest.mark.process, pytest.mark.real]

RATE = """
import ctypes, json, re
from sidecar.core.llama import bindings
folder = bindings.lib._base_path
found = {file.stem.split("ggml-cpu-")[1]: file for file in folder.iterdir() if "ggml-cpu-" in file.name}
print(json.dumps({name: ctypes.CDLL(str(file)).ggml_backend_score() for name, file in found.items()}))
"""


def scores() -> dict[str, int]:
    """Variant of the installed bindings → how well it rates itself for this processor; 0: it cannot run."""
    rated = subprocess.run([sys.executable, "-c", RATE], capture_output=True, check=True, timeout=60)
    found: dict[str, int] = json.loads(rated.stdout)
    return found


def test_the_variant_in_use_is_the_best_that_runs_here(start: Start, model_path: str) -> None:
    rated = scores()
    assert min(rated.values()) >= 0
    sidecar = start()
    chosen = sidecar.call("init")["llamaCpp"]["cpuVariant"]
    assert rated[chosen] == max(rated.values()) > 0
    load(sidecar, model_path)
    assert count(sidecar) == COUNTED


def test_variants_rate_themselves_in_the_order_in_which_they_are_tried() -> None:
    rated = scores()
    runnable = [rated[variant] for variant in BEST_FIRST if rated.get(variant)]
    assert runnable == sorted(runnable, reverse=True)
    if platform.machine() == "x86_64":
        assert set(rated) <= set(BEST_FIRST), (
            "a variant that is not in the list is tried first, whatever it is"
        )
        assert len(rated) in (1, len(BEST_FIRST)), "`setup` builds this processor's variant, `freeze` all"


def test_what_is_built_first_is_the_best() -> None:
    rated = scores()
    assert processors.variant() in ("", max(rated, key=lambda variant: rated[variant]))
