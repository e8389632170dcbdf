"""`python build/dev.py bench`: the program through its pipe, beside its peers, in one run, as tables.

Absolute figures move with the machine and what else it does; ratios of one run are what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import engine
import forms
import growth
import npm_client
import ours
import peers  # puts build/ on the path
import plot
import startup
import transfer
from table import Row, as_json, show
from workload import GENERATED, LONG_PROMPT, THREADS

from ship import freeze  # isort: skip

ROOT = Path(__file__).parent.parent.parent
MODEL = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ROUNDS = 5
"""Rounds of the speed measurements; in each, every program runs for a moment. Medians are shown."""

REPEATS = 3
"""Readings of ours a round, after one that only warms up; their mean counts, as llama-bench does it."""

GROUPS = ("speed", "growth", "engine", "start", "latency", "client", "transfer")
OTHERS = {"transfer": "hf_hub", "client": "bare pipe"}
"""Group → who stands in the place of llama.cpp's tools."""


def main() -> int:
    """Measure and print; returns the exit status."""
    options = _arguments()
    if options.startup:
        startup.show(freeze.PROGRAMS)
        return 0
    if options.peers:
        peers.prepare()
    if options.plot:
        plot.prepare()
    command = [sys.executable, "-m", "sidecar"]
    if options.runtime != "source":
        command = [str(freeze.PROGRAMS[options.runtime])]
    rows: list[Row] = []
    for group in [options.only] if options.only else GROUPS:
        if group == "growth":
            grown = growth.measure(command, str(MODEL), say)
            found = grown.rows()
            if options.plot:
                plot.draw(grown)
        elif group == "transfer":
            found = transfer.rows(command, say)
        elif group == "start":
            found = forms.rows(str(MODEL), say)  # of every form, whichever the others measure
        else:
            measures = {"speed": speed, "engine": engine.rows, "latency": latency, "client": npm_client.rows}
            found = measures[group](command, str(MODEL), say)
        show(found, *([OTHERS[group]] if group in OTHERS else []))
        rows += found
    if options.json:
        options.json.write_text(json.dumps(as_json(rows), indent=1) + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
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
    parser.add_argument("--only", choices=GROUPS, help="a part of it")
    parser.add_argument(
        "--plot", action="store_true", help="draw the growth into .github/, for the README (with matplotlib)"
    )
    parser.add_argument("--startup", action="store_true", help="show where start-up goes, and nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    if options.plot and options.only not in (None, "growth"):
        parser.error("--plot draws what the group growth measures")
    return options


def speed(command: list[str], model: str, say: Callable[[str], None]) -> list[Row]:
    """Tokens a second, in rounds."""
    llama, node = peers.Llama.find(), peers.NodeLlamaCpp.find()
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    pipe = ours.ready(command, model, 8)
    for run in range(ROUNDS):
        say(f"speed, round {run + 1} of {ROUNDS}")
        prompts = [
            ours.prompt_tokens_a_second(pipe, f"{10 * run + i}: {LONG_PROMPT}") for i in range(REPEATS + 1)
        ]
        note("ours prompt", statistics.fmean(prompts[1:]))
        for streams in (1, 2, 8):
            readings = [ours.streams_tokens_a_second(pipe, streams, 10 * run + i) for i in range(REPEATS + 1)]
            note(f"ours {streams}", statistics.fmean(readings[1:]))
        bare = peers.bare_loop(model, THREADS, GENERATED, REPEATS)
        note("bare sampled", bare["sampled"])
        note("bare unsampled", bare["unsampled"])
        if llama is not None:
            bench = llama.bench(model, THREADS, [441], GENERATED)
            note("llama prompt", bench[441])
            note("llama 1", bench[0])
            for streams, rate in llama.batched(model, THREADS, (2, 8), GENERATED).items():
                note(f"llama {streams}", rate)
        if node is not None:
            streams_task = {"streams": (1, 2, 8), "tokens": GENERATED}
            prompt_task = {"prompts": [[LONG_PROMPT]], "contextSize": 1024}
            figures = node.measure(model, THREADS, streams=streams_task, prompts=prompt_task)
            note("node prompt", figures["prompts"][0])
            note("node memory", figures["memoryMb"])
            note("node init", figures["initMs"])
            note("node load", figures["loadMs"])
            for streams in (1, 2, 8):
                note(f"node {streams}", figures["streams"][str(streams)])
    median = {name: statistics.median(values) for name, values in found.items()}
    memory = ours.memory_mb(pipe)
    pipe.close()
    names = {"prompt": "prompt of 441 tokens", "1": "one stream", "2": "two streams", "8": "eight streams"}
    rows = [
        Row(
            text,
            "tokens/s",
            median[f"ours {key}"],
            library=median.get(f"llama {key}"),
            node=median.get(f"node {key}"),
        )
        for key, text in names.items()
    ]
    for key, text in (("sampled", "greedily sampled"), ("unsampled", "not sampled")):
        bare_loop = median[f"bare {key}"]
        rows.append(Row(f"a bare Python loop, {text}", "tokens/s", bare_loop, median.get("llama 1")))
    rows.append(Row("memory, 8 × 1024 context, all processes", "MB", memory, node=median.get("node memory")))
    rows.append(Row("its import and getLlama", "ms", None, node=median.get("node init")))
    rows.append(Row("its loadModel", "ms", None, node=median.get("node load")))
    return rows


def latency(command: list[str], model: str, say: Callable[[str], None]) -> list[Row]:
    """Abort, ping, idle, exit."""
    rows: list[Row] = []
    for operation in ours.ABORTABLE:
        say(f"abort of {operation}")
        rows += _quantiles(f"abort of {operation}", ours.abort_ms(command, model, operation))
    say("ping under load")
    pipe = ours.ready(command, model, 8)
    rows += _quantiles("ping beside 8 streams", ours.ping_ms_beside_streams(pipe))
    say("idle")
    rows.append(Row("processor time when idle", "ms/min", ours.idle_cpu_ms_a_minute(pipe)))
    pipe.close()
    rows.append(Row("end of stdin in generation to all gone", "ms", ours.exit_ms(command, model)))
    return rows


def _quantiles(what: str, times: list[float]) -> list[Row]:
    return [
        Row(f"{what}, {name} of {len(times)}", "ms", ours.percentile(times, share))
        for share, name in ((0.5, "p50"), (0.99, "p99"))
    ]


def say(what: str) -> None:
    """Progress, on stderr."""
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
