"""What is said about pictures and sounds: by llama-mtmd-cli, whose texts are kept, and by the program."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gguf_files
import made_models
import media_files
import mrope_model
import projectors
from media_files import stripes, tone

from models import GEMMA3, SMOLLM2

EXPECTED = Path(__file__).parents[1] / "real" / "mtmd_texts.json"
"""Written by bench/record_media.py."""

GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>{{ message.role }}\n"
    "{{ message.content }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
"""The pinned Gemma has none of its own."""

COLOUR = "The color is@. What is the name of the color?"
TWO = "The car is@ and the house is@. Which color is the car?"
SOUND = "The sound is@. Is it low or high?"
MILD = {f"attn_{part}.weight": (-0.3, 0.3) for part in ("q", "k")}
"""Weights with which a model looks at all that was shown and said, and not only at a few tokens."""

PLAIN = ("black", "blue", "red", "purple", "yellow")
SIDE = 56
SECONDS = 2.0


class Case(NamedTuple):
    """A message with pictures or sounds at each @."""

    pair: str
    text: str
    files: tuple[bytes, ...]
    tokens: int = 10

    def parts(self) -> Iterator[dict[str, Any]]:
        """The message's content."""
        first, *rest = self.text.split("@")
        if first:
            yield {"type": "text", "text": first}
        for data, text in zip(self.files, rest, strict=True):
            yield media_part(data)
            if text:
                yield {"type": "text", "text": text}


def media_part(data: bytes) -> dict[str, Any]:
    """A content part with a picture, or with a sound."""
    kind = "image" if data.startswith((b"\x89PNG", b"\xff\xd8", b"GIF", b"BM")) else "audio"
    return {"type": kind, "source": {"data": base64.b64encode(data).decode()}}


def picture(colours: str, width: int = SIDE, height: int = SIDE, kind: str = "png") -> bytes:
    """A picture of stripes; `colours` has their names."""
    write: Callable[..., bytes] = getattr(media_files, kind)
    return write(stripes(colours.split(), width, height))


def cases() -> dict[str, Case]:
    """By name. Each ends before the second best token comes near the best: rounding must not decide."""
    found = {f"llava {colour}": Case("llava", COLOUR, (picture(colour),)) for colour in PLAIN}
    found["llava cyan"] = Case("llava", COLOUR, (picture("cyan"),), 5)
    found["llava white"] = Case("llava", COLOUR, (picture("white"),), 4)
    for kind in ("jpeg", "gif", "bmp"):
        found[f"llava red {kind}"] = Case("llava", COLOUR, (picture("red", kind=kind),))
    found["llava large"] = Case("llava", COLOUR, (picture("blue", 300, 200),))
    found["llava stripes"] = Case("llava", "@Which colors are there?", (picture("red red blue blue"),), 8)
    for first, second in (("red", "blue"), ("green", "yellow"), ("blue", "blue")):
        two = (picture(first), picture(second))
        found[f"llava {first} and {second}"] = Case("llava", TWO, two)
    for pair in ("llava", "qwen2vl"):
        two = (picture("red"), picture("blue"))
        found[f"{pair} two"] = Case(pair, "First color:@ Second color:@ What is the first color?", two)
    for colour in ("red", "blue"):
        found[f"qwen2vl {colour}"] = Case("qwen2vl", COLOUR, (picture(colour),))
    for width, height in ((84, 56), (56, 112), (28, 28)):
        found[f"qwen2vl {width} × {height}"] = Case("qwen2vl", COLOUR, (picture("blue", width, height),))
    for colour in ("red", "green", "blue"):
        both = (picture(colour),) * 2
        found[f"gemma3 {colour}"] = Case("gemma3", "I see a@ car and a@ house.", both)
        found[f"gemma3 {colour} ball"] = Case("gemma3", "The@ ball is@. The@ ball", (both[0],) * 3, 5)
    found["gemma3 sky"] = Case("gemma3", "The sky is@ and the grass is", (picture("blue"),))
    for name, hertz, tokens in (("low", 200, 10), ("high", 5000, 6)):
        sound = media_files.wav(tone(hertz, SECONDS))
        found[f"ultravox {name}"] = Case("ultravox", SOUND, (sound,), tokens)
        found[f"ultravox {name} tone"] = Case("ultravox", "The tone is@. What is the tone?", (sound,), 4)
    found["ultravox flac"] = Case("ultravox", SOUND, (media_files.flac(tone(200, SECONDS)),))
    found["ultravox mp3"] = Case("ultravox", SOUND, (media_files.silent_mp3(60),), 4)
    return found


def pair(name: str, folder: Path) -> tuple[str, str]:
    """The paths of a model and of a projector for it, made if they are missing."""
    model = str((GEMMA3 if name == "gemma3" else SMOLLM2).path)
    projector = folder / f"mmproj-{name}.gguf"
    if not projector.exists():
        projectors.named(projector, model, name)
    if name == "qwen2vl":
        renamed = folder / "SmolLM2-as-qwen2vl.gguf"
        if not renamed.exists():
            mrope_model.as_qwen2vl(renamed, model)
        model = str(renamed)
    return model, str(projector)


def made_pair(name: str, folder: Path) -> tuple[str, str]:
    """The same with a tiny model, whose texts have no sense, but depend on what a picture shows."""
    model, projector = folder / f"made-{name}.gguf", folder / f"sees-{name}.gguf"
    if not model.exists():
        if name == "gemma3":
            made_models.talking_windows(model, window=512)
        elif name == "qwen2vl":
            mrope_model.as_qwen2vl(model, made_pair("llava", folder)[0])
        else:
            gguf_files.ascii_model(model, MILD, gguf_files.CHAT_TEMPLATE)
        width = made_models.TALKING_WIDTH if name == "gemma3" else gguf_files.WIDTH
        projectors.tiny(projector, width, name)
    return str(model), str(projector)


def fingerprint(path: str) -> str:
    """The SHA-256 of a projector: the texts belong to exactly this one."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def expected() -> dict[str, Any]:
    """The kept texts: `projectors` with their fingerprints, `texts` by the case's name."""
    found: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found
