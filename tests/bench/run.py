"""`python build/dev.py bench`: the program through its pipe, beside its peers, in one run, as one table.

Absolute figures move with the machine and what else it does; ratios of one run are what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import ours
import peers  # puts build/ on the path
import startup
import transfer

import freeze  # isort: skip

ROOT = Path(__file__).parent.parent.parent
MODEL = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ROUNDS = 5
"""Rounds of the speed measurements; in each, every program runs for a moment. Medians are shown."""

REPEATS = 3
"""Readings of ours a round, after one that only warms up; their mean counts, as llama-bench does it."""

Rows = list[tuple[str, str, Any, Any, Any]]


def main() -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument(
        "--peers", action="store_true", help="build and install the peers first (minutes, once)"
    )
    parser.add_argument(
        "--runtime",
        choices=("source", *freeze.PROGRAMS),
        default="source",
        help="which program (%(default)s)",
    )
    parser.add_argument("--only", choices=("speed", "latency", "transfer"), help="a part of it")
    parser.add_argument("--startup", action="store_true", help="show where start-up goes, and nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    if options.startup:
        startup.show(freeze.PROGRAMS)
        return 0
    if options.peers:
        peers.prepare()
    command = [sys.executable, "-m", "sidecar"]
    if options.runtime != "source":
        command = [str(freeze.PROGRAMS[options.runtime])]
    rows: Rows = []
    if options.only in (None, "speed"):
        rows += speed(command, str(MODEL))
    if options.only in (None, "latency"):
        rows += latency(command, str(MODEL))
    if rows:
        show(rows, "llama.cpp")
    if options.only in (None, "transfer"):
        downloads = transfer.rows(command, say)
        show(downloads, "hf_hub")
        rows += downloads
    if options.json:
        names = ("what", "unit", "sidecar", "llama.cpp", "node-llama-cpp")
        text = json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


def speed(command: list[str], model: str) -> Rows:
    """Tokens a second, in rounds."""
    llama, node = peers.Llama.find(), peers.NodeLlamaCpp.find()
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    pipe = ours.ready(command, model, 8)
    for run in range(ROUNDS):
        say(f"speed, round {run + 1} of {ROUNDS}")
        prompts = [ours.prompt_tokens_a_second(pipe, 10 * run + i) for i in range(REPEATS + 1)]
        note("ours prompt", statistics.fmean(prompts[1:]))
        for streams in (1, 2, 8):
            readings = [ours.streams_tokens_a_second(pipe, streams, 10 * run + i) for i in range(REPEATS + 1)]
            note(f"ours {streams}", statistics.fmean(readings[1:]))
        bare = peers.bare_loop(model, ours.THREADS, ours.GENERATED, REPEATS)
        note("bare sampled", bare["sampled"])
        note("bare unsampled", bare["unsampled"])
        if llama is not None:
            bench = llama.bench(model, ours.THREADS, 441, ours.GENERATED)
            note("llama prompt", bench["prompt"])
            note("llama 1", bench["decode"])
            for streams in (2, 8):
                note(f"llama {streams}", llama.batched(model, ours.THREADS, streams, ours.GENERATED))
        if node is not None:
            figures = node.measure(model, ours.THREADS, ours.GENERATED, ours.LONG_PROMPT)
            note("node prompt", figures["promptTokensPerSecond"])
            note("node memory", figures["memoryMb"])
            note("node init", figures["initMs"])
            note("node load", figures["loadMs"])
            for streams in (1, 2, 8):
                note(f"node {streams}", figures["streams"][str(streams)])
    median = {name: statistics.median(values) for name, values in found.items()}
    memory = ours.memory_mb(pipe)
    pipe.close()
    names = {"prompt": "prompt of 441 tokens", "1": "one stream", "2": "two streams", "8": "eight streams"}
    rows: Rows = [
        (text, "tokens/s", median[f"ours {key}"], median.get(f"llama {key}"), median.get(f"node {key}"))
        for key, text in names.items()
    ]
    for key, text in (("sampled", "greedily sampled"), ("unsampled", "not sampled")):
        row = (f"a bare Python loop, {text}", "tokens/s", median[f"bare {key}"], median.get("llama 1"), None)
        rows.append(row)
    rows.append(("memory, 8 × 1024 context, all processes", "MB", memory, None, median.get("node memory")))
    rows.append(("its import and getLlama", "ms", None, None, median.get("node init")))
    rows.append(("its loadModel", "ms", None, None, median.get("node load")))
    return rows


def latency(command: list[str], model: str) -> Rows:
    """Start, abort, ping, idle, exit."""
    say("start-up")
    start = ours.start_up_ms(command, model)
    rows: Rows = [
        ("start to ping answered", "ms", start["ping"], None, None),
        ("start to init answered", "ms", start["init"], None, None),
        ("loadModel", "ms", start["load"], None, None),
        ("start to first token of a chat", "ms", start["firstToken"], None, None),
    ]
    for operation in ("load", "prompt", "generate"):
        say(f"abort of {operation}")
        times = ours.abort_ms(command, model, operation)
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            text = f"abort of {operation}, {name} of {len(times)}"
            rows.append((text, "ms", ours.percentile(times, share), None, None))
    say("ping under load")
    pipe = ours.ready(command, model, 8)
    times = ours.ping_ms_beside_streams(pipe)
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        rows.append(
            (
                f"ping beside 8 streams, {name} of {len(times)}",
                "ms",
                ours.percentile(times, share),
                None,
                None,
            )
        )
    say("idle")
    rows.append(("processor time when idle", "ms/min", ours.idle_cpu_ms_a_minute(pipe), None, None))
    pipe.close()
    rows.append(("end of stdin in generation to all gone", "ms", ours.exit_ms(command, model), None, None))
    return rows


def show(rows: Rows, library: str) -> None:
    """Print the table. Ratios: ours to theirs, so more is better for tokens a second."""
    print(f"{'':44} {'':9} {'sidecar':>9} {library:>10} {'ratio':>6} {'node-llama-cpp':>15} {'ratio':>6}")
    for what, unit, mine, llama, node in rows:
        cells = [
            _number(mine, 9),
            _number(llama, 10),
            _ratio(mine, llama),
            _number(node, 15),
            _ratio(mine, node),
        ]
        print(f"{what:44} {unit:9} {' '.join(cells)}".rstrip())


def say(what: str) -> None:
    """Progress, on stderr."""
    print(f"measuring: {what}", file=sys.stderr, flush=True)


def _number(value: float | None, width: int) -> str:
    return (
        f"{value:{width}.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
        if value is not None
        else " " * width
    )


def _ratio(mine: float | None, theirs: float | None) -> str:
    return f"{mine / theirs:6.2f}" if mine is not None and theirs else " " * 6


if __name__ == "__main__":
    raise SystemExit(main())
