"""What each part of the group `surroundings` has: a folder, programs in it, and what must be answered."""

from __future__ import annotations

import collections
import random
import time
from pathlib import Path
from typing import Any

from client import Ask, Client
from download_work import surroundings
from gguf_files import tiny_model
from hub import Hub
from outcome import Outcome

REPOSITORY = "owner/Around-GGUF"
SPEED = 2_000_000
"""Bytes per second and connection of a slow hub."""

ANSWER_S = 180.0
FULL_S = 600.0
"""From this long on all is done in full."""

MB = 1_000_000
ONE_THREAD = {"maxThreads": 1}


class Place:
    """A hub and a folder for one part, and what goes wrong in it."""

    def __init__(
        self, name: str, folder: Path, seed: int, seconds: float, part_s: float, outcome: Outcome
    ) -> None:
        self.name = name
        self.folder = folder
        self.chance = random.Random(f"{seed} {name}")
        self.full = seconds >= FULL_S
        self.until = time.monotonic() + part_s
        self.outcome = outcome
        self.kinds: collections.Counter[str] = collections.Counter()
        self.model = tiny_model(folder / "tiny.gguf")
        self.models = folder / "models"
        self.models.mkdir()

    def fault(self, text: str) -> None:
        """Note a fault of this part."""
        self.outcome.fault(f"{self.name}: {text}")

    def start(self, host: tuple[str, ...] = (), **more: str) -> Client:
        """A program whose state lies in the folder."""
        return Client(self.folder, host=host, env=surroundings(self.folder / "home", **more), cwd=self.folder)

    def load(self, client: Client) -> str:
        """A context of a tiny model."""
        client.get("init", ONE_THREAD, ANSWER_S)
        model = client.get("loadModel", {"path": self.model}, ANSWER_S)["modelId"]
        size = {"modelId": model, "contextSize": 512, "sequences": 8}
        return str(client.get("createContext", size, ANSWER_S)["contextId"])

    def end(self, client: Client) -> None:
        """End a program; nothing may be left, nothing may have been wrong."""
        for process in client.end():
            self.fault(f"left behind: {process}")
        for wrong in client.wrong:
            self.fault(wrong)
        if "Traceback" in (log := client.log()):
            self.fault(f"a traceback in the log: {log[log.index('Traceback') - 300 :][:2000]}")

    def must(self, ask: Ask, client: Client, *kinds: str) -> str:
        """Wait for an answer, whose kind must be one of these ("": a result); returns the kind."""
        client.wait(ask, ANSWER_S)
        self.outcome.tried += 1
        self.kinds[ask.kind] += 1
        if ask.kind not in kinds:
            self.fault(f"{ask.method}: {str(ask.answer)[:600]}")
        return ask.kind

    def fetch(self, hub: Hub, name: str) -> dict[str, Any]:
        """The params of a download into the folder."""
        return {
            "model": f"hf:{REPOSITORY}/{name}",
            "endpoint": hub.endpoint,
            "modelsDirectory": str(self.models),
        }
