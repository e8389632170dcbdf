"""Damaged pictures and sounds against a real program: an answer or a typed error each, and never a dead router."""

from __future__ import annotations

import base64
import collections
import random
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import media_files
import projectors
from client import Ask, Client
from gguf_files import WIDTH, tiny_model
from media_files import COLOURS, stripes, tone
from outcome import ENGINES_LOST, Outcome

from sidecar.message_handler._wire import ERRORS

COUNT = 1000
LONGEST_S = 20.0
"""For one answer, on a machine with other work."""

SIZES = ((1, 1), (7, 3), (56, 56), (300, 1), (1, 300), (640, 480))
EDGES = (0, 1, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)
LOST = ("engineCrashed", "requestCrashes")
SIGN = 8
"""Bytes at the begin that stay mostly: without them nothing else is read."""


def good(chance: random.Random, *, sound: bool) -> tuple[str, bytes]:
    """A file that is whole, and its format."""
    if sound:
        samples = tone(chance.choice((50, 440, 5000)), chance.choice((0.01, 0.3, 2)))
        kind = chance.choice(("wav", "flac", "mp3"))
        return kind, {
            "wav": media_files.wav,
            "flac": media_files.flac,
            "mp3": lambda _: media_files.silent_mp3(chance.randint(1, 40)),
        }[kind](samples)
    rows = stripes([chance.choice(list(COLOURS)) for _ in range(3)], *chance.choice(SIZES))
    kind = chance.choice(("png", "jpeg", "gif", "bmp"))
    write: Callable[..., bytes] = getattr(media_files, kind)
    return kind, write(rows)


def damaged(chance: random.Random, data: bytes) -> tuple[str, bytes]:
    """What was done, and the bytes."""
    changed, done = bytearray(data), []
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(SIGN, max(len(changed), SIGN + 1))
        what = chance.choice(("bits", "bits", "number", "number", "cut", "twice", "hole", "more"))
        if what == "bits" and place < len(changed):
            changed[place] ^= 1 << chance.randrange(8)
        elif what == "number":
            near = chance.choice((place, chance.randrange(SIGN, SIGN + 60)))
            changed[near : near + 4] = struct.pack(chance.choice("<>") + "I", chance.choice(EDGES))
        elif what == "cut":
            del changed[place:]
        elif what == "twice":
            changed[place:place] = changed[place : place + chance.randint(1, 400)]
        elif what == "hole":
            del changed[place : place + chance.randint(1, 40)]
        else:
            changed += chance.randbytes(chance.randint(1, 400))
        done.append(f"{what} at {place}")
    if bytes(changed[:4]) == b"\x89PNG" and chance.random() < 0.7:
        changed = with_checksums(changed)
    return ", ".join(done), bytes(changed)


def with_checksums(data: bytearray) -> bytearray:
    """A PNG whose checksums are right again: whoever writes a file can count."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
        at += 12 + length
    return data


def part(data: bytes, *, sound: bool) -> dict[str, Any]:
    return {"type": "audio" if sound else "image", "source": {"data": base64.b64encode(data).decode()}}


# ---- the group -------------------------------------------------------------------------------------------


def run(seconds: float, seed: int) -> Outcome:
    """Try all files, or as many as there is time for."""
    outcome = Outcome()
    ends: collections.Counter[str] = collections.Counter()
    longest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        client = Client(folder)
        contexts = [_context(client, folder, sound=sound) for sound in (False, True)]
        begin = time.monotonic()
        for index in range(COUNT):
            if time.monotonic() - begin > seconds or outcome.is_full or client.ended.is_set():
                break
            chance, sound = random.Random(f"{seed}-media-{index}"), index % 4 == 3
            kind, data = good(chance, sound=sound)
            done, data = damaged(chance, data)
            content = [{"type": "text", "text": "What is it?"}, part(data, sound=sound)]
            asked = {"contextId": contexts[sound], "messages": [{"role": "user", "content": content}]}
            ask = client.ask("chat", {**asked, "maxTokens": 1, "seed": 1})
            what = f"file {index} ({kind}: {done})"
            if not ask.done.wait(LONGEST_S):
                outcome.fault(f"{what}: no answer within {LONGEST_S:.0f} s")
                client.ask("abort", {"requestId": ask.id})
                ask.done.wait(LONGEST_S)
            else:
                longest = max(longest, ask.ms / 1000)
            _look(outcome, what, ask)
            outcome.tried += 1
            ends[ask.kind or "answered"] += 1
        for process in client.end():
            outcome.fault(f"left behind: {process}")
    for wrong in client.wrong:
        outcome.fault(wrong)
    outcome.figures[ENGINES_LOST] = str(sum(ends[kind] for kind in LOST))
    outcome.figures["how they ended"] = ", ".join(f"{end} {count}" for end, count in sorted(ends.items()))
    outcome.figures["longest answer"] = f"{longest:.1f} s"
    return outcome


def _context(client: Client, folder: Path, *, sound: bool) -> str:
    model = tiny_model(folder / f"{sound}.gguf")
    projector = projectors.tiny(folder / f"mmproj-{sound}.gguf", WIDTH, "ultravox" if sound else "llava")
    loaded = client.get("loadModel", {"path": model, "projectorPath": projector})
    made = {"modelId": loaded["modelId"], "contextSize": 512, "threads": 1}
    context: str = client.get("createContext", made)["contextId"]
    return context


def _look(outcome: Outcome, what: str, ask: Ask) -> None:
    if ask.answer is None:
        outcome.fault(f"{what}: the program ended")
    elif "error" in ask.answer:
        error = ask.answer["error"]
        kind = error.get("data", {}).get("kind")
        if kind == "internalError" or kind not in ERRORS or ERRORS[kind][0] != error["code"]:
            outcome.fault(f"{what}: {error}")
