"""Damaged models, projectors, adapters and states against a real program: a typed error or a model that works."""

from __future__ import annotations

import collections
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf_tree
import media
import media_files
import projectors
import psutil
from client import Ask, Client
from damaged_cases import Case, Source, good_state, write_adapter, write_model, write_projector, write_state
from gguf_files import WIDTH, random_adapter, tiny_model
from media_files import stripes
from outcome import ENGINES_LOST, Outcome
from small_models import KINDS

from sidecar.message_handler._wire import ERRORS

MODELS, PROJECTORS, ADAPTERS, STATES = 2000, 300, 300, 300
LANES = 2
"""Files at once, each in an engine of its own."""

LONGEST_S = 10.0
"""For one answer. A file that took longer is tried once more, since the machine may have had other work."""

MOST_BYTES = 1 << 30
"""Memory of an engine, for files of 100 KB. One that takes more is killed, and that is a fault."""

SAMPLE_S = 0.05
SMALL = {"contextSize": 64, "threads": 1}
"""Threads that compute together wait for each other, on a busy machine for seconds."""

ADAPTED = {f"blk.0.attn_{part}.weight": [32, 32] for part in ("q", "v")}
SHOWN_CAUSES = 12
SHOWN = [{"role": "user", "content": [media.part(media_files.png(stripes(["red"], 20, 20)), sound=False)]}]
"""A message with a picture."""


class Hang(Exception):
    """No answer in time."""


class Damaged:
    """The run: its counts, and the one program."""

    def __init__(self, client: Client, folder: Path, seed: int, outcome: Outcome) -> None:
        self.client = client
        self.folder = folder
        self.source = Source(folder, seed)
        self.outcome = outcome
        self.ends: collections.Counter[str] = collections.Counter()
        """How the cases ended: loaded, or the kind of the error."""
        self.deaths: collections.Counter[str] = collections.Counter()
        """What ended engines, in llama.cpp's words."""
        self.longest_s = 0.0
        self.largest = 0
        self._guard = threading.Lock()

    # ---- requests --------------------------------------------------------------------------------

    def ask(self, case: Case, method: str, params: dict[str, Any]) -> Ask:
        """Send a request and look at its answer. Raises Hang."""
        ask = self.client.ask(method, params)
        if not ask.done.wait(LONGEST_S):
            self.client.ask("abort", {"requestId": ask.id})
            if not ask.done.wait(LONGEST_S):
                self.outcome.fault(f"{case.what}: {method} has no answer, not even after abort")
            raise Hang(method)
        with self._guard:
            self.longest_s = max(self.longest_s, ask.ms / 1000)
            self._look(case, ask)
        return ask

    def _look(self, case: Case, ask: Ask) -> None:
        if ask.answer is None:
            self.outcome.fault(f"{case.what}: the program ended at {ask.method}")
        elif "error" in ask.answer:
            error = ask.answer["error"]
            data = error.get("data", {})
            code, retryable, _, remedy = ERRORS.get(data.get("kind"), (None, None, None, None))
            if (error["code"], data.get("retryable"), data.get("remedy")) != (code, retryable, remedy):
                self.outcome.fault(f"{case.what}: {ask.method} is no typed error: {error}")
            elif data["kind"] == "internalError":
                self.outcome.fault(f"{case.what}: {ask.method}: {error['message'][:200]}")
            died = re.search(
                r"^(.*)\((SIG\w+|signal \d+|exit status \d+)\)$|^SIG\w+$", str(data.get("cause", "")), re.S
            )
            if died:
                words = (died[1] or "").strip() or "without a word"
                self.deaths[f"{died[2] or died[0]}: {_kind_of(words)}"] += 1

    # ---- cases -----------------------------------------------------------------------------------

    def model(self, case: Case) -> str:
        """Inspect, estimate and load a file, and work with it if that is possible."""
        at = {"path": str(case.path)}
        self.ask(case, "inspectModel", at)
        self.ask(case, "estimateModel", {**at, "contextSize": 64})
        load = self.ask(case, "loadModel", at)
        if load.kind:
            return load.kind
        model = load.result["modelId"]
        try:
            return self._work(case, {"modelId": model, **SMALL}) or "works"
        finally:
            self.client.ask("unloadModel", {"modelId": model}).done.wait(LONGEST_S)

    def _work(self, case: Case, context: dict[str, Any]) -> str:
        created = self.ask(case, "createContext", context)
        if created.kind:
            return created.kind
        at = {"contextId": created.result["contextId"]}
        done = self.ask(case, "complete", {**at, "prompt": "Hello abc", "maxTokens": 4, "seed": 1})
        if done.kind == "unsuitableModel":
            created = self.ask(case, "createContext", {**context, "embeddings": True})
            if not created.kind:
                done = self.ask(
                    case, "embed", {"contextId": created.result["contextId"], "input": "Hello abc"}
                )
        return done.kind

    def adapter(self, case: Case) -> str:
        """Load a good model with an adapter, and write with both."""
        params = {"path": str(self.folder / "bytes.gguf"), "adapters": [{"path": str(case.path)}]}
        load = self.ask(case, "loadModel", params)
        if load.kind:
            return load.kind
        try:
            return self._work(case, {"modelId": load.result["modelId"], **SMALL}) or "works"
        finally:
            self.client.ask("unloadModel", {"modelId": load.result["modelId"]}).done.wait(LONGEST_S)

    def projector(self, case: Case) -> str:
        """Load a good model with a projector, and show both a picture."""
        params = {"path": str(self.folder / "bytes.gguf"), "projectorPath": str(case.path)}
        self.ask(case, "inspectModel", {"path": str(case.path)})
        load = self.ask(case, "loadModel", params)
        if load.kind:
            return load.kind
        try:
            created = self.ask(case, "createContext", {"modelId": load.result["modelId"], **SMALL})
            if created.kind:
                return created.kind
            asked = {"contextId": created.result["contextId"], "messages": SHOWN, "maxTokens": 2, "seed": 1}
            return self.ask(case, "chat", asked).kind or "works"
        finally:
            self.client.ask("unloadModel", {"modelId": load.result["modelId"]}).done.wait(LONGEST_S)

    def state(self, case: Case) -> str:
        """Restore a state into a good context, and continue."""
        load = self.ask(case, "loadModel", {"path": str(self.folder / "bytes.gguf")})
        if load.kind:
            return load.kind
        try:
            created = self.ask(case, "createContext", {"modelId": load.result["modelId"], **SMALL})
            at = {"contextId": created.result["contextId"]}
            restored = self.ask(case, "restoreState", {**at, "path": str(case.path)})
            done = self.ask(case, "complete", {**at, "prompt": "Hello abc", "maxTokens": 2, "seed": 1})
            return restored.kind or done.kind or "works"
        finally:
            self.client.ask("unloadModel", {"modelId": load.result["modelId"]}).done.wait(LONGEST_S)

    def try_case(self, group: str, case: Case, work: Callable[[Case], str]) -> None:
        """Run a case, twice if it was slow, and count it."""
        for last in (False, True):
            try:
                end = work(case)
                break
            except Hang as error:
                end = "hang"
                if last:
                    self.outcome.fault(f"{case.what}: {error} took more than {LONGEST_S:.0f} s, twice")
        with self._guard:
            self.outcome.tried += 1
            self.ends[f"{group} {end}"] += 1

    # ---- memory ----------------------------------------------------------------------------------

    def watch_memory(self, stop: threading.Event) -> None:
        """Measure the engines until `stop`; end one that takes too much."""
        while not stop.wait(SAMPLE_S):
            try:
                children = psutil.Process(self.client.process.pid).children(recursive=True)
            except psutil.Error:
                continue
            for child in children:
                try:
                    size = child.memory_info().rss
                    self.largest = max(self.largest, size)
                    if size > MOST_BYTES:
                        self.outcome.fault(f"an engine took {size} bytes at case {self.outcome.tried}")
                        child.kill()
                except psutil.Error:
                    continue


def _kind_of(words: str) -> str:
    """llama.cpp's words without what differs from file to file."""
    words = re.sub(r"^/?\S*/(?=[\w.-]+:\d+)", "", words)
    return re.sub(r"0x[0-9a-f]+|\b\d{4,}\b|'[^']*'", "…", words)[:110]


# ---- the group -------------------------------------------------------------------------------------------


def run(seconds: float, seed: int) -> Outcome:
    """Try all files, or as many as there is time for; each group of files gets its share."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        client = Client(folder)
        stop = threading.Event()
        damaged = Damaged(client, folder, seed, outcome)
        watch = threading.Thread(target=damaged.watch_memory, args=(stop,), daemon=True)
        watch.start()
        try:
            _all(damaged, seconds)
        finally:
            stop.set()
            watch.join()
            left = client.end()
        for process in left:
            outcome.fault(f"left behind: {process}")
    for wrong in client.wrong:
        outcome.fault(wrong)
    _figures(damaged)
    return outcome


def _all(run: Damaged, seconds: float) -> None:
    trees = {kind: gguf_tree.read(write(run.folder / f"{kind}.gguf")) for kind, write in KINDS.items()}
    tiny_model(run.folder / "bytes.gguf")
    lora = gguf_tree.read(random_adapter(run.folder / "lora.gguf", ADAPTED))
    sees = gguf_tree.read(projectors.tiny(run.folder / "sees.gguf", WIDTH))
    good = good_state(run.client, run.folder)
    groups: list[tuple[str, int, Callable[[int, Path], Case], Callable[[Case], str]]] = [
        ("model", MODELS, lambda index, folder: write_model(run.source, trees, index, folder), run.model),
        (
            "projector",
            PROJECTORS,
            lambda index, folder: write_projector(run.source, sees, index, folder),
            run.projector,
        ),
        (
            "adapter",
            ADAPTERS,
            lambda index, folder: write_adapter(run.source, lora, index, folder),
            run.adapter,
        ),
        ("state", STATES, lambda index, folder: write_state(run.source, good, index, folder), run.state),
    ]
    total = sum(count for _, count, _, _ in groups)
    begin, share = time.monotonic(), 0.0
    for group, count, write, work in groups:
        share += count / total
        _in_lanes(run, group, count, begin + seconds * share, write, work)


def _in_lanes(
    run: Damaged,
    group: str,
    count: int,
    deadline: float,
    write: Callable[[int, Path], Case],
    work: Callable[[Case], str],
) -> None:
    """Try `count` files of a group, some at once, until the deadline."""

    def lane(number: int) -> None:
        folder = run.folder / f"lane-{number}"
        folder.mkdir(exist_ok=True)
        for index in range(number, count, LANES):
            if time.monotonic() > deadline or run.outcome.is_full or run.client.ended.is_set():
                return
            run.try_case(group, write(index, folder), work)

    lanes = [threading.Thread(target=lane, args=(number,)) for number in range(LANES)]
    for each in lanes:
        each.start()
    for each in lanes:
        each.join()


def _figures(run: Damaged) -> None:
    figures = run.outcome.figures
    figures[ENGINES_LOST] = str(sum(run.deaths.values()))
    figures["how they ended"] = ", ".join(f"{end} {count}" for end, count in sorted(run.ends.items()))
    figures["what ended engines"] = (
        ", ".join(f"{count} × {why}" for why, count in run.deaths.most_common(SHOWN_CAUSES)) or "nothing"
    )
    figures["longest answer"] = f"{run.longest_s:.1f} s"
    figures["largest process"] = f"{run.largest / 1e6:.0f} MB"
