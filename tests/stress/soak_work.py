"""What the threads of the soak do: streams, loads, contexts, downloads, aborts, pings; each again and again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client import Ask, Client
from download_work import sha256_of
from hub import Hub, Synthetic
from outcome import Outcome

WORDS = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "you",
    "that",
    "it",
    "he",
    "was",
    "for",
    "on",
    "are",
    "as",
    "with",
    "his",
    "they",
    "I",
    "at",
    "be",
    "this",
    "have",
    "from",
]
PING_EVERY_S = 0.1
LONG = ("complete", "chat", "loadModel", "createContext", "downloadModel")
"""What is aborted at the end of the run."""

END_S = 60.0
"""For everything that runs at the end, once it is aborted."""

ECHO = """
import os, queue, threading
answers = queue.SimpleQueue()
def write():
    while True: os.write(1, answers.get())
threading.Thread(target=write, daemon=True).start()
while data := os.read(0, 65536): answers.put(data)
"""
"""A child that does nothing but answer, with as many threads on the way: how long the machine itself takes."""

LARGEST_FILE = 8_000_000
REPOSITORY = "owner/Soak-GGUF"

Timed = list[tuple[float, float]]
"""When (seconds since the start), and how many milliseconds."""


class Soak:
    """The program under work, and what was measured of it."""

    def __init__(self, client: Client, hub: Hub, folder: Path, seed: int, outcome: Outcome) -> None:
        self.client = client
        self.hub = hub
        self.folder = folder
        self.seed = seed
        self.outcome = outcome
        self.stop = threading.Event()
        self.started = time.perf_counter()
        self.aborts: dict[str, Timed] = {}
        self.pings: Timed = []
        self.echoes: Timed = []
        self.counts: dict[str, int] = {}
        self._guard = threading.Lock()

    def thread(self, name: str, work: Callable[[random.Random], None]) -> threading.Thread:
        """Do a piece of work again and again on a thread of its own."""
        chance = random.Random(f"{self.seed} {name}")

        def go() -> None:
            while not self.stop.is_set():
                try:
                    work(chance)
                except Exception as error:
                    self.outcome.fault(f"{name}: {type(error).__name__}: {error}")
                    self.stop.wait(1.0)

        thread = threading.Thread(target=go, name=name, daemon=True)
        thread.start()
        return thread

    def end(self, threads: list[threading.Thread]) -> None:
        """Abort what runs, and wait for the threads."""
        self.stop.set()
        until = time.perf_counter() + END_S
        while (left := [thread for thread in threads if thread.is_alive()]) and time.perf_counter() < until:
            for ask in list(self.client.open.values()):
                if ask.method in LONG:
                    self.client.ask("abort", {"requestId": ask.id})
            left[0].join(0.2)
        for thread in left:
            self.outcome.fault(f"{END_S:.0f} s after all was aborted, the thread {thread.name} still waits")

    def count(self, what: str) -> None:
        """Count a piece of work."""
        with self._guard:
            self.outcome.tried += 1
            self.counts[what] = self.counts.get(what, 0) + 1

    def done(self, ask: Ask, what: str, *allowed: str) -> bool:
        """Wait for an answer; whether it is a result. Any error but those allowed is a fault."""
        self.client.wait(ask)
        self.count(what)
        if ask.kind and ask.kind not in allowed and not (self.stop.is_set() and ask.kind == "aborted"):
            self.outcome.fault(f"{ask.method}: {str(ask.answer)[:600]}")
        return not ask.kind

    def abort(self, ask: Ask, what: str) -> None:
        """Abort a request and note how long that took, if it was still running."""
        begin = time.perf_counter()
        answer = self.client.wait(self.client.ask("abort", {"requestId": ask.id}))
        self.client.wait(ask)
        if ask.kind == "aborted":
            taken = (begin - self.started, 1000 * (ask.answered - begin))
            with self._guard:
                self.aborts.setdefault(what, []).append(taken)
        elif answer.kind:
            self.outcome.fault(f"abort: {str(answer.answer)[:600]}")

    # ---- pieces of work --------------------------------------------------------------------------

    def stream(self, model: str, context: str) -> Callable[[random.Random], None]:
        """One request that streams; some are aborted."""

        def work(chance: random.Random) -> None:
            text = " ".join(chance.choices(WORDS, k=chance.choice((3, 20, 100, 300))))
            common = {
                "contextId": context,
                "maxTokens": chance.randrange(1, 150),
                "seed": chance.randrange(99),
            }
            if chance.random() < 0.3:
                ask = self.client.ask("chat", {**common, "messages": [{"role": "user", "content": text}]})
            elif chance.random() < 0.1:
                ask = self.client.ask("tokenize", {"modelId": model, "text": text})
            else:
                ask = self.client.ask("complete", {**common, "prompt": text})
            if chance.random() < 0.3:
                ask.done.wait(chance.uniform(0, 0.8))
                self.abort(ask, "stream")
            self.done(ask, "streams", "aborted")

        return work

    def context(self, model: str) -> Callable[[random.Random], None]:
        """A context of the busy model is made, used, and disposed of, sometimes in the middle of a request."""

        def work(chance: random.Random) -> None:
            size = {"modelId": model, "contextSize": chance.choice((256, 512, 1024)), "sequences": 1}
            made = self.client.ask("createContext", size)
            if self.done(made, "contexts"):
                asked = {"contextId": made.result["contextId"], "prompt": "Once", "maxTokens": 20}
                ask = self.client.ask("complete", asked)
                if chance.random() < 0.5:
                    self.client.wait(ask)
                self.done(self.client.ask("disposeContext", {"contextId": asked["contextId"]}), "disposals")
                self.done(ask, "streams", "aborted", "contextNotFound")
            self.stop.wait(chance.uniform(0, 1))

        return work

    def load(self, paths: list[str]) -> Callable[[random.Random], None]:
        """Another model is loaded, used and unloaded; some loads are aborted."""

        def work(chance: random.Random) -> None:
            ask = self.client.ask("loadModel", {"path": chance.choice(paths)})
            if chance.random() < 0.25:
                ask.done.wait(chance.uniform(0, 0.3))
                self.abort(ask, "load")
            if self.done(ask, "loads", "aborted"):
                model = ask.result["modelId"]
                made = self.client.ask("createContext", {"modelId": model, "contextSize": 256})
                if self.done(made, "contexts"):
                    asked = {"contextId": made.result["contextId"], "prompt": "a", "maxTokens": 30}
                    running = self.client.ask("complete", asked)
                    if chance.random() < 0.7:
                        self.client.wait(running)
                self.done(self.client.ask("unloadModel", {"modelId": model}), "unloads")
                if not made.kind:
                    self.done(running, "streams", "aborted", "modelNotFound", "contextNotFound")
            self.stop.wait(chance.uniform(0, 2))

        return work

    def download(self, chance: random.Random) -> None:
        """A file is downloaded, sometimes with an abort in between, compared and deleted."""
        name = f"Soak-{chance.randrange(10**9)}-Q4_K_M.gguf"
        content = Synthetic(chance.randrange(1000, LARGEST_FILE), seed=chance.randrange(8))
        self.hub.add(REPOSITORY, {name: content})
        asked = {"endpoint": self.hub.endpoint, "modelsDirectory": str(self.folder / "models")}
        asked["model"] = f"hf:{REPOSITORY}/{name}"
        whole = False
        while not whole and not self.stop.is_set():
            ask = self.client.ask("downloadModel", asked)
            if chance.random() < 0.3:
                ask.done.wait(chance.uniform(0, 1))
                self.abort(ask, "download")
            whole = self.done(ask, "downloads", "aborted")
            if ask.kind not in ("", "aborted"):
                return
        if not whole:
            return
        path = ask.result["path"]
        if sha256_of(path) != content.sha256:
            self.outcome.fault(f"{name}: {content} has other bytes on the disk")
        self.done(
            self.client.ask("deleteModel", {"path": path, "modelsDirectory": asked["modelsDirectory"]}),
            "deletions",
        )
        self.hub.add(REPOSITORY, {name: None})
        self.stop.wait(chance.uniform(0, 2))

    def ping(self) -> Callable[[random.Random], None]:
        """A ping, and beside it a child that only answers."""
        child: Any = subprocess.Popen(
            [sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

        def work(_: random.Random) -> None:
            begin = time.perf_counter()
            child.stdin.write(b"x")
            os.read(child.stdout.fileno(), 1)
            now = time.perf_counter()
            self.echoes.append((begin - self.started, 1000 * (now - begin)))
            ping = self.client.wait(self.client.ask("ping"))
            self.pings.append((ping.sent - self.started, ping.ms))
            self.count("pings")
            self.stop.wait(PING_EVERY_S)
            if self.stop.is_set():
                child.stdin.close()
                child.wait()
                child.stdout.close()

        return work
