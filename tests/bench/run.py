"""Measures the program through its pipe, compares it with its peers, and prints tables.

Each ratio comes from short readings in turn (ours, the peer's, ours, …), so a machine that drifts does not
move it. Absolute figures do move with the machine. A group ends within 10 minutes on a slow machine.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "build"))

import plot  # noqa: E402
import startup  # noqa: E402
from groups import (  # noqa: E402
    against,
    client,
    contexts,
    conversations,
    engine,
    growth,
    latency,
    media,
    speed,
    start,
    structure,
    transfer,
    wine,
)
from groups.setting import Setting  # noqa: E402
from pairs import PAIRS, Limits  # noqa: E402
from peers import install  # noqa: E402
from pipe import Program  # noqa: E402
from table import Row, as_json, show  # noqa: E402

from ship import freeze  # noqa: E402

MODEL = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SECONDS = 90.0
"""At most, per comparison; a group may have shorter ones."""

QUICK_SECONDS, QUICK_PAIRS = 4.0, 5

Measure = Callable[[Setting], list[Row]]


GROUPS: dict[str, tuple[Measure, str]] = {
    "speed": (speed.rows, "one stream, eight streams, a prompt, memory"),
    "streams": (growth.streams, "1 to 8 streams"),
    "prompts": (growth.prompts, "prompts of 16 to 4,096 tokens"),
    "engine": (engine.rows, "first tokens, a long prompt during streams, embeddings, prompt look-up"),
    "conversations": (conversations.rows, "the next turn of a conversation, a switch between conversations"),
    "contexts": (contexts.rows, "one pool of tokens, and the same text on request, beside the default"),
    "structure": (structure.rows, "texts under a schema"),
    "media": (media.rows, "pictures: first tokens, pauses of other streams, memory of projectors"),
    "start": (partial(start.rows, programs=freeze.PROGRAMS), "size and start-up of each form"),
    "latency": (latency.rows, "abort, ping, idle, exit"),
    "client": (client.rows, "the npm package's client"),
    "transfer": (transfer.rows, "downloads over loopback"),
    "wine": (wine.rows, "the Windows program in Wine, if it was made"),
}
QUICK = ("speed", "start")
AGAINST = {"start": against.start, "speed": against.speeds}


def main() -> int:
    """Measure and print; returns the exit status."""
    options = _arguments()
    if options.startup:
        startup.show(freeze.PROGRAMS)
        return 0
    if options.peers:
        install.prepare()
    if options.plot:
        plot.prepare()
    begin, rows, status = time.monotonic(), [], 0
    for group, measure in _measures(options).items():
        started = time.monotonic()
        try:
            found = measure(_setting(options))
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            print(f"\n{group}, {time.monotonic() - started:.0f} s: {error}. The other groups follow.")
            status = 1
            continue
        print(f"\n{group}, {time.monotonic() - started:.0f} s")
        show(found)
        rows += found
    print(f"All took {time.monotonic() - begin:.0f} s.")
    if options.plot:
        plot.draw(rows)
    if options.json:
        options.json.write_text(json.dumps(as_json(rows), indent=1) + "\n", encoding="utf-8")
    return status


def _measures(options: argparse.Namespace) -> dict[str, Measure]:
    """Group → what measures it."""
    if options.against:
        other = against.program(options.against)
        names = options.only or AGAINST
        name = options.against.name
        return {group: partial(AGAINST[group], other=other, name=name) for group in names}
    if options.quick and not options.only:
        left_out = ", ".join(group for group in GROUPS if group not in QUICK)
        print(f"--quick: {QUICK_PAIRS} pairs per comparison or fewer; without {left_out} and node-llama-cpp.")
    groups = options.only or (QUICK if options.quick else GROUPS)
    return {group: GROUPS[group][0] for group in groups}


def _setting(options: argparse.Namespace) -> Setting:
    program = Program([sys.executable, "-m", "sidecar"], ROOT)
    if options.runtime != "source":
        program = Program([str(freeze.PROGRAMS[options.runtime])])
    pairs = options.pairs or (QUICK_PAIRS if options.quick else PAIRS)
    seconds = QUICK_SECONDS if options.quick else SECONDS
    if options.pairs or (options.against and not options.quick):
        seconds = math.inf  # with --pairs or --against there is no time limit
    return Setting(program, str(MODEL), say, Limits(pairs, seconds), options.quick)


def _arguments() -> argparse.Namespace:
    groups = "\n".join(f"  {name:13} {what}" for name, (_, what) in GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="dev.py bench",
        description=__doc__,
        epilog=f"groups:\n{groups}\n\ntests/bench/README.md says how to read the tables.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--peers", action="store_true", help="build and install the peers first (minutes, once)"
    )
    parser.add_argument(
        "--only", type=_groups, metavar="GROUPS", help="measure these groups, as in speed,start"
    )
    parser.add_argument("--quick", action="store_true", help="fewer groups and pairs: ends within 2 minutes")
    parser.add_argument(
        "--against",
        type=lambda path: Path(path).resolve(),
        metavar="PATH",
        help="compare with another checkout, which has its own .venv, or with a frozen program (groups start, speed)",
    )
    parser.add_argument(
        "--pairs",
        type=int,
        metavar="N",
        help=f"pairs per comparison (default {PAIRS}), without a limit of time",
    )
    parser.add_argument(
        "--runtime",
        choices=("source", *freeze.PROGRAMS),
        default="source",
        help="which form of the program (default: %(default)s)",
    )
    parser.add_argument(
        "--plot",
        action="store_true",
        help="draw the groups streams and prompts into .github/ (with matplotlib)",
    )
    parser.add_argument(
        "--startup", action="store_true", help="show where start-up time goes, and nothing else"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    options = parser.parse_args()
    if options.plot and options.only and not {"streams", "prompts"} <= set(options.only):
        parser.error("--plot needs the groups streams and prompts")
    if options.against and not set(options.only or AGAINST) <= set(AGAINST):
        parser.error("--against compares the groups start and speed only")
    return options


def _groups(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(GROUPS)}")
    return names


def say(what: str) -> None:
    """Progress, on stderr."""
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
