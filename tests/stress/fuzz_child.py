"""One target under atheris: `python fuzz_child.py TARGET [libFuzzer's options] FOLDER`; a file is run once."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests/support", "tests/stress", "tests", "build")]

import atheris  # noqa: E402
import fuzz_targets  # noqa: E402

with atheris.instrument_imports(include=["sidecar"]):
    target = fuzz_targets.on(sys.argv[1])
atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
atheris.Fuzz()
