"""How many schemas of a folder can be enforced, and how the masks judge the examples in it.

    python tests/bench/mask_coverage.py FOLDER [--every 15] [--check]

FOLDER has files of guidance-ai/jsonschemabench's `maskbench/data`: {schema, tests: [{data, valid}]}. The files are not
part of this repository. Needs no model.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]
from byte_model import MODEL, accepts  # noqa: E402

from sidecar.core.structured_output.json_schema import enforced  # noqa: E402
from sidecar.core.structured_output.llguidance_schema import Options  # noqa: E402
from sidecar.message_handler.errors import SidecarError  # noqa: E402

MAX_SHOWN = 12
"""Reasons for refusals that are printed."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each file of this number")
    parser.add_argument("--check", action="store_true", help="structure: check")
    parser.add_argument("--closed", action="store_true", help="otherProperties: never")
    asked = parser.parse_args()
    files = sorted(asked.folder.glob("*.json"))[:: asked.every]
    options = Options(checked=asked.check, others=not asked.closed)
    refused: collections.Counter[str] = collections.Counter()
    judged: collections.Counter[tuple[bool, bool]] = collections.Counter()
    times = []
    for file in files:
        content = json.loads(file.read_bytes())
        begin = time.process_time()
        try:
            held = enforced(MODEL, content["schema"], "", options)
        except SidecarError as error:
            refused[f"{error.kind} {error.details.get('value', '')}"] += 1
            continue
        times.append(1000 * (time.process_time() - begin))
        for test in content["tests"]:
            text = json.dumps(test["data"], ensure_ascii=False)
            fits = accepts(held.matcher, text)
            if fits and asked.check:
                try:
                    held.check.check(text)
                except SidecarError:
                    fits = False
            judged[test["valid"], fits] += 1
    times.sort()
    print(f"{len(times)} of {len(files)} schemas taken: {len(times) / len(files):.1%}")
    print(
        f"CPU to prepare and compile: p50 {times[len(times) // 2]:.2f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms"
    )
    print(f"valid examples: {judged[True, True]} taken, {judged[True, False]} refused")
    print(f"invalid examples: {judged[False, True]} taken, {judged[False, False]} refused")
    for reason, count in refused.most_common(MAX_SHOWN):
        print(f"{count:6} {reason}")


if __name__ == "__main__":
    main()
