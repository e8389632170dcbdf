"""Coverage-guided fuzzing of what reads foreign bytes: the targets of fuzz_targets.py, one after another."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import time
from pathlib import Path

import fuzz_targets
from driver import environment
from outcome import Outcome

import pins  # of build/
from checkout import VENV, Failed  # of build/
from steps import Step, digest, ensure  # of build/

OUT = Path(__file__).parents[2] / "out" / "stress" / "fuzz"
FULL_S = 1200.0
"""Per target."""

LONGEST_INPUT = 2000
HANG_S = 20
CORPUS_BYTES = 5000
"""Of the corpus of a target, as it is written to out/. A person copies it into the tree."""


def prepare() -> str:
    """Install atheris, as it is pinned; returns why it cannot be had, "" if it can."""
    requirements = pins.pinned(pins.FUZZ)
    key = digest(requirements)
    stamp = VENV / "stamps" / "fuzz"
    try:
        ensure([Step(stamp, lambda: key, lambda: pins.install(requirements, "atheris"))])
    except Failed as failure:
        return f"atheris cannot be installed here: {str(failure).splitlines()[-1].strip()}"
    done = subprocess.run([sys.executable, "-c", "import atheris"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "atheris is not made for this system and Python"


def run(seconds: float, seed: int) -> Outcome:
    """Each target in turn, for its part of the time."""
    outcome = Outcome()
    if missing := prepare():
        outcome.figures["left out"] = missing
        return outcome
    each_s = min(FULL_S, seconds / len(fuzz_targets.TARGETS))
    for name in fuzz_targets.TARGETS:
        _fuzz(name, each_s, seed, outcome)
    return outcome


def _fuzz(name: str, seconds: float, seed: int, outcome: Outcome) -> None:
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(fuzz_targets.corpus(name)):
        (folder / f"tree-{number}").write_bytes(data)
    begun = time.monotonic()
    options = [
        f"-max_total_time={max(1, int(seconds))}",
        f"-timeout={HANG_S}",
        f"-seed={seed}",
        *("-rss_limit_mb=2048", "-reduce_inputs=1"),
    ]
    limits = [
        f"-max_len={LONGEST_INPUT}",
        f"-artifact_prefix={OUT}/{name}-",
        "-print_final_stats=1",
        "-reduce_inputs=1",
    ]
    log = _child([name, *options, *limits, str(folder)], seconds + HANG_S + 60)
    done = re.search(r"stat::number_of_executed_units: *(\d+)", log)
    executed = int(done[1]) if done else 0
    outcome.tried += executed
    outcome.figures[name] = f"{executed:,} inputs, {len(list(folder.iterdir()))} kept"
    found = re.search(r"Test unit written to (\S+)", log)
    if found:
        data = Path(found[1]).read_bytes()
        what = next(
            (line for line in log.splitlines() if re.match(r"\w*(Error|Exception)\b", line)),
            "a crash or a hang",
        )
        outcome.fault(f"{name}: {what[:600]}; the input in base64: {base64.b64encode(data).decode()}")
    elif not done:
        outcome.fault(f"{name}: the fuzzer failed after {time.monotonic() - begun:.0f} s: {log[-1500:]}")
    else:
        # libFuzzer has replaced inputs by shorter ones with the same paths through the code.
        inputs = [path.read_bytes() for path in folder.iterdir()]
        fuzz_targets.write_corpus(OUT / f"{name}.txt", fuzz_targets.corpus(name), inputs, CORPUS_BYTES)


def _child(arguments: list[str], timeout_s: float) -> str:
    """Run the fuzzer; returns what it wrote."""
    command = [sys.executable, str(Path(__file__).with_name("fuzz_child.py")), *arguments]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            env=environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode("utf-8", "replace") + f"\nit did not end within {timeout_s:.0f} s"
    return done.stdout.decode("utf-8", "replace")
