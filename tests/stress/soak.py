"""Long work of every kind at once: memory, descriptors and threads stay flat, ping and abort stay quick."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import flat
import psutil
from client import Client
from download_work import surroundings
from gguf_files import tiny_model
from hub import Hub
from made_models import talking_hybrid
from outcome import ENGINES_LOST, Outcome
from soak_work import Soak, Timed

from models import SMOLLM2

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "out" / "stress" / "soak.json"
STREAMS = 8
MEASURED = ("rss", "descriptors", "threads")
"""Not the memory of a process alone: it moves by 100 MB when another engine maps the same model or lets it go."""

WINDOW = 500
"""Pings, and aborts, whose 99th percentile is judged: of fewer it is an accident."""

PING_MS, ABORT_MS = 5.0, 50.0
"""The 99th percentile must be below this, where the machine itself takes nothing."""
NOISE = 2
"""How often the bare child's 99th percentile counts: on a busy machine it is an accident, too."""

FULL_S = 1800.0
"""From this long on, growth is told apart from a warm-up."""

CACHE_BYTES = 256 * 1024 * 1024
"""Of conversations without a sequence, in a full run: so much is full in the first half. A short run keeps none."""

ALLOWED = {"router": (1 << 20, 4 << 20), "engine": (4 << 20, 16 << 20)}
"""Process → bytes by which its memory may grow in the second half, of a full run and of a short one."""


def run(seconds: float, seed: int) -> Outcome:
    """Work for so long, measuring all the time."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as name, Hub() as hub:
        folder = Path(name)
        client = Client(folder, env=surroundings(folder / "home"))
        try:
            soak = Soak(client, hub, folder, seed, outcome)
            _work(soak, seconds)
        finally:
            left = client.end()
    for process in left:
        outcome.fault(f"left behind: {process}")
    for wrong in client.wrong:
        outcome.fault(wrong)
    return outcome


def _work(soak: Soak, seconds: float) -> None:
    client, outcome = soak.client, soak.outcome
    client.get("init")
    model = client.get("loadModel", {"path": str(SMOLLM2.path)})["modelId"]
    kept = CACHE_BYTES if seconds >= FULL_S else 0
    size = {"modelId": model, "contextSize": 1024, "sequences": STREAMS, "cacheBytes": kept}
    context = client.get("createContext", size)["contextId"]
    others = [tiny_model(soak.folder / "tiny.gguf"), talking_hybrid(soak.folder / "hybrid.gguf")]
    measured = {"router": client.router(), "engine": psutil.Process(client_engines(client)[model])}
    threads = [soak.thread(f"stream {n}", soak.stream(model, context)) for n in range(STREAMS)]
    threads.append(soak.thread("contexts", soak.context(model)))
    threads.append(soak.thread("loads", soak.load([*others, str(SMOLLM2.path)])))
    threads.append(soak.thread("downloads", soak.download))
    threads.append(soak.thread("pings", soak.ping()))
    samples = _sample(soak, measured, seconds)
    soak.end(threads)
    lost = [info for info in client.infos if info["params"]["level"] != "info"]
    for info in lost:
        outcome.fault(f"an engine was lost: {info}")
    outcome.figures[ENGINES_LOST] = str(len(lost))
    status = client.get("status")
    if len(status["models"]) != 1 or len(status["contexts"]) != 1 or status["requests"]:
        outcome.fault(f"after the work, status says {status}")
    outcome.figures |= {what: f"{count:,}" for what, count in sorted(soak.counts.items())}
    _judge_growth(outcome, samples, seconds)
    _judge_times(soak)
    _keep(soak, samples, seconds)


def client_engines(client: Client) -> dict[str, int]:
    """modelId → pid of its engine."""
    return {p["modelId"]: p["pid"] for p in client.get("status")["processes"] if "modelId" in p}


def _sample(soak: Soak, measured: dict[str, psutil.Process], seconds: float) -> list[dict[str, Any]]:
    """Measure the processes at equal distances until the time is over."""
    pause, samples = max(0.5, seconds / 720), []
    while (now := time.perf_counter() - soak.started) < seconds and not soak.outcome.is_full:
        sample: dict[str, Any] = {"at": now}
        for name, process in measured.items():
            try:
                held = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
                values = (process.memory_info().rss, held, process.num_threads())
            except psutil.Error as error:
                soak.outcome.fault(f"the {name} is gone: {error}")
                return samples
            sample[name] = dict(zip(MEASURED, values, strict=True))
        samples.append(sample)
        soak.stop.wait(pause)
    return samples


def _judge_growth(outcome: Outcome, samples: list[dict[str, Any]], seconds: float) -> None:
    for name, allowed in ALLOWED.items():
        for what in MEASURED:
            values = [sample[name][what] for sample in samples]
            if len(values) < 2 * flat.BLOCKS:
                outcome.figures[f"{name}'s {what}"] = "measured too rarely"
                continue
            growth = flat.slope(flat.second_half(values))
            in_bytes = what == "rss"
            limit = allowed[seconds < FULL_S] if in_bytes else 1.0
            unit, scale = (" MB", 1e6) if in_bytes else ("", 1)
            last = flat.second_half(values)[-1] / scale
            said = f"{last:.0f}{unit} ({growth.growth / scale:+.1f} ± {growth.margin / scale:.1f} in the second half)"
            outcome.figures[f"{name}'s {what}"] = said
            if growth.grows(limit):
                outcome.fault(f"{name}'s {what} grows: {said}")


def _judge_times(soak: Soak) -> None:
    aborts: Timed = sorted(taken for each in soak.aborts.values() for taken in each)
    for name, timed, bound in (("ping", soak.pings, PING_MS), ("abort", aborts, ABORT_MS)):
        for first in range(0, len(timed) - WINDOW + 1, WINDOW):
            window = timed[first : first + WINDOW]
            begin, end = window[0][0], window[-1][0]
            machine = flat.percentile([ms for at, ms in soak.echoes if begin <= at <= end], 0.99)
            taken, limit = flat.percentile([ms for _, ms in window], 0.99), bound + NOISE * machine
            if taken > limit:
                soak.outcome.fault(
                    f"{name} took {taken:.1f} ms (p99) from second {begin:.0f} to {end:.0f}, more than {limit:.1f}"
                )
        soak.outcome.figures[f"{name} p50, p99"] = _quantiles(timed)
    soak.outcome.figures["a bare child's answer p50, p99"] = _quantiles(soak.echoes)
    for what, times in sorted(soak.aborts.items()):
        soak.outcome.figures[f"abort of a {what} p50, p99"] = _quantiles(times)


def _quantiles(times: Timed) -> str:
    values = [ms for _, ms in times]
    return f"{flat.percentile(values, 0.5):.1f}, {flat.percentile(values, 0.99):.1f} ms of {len(values):,}"


def _keep(soak: Soak, samples: list[dict[str, Any]], seconds: float) -> None:
    """Write what was measured, for the plot."""
    SAMPLES.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "seconds": seconds,
        "samples": samples,
        "pings": soak.pings,
        "echoes": soak.echoes,
        "aborts": soak.aborts,
    }
    SAMPLES.write_text(json.dumps(data), encoding="utf-8")
