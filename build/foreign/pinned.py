"""What the lock pins for a platform. `python -m foreign.pinned MARKERS` prints it; the venv has `packaging`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final

from packaging.requirements import Requirement

import pins

UNNEEDED: Final = frozenset(
    [
        *("mypy", "mypy-extensions", "ast-serialize", "librt", "ruff", "types-jsonschema", "types-psutil"),
        *("pip", "hatchling", "editables", "pathspec", "trove-classifiers", "tomlkit"),
    ]
)
"""What checks and installs the checkout. The program and its tests do without."""

NOT_IN_WINE: Final = frozenset(["numpy"])
"""It calls crealf, which Wine 8 lacks, as soon as it is imported. Only some tests need it."""


def requirements(platform: Mapping[str, str]) -> list[str]:
    """The pinned packages, each with its hashes, that the platform of these markers takes."""
    version = platform["python_full_version"].rpartition(".")[0]
    markers = {**platform, "python_version": version}
    left_out = pins.ON_DEMAND | UNNEEDED | (NOT_IN_WINE if platform["sys_platform"] == "win32" else set())
    chosen = []
    for name, line in pins.pins():
        requirement, *hashes = line.split(" --hash=")
        marker = Requirement(requirement).marker
        if name in left_out or not (marker is None or marker.evaluate(markers)):
            continue
        # pip asks the marker of the Python that it runs in, so it does not see one.
        plain = requirement.partition(";")[0].strip()
        chosen.append(" --hash=".join([plain, *(each.strip() for each in hashes)]))
    return chosen


if __name__ == "__main__":
    print("\n".join(requirements(json.loads(sys.argv[1]))))
