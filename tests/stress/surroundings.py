"""What happens around the program: sleep, clocks, full and read-only disks, garbage from hubs, clients that vanish."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from download_work import sha256_of
from hub import Hub, Synthetic
from outcome import Outcome
from place import ANSWER_S, MB, REPOSITORY, SPEED, Place
from strangers import garbage, vanishing

SLEEP_S, SHORT_SLEEP_S = 60.0, 3.0
UPTIME_S = 400 * 86400
NAMESPACE = ("unshare", "--map-root-user", "--mount", "sh", "-c")
SMALL_DISK = 'mount -t tmpfs -o size={size} tmpfs "{folder}" && exec "$@"'
READ_ONLY = 'mount --bind "{folder}" "{folder}" && mount -o remount,ro,bind "{folder}" && exec "$@"'


def sleep(place: Place) -> None:
    """All processes stand still in the middle of work, as when a laptop's lid is closed, and go on."""
    with Hub() as hub:
        content = Synthetic(8 * MB, seed=1)
        hub.add(REPOSITORY, {"a.gguf": content})
        hub.fault("*", bytes_per_second=SPEED, times=None, origin="cdn")
        client = place.start()
        context = place.load(client)
        endless = {"contextId": context, "ignoreEos": True, "maxTokens": 400}
        messages = [{"role": "user", "content": "a"}]
        asks = [client.ask("complete", {**endless, "prompt": "a" * n}) for n in range(1, 5)]
        asks += [client.ask("chat", {**endless, "messages": messages}) for _ in range(4)]
        asks.append(client.ask("downloadModel", place.fetch(hub, "a.gguf")))
        time.sleep(1.0)
        asks += [
            client.ask("applyTemplate", {"modelId": "model-1", "messages": messages}) for _ in range(200)
        ]
        family = client.family()
        _signal(family, "suspend")
        asks.append(client.ask("ping"))
        time.sleep(SLEEP_S if place.full else SHORT_SLEEP_S)
        _signal(family, "resume")
        for ask in asks:
            place.must(ask, client, "")
        if asks[8].kind == "" and sha256_of(asks[8].result["path"]) != content.sha256:
            place.fault("the download has wrong bytes")
        place.end(client)


def _signal(family: list[psutil.Process], how: str) -> None:
    for process in family:
        try:
            getattr(process, how)()
        except psutil.NoSuchProcess:
            continue


def clock(place: Place) -> None:
    """The machine says that it runs for years, and the next program that it was started again meanwhile."""
    ahead = (
        "unshare",
        "--map-root-user",
        "--time",
        f"--monotonic={UPTIME_S}",
        f"--boottime={UPTIME_S}",
        "--fork",
    )
    if not _works([*ahead, "true"]):
        place.outcome.figures["clock"] = "left out: no time namespaces here"
        return
    with Hub() as hub:
        content = Synthetic(6 * MB, seed=2)
        hub.add(REPOSITORY, {"a.gguf": content})
        slow = hub.fault("*", bytes_per_second=SPEED, times=None, origin="cdn")
        for host in ((), ahead, ()):
            client = place.start((*host, "--kill-child") if host else ())
            context = place.load(client)
            ask = client.ask("downloadModel", place.fetch(hub, "a.gguf"))
            place.must(
                client.ask("complete", {"contextId": context, "prompt": "a", "timeoutMs": 60_000}), client, ""
            )
            ask.done.wait(place.chance.uniform(0.3, 1.5))
            client.process.kill()
            client.ended.wait(ANSWER_S)
            place.end(client)
        slow.times = 0
        client = place.start()
        ask = client.ask("downloadModel", place.fetch(hub, "a.gguf"))
        if place.must(ask, client, "") == "" and sha256_of(ask.result["path"]) != content.sha256:
            place.fault("the download has wrong bytes")
        place.end(client)


def full_disk(place: Place) -> None:
    """The disk gets full during downloads and while a state is written; then there is room again."""
    command = SMALL_DISK.format(folder=place.models, size=9 * MB)
    host = (*NAMESPACE, command, "sh")
    if not _works([*host, "true"]):
        place.outcome.figures["full disk"] = "left out: no mounts here"
        return
    with Hub() as hub:
        files = {f"{n}.gguf": Synthetic(4 * MB, seed=n) for n in range(4)}
        hub.add(REPOSITORY, files)
        hub.fault("*", bytes_per_second=SPEED, times=None, origin="cdn")
        client = place.start(host)
        context = place.load(client)
        directory = {"modelsDirectory": str(place.models)}
        while True:
            # Each alone has room: that there is none is seen in the middle.
            asks = [client.ask("downloadModel", place.fetch(hub, name)) for name in files]
            for ask in asks:
                place.must(ask, client, "", "diskFull")
            prompt = {"contextId": context, "prompt": "a" * 400, "maxTokens": 1}
            place.must(client.ask("complete", prompt), client, "")
            for n in range(3):
                state = {"contextId": context, "path": str(place.models / f"{n}.state")}
                place.must(client.ask("saveState", state), client, "", "diskFull")
            listed = client.get("listModels", directory, ANSWER_S)
            for each in listed["models"] + listed["partials"]:
                place.must(client.ask("deleteModel", {**directory, "path": each["path"]}), client, "")
            ask = client.ask("downloadModel", place.fetch(hub, "0.gguf"))
            if place.must(ask, client, "", "diskFull") == "":
                if ask.result["sha256"] != files["0.gguf"].sha256:
                    place.fault("the download has wrong bytes")
                place.must(client.ask("deleteModel", {**directory, "path": ask.result["path"]}), client, "")
            if not place.full or time.monotonic() > place.until:
                break
        place.end(client)


def read_only(place: Place) -> None:
    """Nothing can be written: what only reads works, all else says so."""
    with Hub() as hub:
        content = Synthetic(MB, seed=1)
        hub.add(REPOSITORY, {"a.gguf": content, "b.gguf": content})
        client = place.start()
        place.must(client.ask("downloadModel", place.fetch(hub, "a.gguf")), client, "")
        place.end(client)
        shutil.copyfile(place.model, place.models / "tiny.gguf")
        host = (*NAMESPACE, READ_ONLY.format(folder=place.folder), "sh")
        if not _works([*host, "true"]):
            place.outcome.figures["read-only disk"] = "left out: no mounts here"
            return
        client = place.start(host, TMPDIR=str(place.folder))
        place.model = str(place.models / "tiny.gguf")
        context = place.load(client)
        directory = {"modelsDirectory": str(place.models)}
        listed = client.get("listModels", directory, ANSWER_S)["models"]
        if len(listed) != 2:
            place.fault(f"listModels finds {listed}")
        place.must(client.ask("complete", {"contextId": context, "prompt": "a", "maxTokens": 9}), client, "")
        place.must(
            client.ask("saveState", {"contextId": context, "path": "x.state"}), client, "directoryNotWritable"
        )
        place.must(
            client.ask("downloadModel", place.fetch(hub, "a.gguf")), client, "", "directoryNotWritable"
        )
        place.must(client.ask("downloadModel", place.fetch(hub, "b.gguf")), client, "directoryNotWritable")
        for each in listed:
            kinds = ("directoryNotWritable", "notInStore", "modelInUse")
            place.must(client.ask("deleteModel", {**directory, "path": each["path"]}), client, *kinds)
        place.end(client)


def _works(command: list[str]) -> bool:
    return shutil.which(command[0]) is not None and (
        subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


PARTS: dict[str, Callable[[Place], None]] = {
    "sleep": sleep,
    "clock": clock,
    "full disk": full_disk,
    "read-only disk": read_only,
    "garbage": garbage,
    "vanishing clients": vanishing,
}


def run(seconds: float, seed: int) -> Outcome:
    """Each part in a folder of its own."""
    outcome, late = Outcome(), time.monotonic() + 2 * seconds
    for name, part in PARTS.items():
        if time.monotonic() > late:
            outcome.figures[name] = "left out: no time"
            continue
        with tempfile.TemporaryDirectory() as folder:
            place = Place(name, Path(folder), seed, seconds, seconds / len(PARTS), outcome)
            try:
                part(place)
            except (AssertionError, OSError, EOFError) as error:
                place.fault(f"{type(error).__name__}: {str(error)[:1000]}")
            kinds = {kind or "results": count for kind, count in sorted(place.kinds.items())}
            if kinds:
                outcome.figures[name] = json.dumps(kinds).strip("{}").replace('"', "")
    return outcome
