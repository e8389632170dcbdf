"""Processes are killed at random moments under load: each open request is answered once or the pipe is closed.

After each kill no process is left behind, and what is on the disk can be read and has the right bytes.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from client import HOSTS, Ask, Client
from download_work import files_below, is_state, sha256_of, surroundings
from gguf_files import tiny_model
from hub import Hub, Synthetic
from outcome import ENGINES_LOST, Outcome

KILLS = 200
REPOSITORY = "owner/Kills-GGUF"
FILES = {f"Kills{n}-Q4_K_M.gguf": Synthetic(2_000_000 + 500_000 * n, seed=n) for n in range(4)}
SPEED = 2_000_000
"""Bytes per second and connection: slow enough to be killed in the middle."""

SAID = {"prompt": "Say", "maxTokens": 12, "temperature": 0}
ONE_THREAD = {"maxThreads": 1}
"""Two threads for a tiny model wait for each other longer than they compute, above all on a busy machine."""

SAVED = {"prompt": "Say"}
ANSWER_S = 120.0
CRASHED = {
    "engine": {"", "engineCrashed", "modelNotFound", "contextNotFound"},
    "transfer": {"", "transferCrashed"},
    "router": {"", "no answer", "shuttingDown"},
    "host": {"", "no answer", "shuttingDown"},
}
"""Who was killed → what a request that was open may end with."""

MOST_ENGINES = 4
"""Kills of one model's engine, after which it is loaded anew: five within minutes are too many for the program."""


class Scene:
    """A hub, a folder, and one program after another."""

    def __init__(self, hub: Hub, folder: Path, chance: random.Random, outcome: Outcome) -> None:
        self.hub = hub
        self.folder = folder
        self.chance = chance
        self.outcome = outcome
        self.counts: collections.Counter[str] = collections.Counter()
        self.slowest_ms = 0.0
        self.path = tiny_model(folder / "tiny.gguf")
        self.store = {"endpoint": hub.endpoint, "modelsDirectory": str(folder / "models")}
        self.text = ""
        """What the model says to SAID."""
        self.engine_kills = 0
        self.client = self.start("")

    def start(self, hosted_by: str) -> Client:
        """A new program with a model and a context."""
        self.client = Client(self.folder, host=HOSTS[hosted_by], env=surroundings(self.folder / "home"))
        self.client.get("init", ONE_THREAD, ANSWER_S)
        self.load()
        return self.client

    def load(self) -> None:
        """Load the model and check what it says."""
        self.model = self.client.get("loadModel", {"path": self.path}, ANSWER_S)["modelId"]
        size = {"modelId": self.model, "contextSize": 1024, "sequences": 4}
        self.context = self.client.get("createContext", size, ANSWER_S)["contextId"]
        self.engine_kills = 0
        self.check_text()

    def check_text(self) -> None:
        """The model says what it always says."""
        said = {**SAID, "contextId": self.context}
        ask = self.client.wait(self.client.ask("complete", said), ANSWER_S)
        if ask.kind == "engineCrashed":
            # The engine was killed just before, and the program noticed it only now.
            ask = self.client.wait(self.client.ask("complete", said), ANSWER_S)
        text = ask.result["text"]
        self.text = self.text or text
        if text != self.text:
            self.fault(f"the model says {text!r}, not {self.text!r}")

    def fault(self, text: str) -> None:
        """Note a fault with the number of the kill."""
        self.outcome.fault(f"kill {self.outcome.tried}: {text}")

    # ---- one kill --------------------------------------------------------------------------------

    def begin_work(self) -> list[Ask]:
        """Requests of every kind, all open at once."""
        asks = []
        for _ in range(self.chance.randrange(4, 12)):
            endless = {
                "contextId": self.context,
                "ignoreEos": True,
                "maxTokens": self.chance.choice((5, 300, 900)),
            }
            text = "a" * self.chance.randrange(1, 500)
            works: list[tuple[str, dict[str, Any]]] = [
                ("complete", {**endless, "prompt": text}),
                ("chat", {**endless, "messages": [{"role": "user", "content": text}]}),
                ("tokenize", {"modelId": self.model, "text": 20 * text}),
                ("createContext", {"modelId": self.model, "contextSize": 512}),
                ("downloadModel", self.download()),
                ("saveState", {"contextId": self.context, "path": self.state, **SAVED}),
                ("status", {}),
            ]
            asks.append(self.client.ask(*self.chance.choice(works)))
        return asks

    def download(self) -> dict[str, Any]:
        """The params of a download."""
        return {**self.store, "model": f"hf:{REPOSITORY}/{self.chance.choice(list(FILES))}"}

    @property
    def state(self) -> str:
        """The path of a saved state."""
        return str(self.folder / "a.state")

    def kill(self, kind: str) -> None:
        """Begin work, kill a process of this kind at a random moment, and look at what is left."""
        asks = self.begin_work()
        if kind == "transfer":
            asks.append(self.client.ask("downloadModel", self.download()))
        time.sleep(self.chance.choice((0.0, 0.02, 0.1, 0.5)) * self.chance.random())
        family = self.client.family()
        victim, begin = self.victim(kind, family), time.perf_counter()
        if victim is None:  # has ended by itself
            self.counts["too late"] += 1
        else:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
            self.counts[kind] += 1
            self.engine_kills += kind == "engine"
        if kind in ("router", "host"):
            taken_s, problem = self.client.await_end(family, begin)
            self.slowest_ms = max(self.slowest_ms, 1000 * taken_s)
            if problem:
                self.fault(problem)
        for ask in asks:
            self.judge(ask, kind)
        for wrong in self.client.wrong:
            self.fault(wrong)
        self.client.wrong.clear()
        if kind in ("router", "host"):
            for process in self.client.end():
                self.fault(f"left behind: {process}")
            self.start(self.chance.choice(list(HOSTS)))
        self.recover()

    def victim(self, kind: str, family: list[psutil.Process]) -> psutil.Process | None:
        """The process to kill."""
        if kind == "host":
            return psutil.Process(self.client.process.pid)
        for process in self.chance.sample(family, len(family)):
            command = process.info["cmdline"] or []
            role = command[command.index("--role") + 1] if "--role" in command else ""
            hosted = process.pid == self.client.process.pid and self.client.hosted
            if role == kind or (kind == "router" and not role and not hosted):
                return process
        return None

    def judge(self, ask: Ask, kind: str) -> None:
        """A request that was open at a kill has ended as it may."""
        if not ask.done.wait(ANSWER_S):
            self.fault(f"{ask.method} has no answer {ANSWER_S:.0f} s after the {kind} was killed")
        elif ask.kind not in CRASHED[kind] and not (ask.method == "saveState" and ask.kind == "notCached"):
            self.fault(f"{ask.method}, after the {kind} was killed: {str(ask.answer)[:600]}")
        self.counts[{"": "results", "no answer": "pipe closed"}.get(ask.kind, "errors")] += 1

    def recover(self) -> None:
        """What is on the disk can be read, and the next requests work."""
        client = self.client
        if self.engine_kills >= MOST_ENGINES:
            client.get("unloadModel", {"modelId": self.model}, ANSWER_S)
            self.load()
        for context in client.get("status")["contexts"]:
            if context["contextId"] != self.context:
                client.wait(client.ask("disposeContext", {"contextId": context["contextId"]}), ANSWER_S)
        self.check_text()
        directory = {"modelsDirectory": self.store["modelsDirectory"]}
        listed = client.get("listModels", directory, ANSWER_S)["models"]
        models = self.folder / "models"
        whole = {path.name: path for path in files_below(models) if not is_state(path, models)}
        if not {Path(each["path"]).name for each in listed} >= set(whole):
            self.fault(f"listModels misses some of {sorted(whole)}: {listed}")
        for name, path in whole.items():
            if sha256_of(path) != FILES[name].sha256:
                self.fault(f"{name} has wrong bytes")
        if whole and self.chance.random() < 0.5:
            path = self.chance.choice(list(whole.values()))
            client.get("deleteModel", {**directory, "path": str(path)}, ANSWER_S)
        if Path(self.state).exists():
            ask = client.wait(
                client.ask("restoreState", {"contextId": self.context, "path": self.state}), ANSWER_S
            )
            if ask.kind:
                self.fault(f"restoreState: {str(ask.answer)[:600]}")


def run(seconds: float, seed: int) -> Outcome:
    """Kill until the number is full or the time is over."""
    outcome, until = Outcome(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name, Hub() as hub:
        hub.add(REPOSITORY, FILES)
        hub.fault(f"{REPOSITORY}/*", bytes_per_second=SPEED, times=None, origin="cdn")
        scene = Scene(hub, Path(name), random.Random(seed), outcome)
        try:
            for kind in itertools.cycle(("engine", "transfer", "router", "host")):
                if outcome.tried >= KILLS or time.monotonic() > until or outcome.is_full:
                    break
                outcome.tried += 1
                scene.kill(kind)
        finally:
            for process in scene.client.end():
                outcome.fault(f"left behind: {process}")
    figures: dict[str, Any] = dict(sorted(scene.counts.items()))
    outcome.figures[ENGINES_LOST] = str(figures.pop("engine", 0))
    outcome.figures |= {what: str(count) for what, count in figures.items()}
    outcome.figures["slowest end of all processes"] = f"{scene.slowest_ms:.0f} ms"
    return outcome
