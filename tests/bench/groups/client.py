"""What the npm package's client costs an app, beside reading the program's pipe bare: see client.mjs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers  # noqa: F401 - puts build/ on the path
from table import Row

import node  # isort: skip
from checkout import NPM_PACKAGE, Failed, call  # isort: skip

SCRIPT = Path(__file__).with_name("client.mjs")


def rows(command: list[str], model: str, say: Callable[[str], None]) -> list[Row]:
    """All figures; the peer is a reader that only looks for newlines and for the answer's id."""
    say("the npm package's client")
    with_node = node.with_packages()
    if call([*with_node.npm, "run", "--silent", "build"], with_node.env, cwd=NPM_PACKAGE) != 0:
        raise Failed("the npm package cannot be built.")
    run = subprocess.run(
        [with_node.program, SCRIPT, json.dumps(command), model], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(run.stdout)
    result = []
    for key, name in (("streams1", "one stream"), ("streams8", "eight streams")):
        speed, cost = found[key]["tokensPerSecond"], found[key]["cpuMsPer1000Tokens"]
        result.append(Row(f"{name}, through the client", "tokens/s", speed["client"], speed["pipe"]))
        result.append(Row("  the app's processor time, of 1,000 tokens", "ms", cost["client"], cost["pipe"]))
    stalls = found["eventLoopMs"]
    for name, text in (("p50", "half of them"), ("p99", "p99"), ("max", "the worst")):
        row = Row(
            f"a timer of 1 ms beside eight streams, {text}",
            "ms",
            stalls["client"][name],
            stalls["pipe"][name],
        )
        result.append(row)
    pings = found["pingsPerSecond"]
    result.append(Row("small calls, a hundred at once", "calls/s", pings["hundredAtOnce"]))
    result.append(Row("small calls, one by one", "calls/s", pings["oneByOne"]))
    return result
