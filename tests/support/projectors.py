"""Small projectors that name colours or tones, for the pinned models. Nobody has trained them.

The colour of a patch decides which corner of the RGB cube is nearest, and the patch becomes the model's own embedding
of that corner's name. So a real model reads words of colours where a picture stands, and what it says about a picture
can be compared. A tone becomes "low" or "high" in the same way. The layers between have random weights that change
little. What each tensor means, llama.cpp's tools/mtmd says. Without numpy, which Wine 8 cannot load.
"""

from __future__ import annotations

import functools
import math
import random
import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gguf_files import (
    ARRAY,
    BOOL,
    F16,
    F32,
    FLOAT32,
    STRING,
    UINT32,
    Typed,
    entry,
    header,
    padded,
    raw_entries,
    tensor_row,
)
from media_files import COLOURS

from sidecar.models.gguf import reader
from sidecar.models.gguf.header import Header

Rows = Sequence[Sequence[float]]
"""Of a matrix, one for each word. The numbers are of 32 bits."""

WIDTH, INNER = 32, 64
"""Numbers in a row of the encoder, and within its feed-forward part."""

PATCH = 14
"""Pixels of a patch's side."""

STEEP = 10.0
"""gelu(STEEP × x) / STEEP is nearly max(x, 0)."""

MERGED = 2
"""Patches of a side that become one row."""

MEL_BINS, STACKED, FRAMES = 80, 50, 1500
"""Of a sound: frequencies, frames that become one row, frames of half a minute."""


class File:
    """A GGUF file that is put together tensor by tensor."""

    def __init__(self, entries: list[bytes]) -> None:
        self._entries = entries
        self._tensors: list[tuple[str, list[int], int, bytes]] = []

    def add(self, name: str, values: Iterable[float], *shape: int) -> None:
        """A tensor of 32 bits a number. `shape`: the last dimension is the one whose numbers lie side by side."""
        self.add_raw(name, [*reversed(shape)], F32, array("f", values).tobytes())

    def fill(self, name: str, value: float, *shape: int) -> None:
        """The same with one number everywhere."""
        self.add(name, [value] * math.prod(shape), *shape)

    def add_raw(self, name: str, dimensions: list[int], kind: int, data: bytes) -> None:
        """A tensor of any type."""
        self._tensors.append((name, dimensions, kind, data))

    def write(self, path: Path) -> str:
        rows, end = [], 0
        for name, dimensions, kind, data in self._tensors:
            rows.append(tensor_row(name, dimensions, kind, end))
            end += len(padded(data))
        with path.open("wb") as file:
            file.write(header(self._entries, rows))
            for *_, data in self._tensors:
                file.write(padded(data))
        return str(path)


# ---- pictures ------------------------------------------------------------------------------------------


def _llava(path: Path, names: Rows) -> str:
    """16 rows a picture, whatever its size; each sees only the rows before."""
    file = _vision("mlp", len(names[0]), side=4 * PATCH, layers=2)
    _add_means(file, "v.patch_embd.weight")
    file.fill("v.position_embd.weight", 0, 16, WIDTH)
    for index in range(2):  # libmtmd leaves out the last one
        _layer(file, f"v.blk.{index}", index + 1)
    _namer(file, names, copies=1)
    return file.write(path)


def _qwen2vl(path: Path, names: Rows) -> str:
    """Rows by the picture's size, of which each stands at a place of its own (M-RoPE)."""
    file = _vision("qwen2vl_merger", len(names[0]), side=8 * PATCH, layers=1, spatial_merge_size=MERGED)
    for end in ("weight", "weight.1"):  # of two frames of a film, which are the same picture
        _add_means(file, f"v.patch_embd.{end}", frames=2)
    _layer(file, "v.blk.0", 3)
    _namer(file, names, copies=MERGED**2)
    return file.write(path)


def _gemma3(path: Path, names: Rows) -> str:
    """4 rows a picture, which see each other; only red, green and blue have names."""
    width = len(names[0])
    file = _vision("gemma3", width, side=4 * PATCH, layers=1, projector__scale_factor=MERGED)
    _add_means(file, "v.patch_embd.weight")
    file.fill("v.patch_embd.bias", 0, WIDTH)
    file.fill("v.position_embd.weight", 0, 16, WIDTH)
    _layer(file, "v.blk.0", 2)
    # The norm before makes the one channel that is lit √WIDTH. Gemma multiplies words by √width, but not these rows.
    projection = [number * math.sqrt(width / WIDTH) for name in names for number in name]
    projection += [0] * (WIDTH * width - len(projection))
    file.add("mm.input_projection.weight", projection, WIDTH, width)
    file.fill("mm.soft_emb_norm.weight", 1, WIDTH)
    return file.write(path)


def _vision(kind: str, text_width: int, *, side: int, layers: int, **more: int) -> File:
    numbers = {
        "image_size": side, "patch_size": PATCH, "embedding_length": WIDTH, "feed_forward_length": INNER,
        "block_count": layers, "attention.head_count": 1, "projection_dim": text_width,
    } | {name.replace("__", "."): value for name, value in more.items()}  # fmt: skip
    metadata: dict[str, Typed] = {
        "general.architecture": (STRING, "clip"),
        "general.type": (STRING, "mmproj"),
        "clip.has_vision_encoder": (BOOL, True),
        "clip.projector_type": (STRING, kind),
        "clip.use_gelu": (BOOL, True),
        **{f"clip.vision.{name}": (UINT32, value) for name, value in numbers.items()},
        "clip.vision.attention.layer_norm_epsilon": (FLOAT32, 1e-6),
        "clip.vision.image_mean": (ARRAY, (FLOAT32, [0.0] * 3)),
        "clip.vision.image_std": (ARRAY, (FLOAT32, [1.0] * 3)),
    }
    return File([entry(key, *value) for key, value in metadata.items()])


def _add_means(file: File, name: str, frames: int = 1) -> None:
    """The first three numbers of a patch are the means of its channels. `frames`: how many of them are added up."""
    pixels = PATCH**2
    kernel = array("f", [0]) * (WIDTH * 3 * pixels)
    for channel in range(3):
        at = (channel * 3 + channel) * pixels
        kernel[at : at + pixels] = array("f", [1 / pixels / frames]) * pixels
    file.add(name, kernel, WIDTH, 3, PATCH, PATCH)


def _namer(file: File, names: Rows, copies: int) -> None:
    """Red, green and blue → the embedding of the nearest corner's name. `copies`: patches whose mean counts.

    One minus the distance to a corner is linear within the cube, and above 0 only near that corner.
    """
    weights: list[float] = []
    for corner in COLOURS.values():
        channels = [(STEEP if value else -STEEP) / copies for value in corner]
        weights += (channels + [0] * (WIDTH - len(channels))) * copies
    file.add("mm.0.weight", weights, len(COLOURS), copies * WIDTH)
    file.add("mm.0.bias", [STEEP * (1 - sum(map(bool, corner))) for corner in COLOURS.values()], len(COLOURS))
    _add_names(file, "mm.2.weight", names, STEEP)
    file.fill("mm.2.bias", 0, len(names[0]))


def _add_names(file: File, name: str, names: Rows, divisor: float) -> None:
    """The words' embeddings as columns."""
    file.add(
        name,
        (number / divisor for each in zip(*names, strict=True) for number in each),
        len(names[0]),
        len(names),
    )


# ---- sound ---------------------------------------------------------------------------------------------


def _ultravox(path: Path, names: Rows) -> str:
    """30 rows for each half minute of sound: whether the lower or the higher frequencies are louder."""
    numbers = {
        "embedding_length": WIDTH, "feed_forward_length": INNER, "block_count": 1, "attention.head_count": 1,
        "projection_dim": len(names[0]), "num_mel_bins": MEL_BINS, "projector.stack_factor": STACKED,
    }  # fmt: skip
    metadata: dict[str, Typed] = {
        "general.architecture": (STRING, "clip"),
        "general.type": (STRING, "mmproj"),
        "clip.has_audio_encoder": (BOOL, True),
        "clip.projector_type": (STRING, "ultravox"),
        **{f"clip.audio.{name}": (UINT32, value) for name, value in numbers.items()},
        "clip.audio.attention.layer_norm_epsilon": (FLOAT32, 1e-5),
    }
    file = File([entry(key, *value) for key, value in metadata.items()])
    half = MEL_BINS // 2
    louder = [STEEP / half] * half + [-STEEP / half] * half
    _add_filters(file, 1, MEL_BINS, [louder, [-each for each in louder]])
    _add_filters(file, 2, WIDTH, [[1], [0, 1]])
    file.fill("a.position_embd.weight", 0, FRAMES, WIDTH)
    _layer(file, "a.blk.0", 4, sound=True)
    file.fill("mm.a.norm_pre.weight", 1, STACKED * WIDTH)
    sums: list[float] = []  # two for the gate, two that it multiplies
    for row in range(4):
        sums += [float(column % WIDTH == row % 2) for column in range(STACKED * WIDTH)]
    file.add("mm.a.mlp.1.weight", sums, 4, STACKED * WIDTH)
    file.fill("mm.a.norm_mid.weight", 1, 2)
    _add_names(file, "mm.a.mlp.2.weight", names, math.sqrt(2))
    return file.write(path)


def _add_filters(file: File, number: int, channels: int, rows: Rows) -> None:
    """A convolution. `rows` has the first channels of the first filters; all others are 0.

    Of the three frames that a filter sees, the middle one counts.
    """
    values = array("f", [0]) * (WIDTH * channels * 3)
    for filtered, row in enumerate(rows):
        for channel, value in enumerate(row):
            values[(filtered * channels + channel) * 3 + 1] = value
    file.add_raw(
        f"a.conv1d.{number}.weight", [3, channels, WIDTH], F16, struct.pack(f"<{len(values)}e", *values)
    )
    file.fill(f"a.conv1d.{number}.bias", 0, WIDTH, 1)


# ---- what they have in common --------------------------------------------------------------------------


def _layer(file: File, name: str, seed: int, *, sound: bool = False) -> None:
    """A whole layer of an encoder with random weights, which adds little to what it gets; to sound, nothing."""
    chance, adds = random.Random(seed), 0.0 if sound else 0.003

    def put(part: str, size: float, *shape: int) -> None:
        values = [size * (2 * chance.random() - 1) for _ in range(math.prod(shape))]
        file.add(f"{name}.{part}", values, *shape)

    for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
        size = adds if part == "attn_out" else 0.1
        put(f"{part}.weight", size, WIDTH, WIDTH)
        if not (sound and part == "attn_k"):
            put(f"{part}.bias", size, WIDTH)
    for part, size, rows, columns in (("ffn_up", 0.1, INNER, WIDTH), ("ffn_down", adds, WIDTH, INNER)):
        put(f"{part}.weight", size, rows, columns)
        put(f"{part}.bias", size, rows)
    for norm in ("ln1", "ln2"):
        file.fill(f"{name}.{norm}.weight", 1, WIDTH)
        file.fill(f"{name}.{norm}.bias", 0, WIDTH)


def _word_rows(model: str, words: Sequence[str], blank: str) -> Rows:
    """The model's embeddings of words that follow a blank. They are of the type Q8_0."""
    tokens = _tokens(model)
    found = _header(model)
    table = next(tensor for tensor in found.tensors if tensor.name == "token_embd.weight")
    assert table.type_name == "Q8_0"
    row_bytes = (table.size or 0) // table.shape[-1]
    rows = []
    with Path(model).open("rb") as file:
        for word in words:
            file.seek(found.data_start + table.offset + row_bytes * tokens.index(blank + word))
            blocks = struct.iter_unpack("<e32b", file.read(row_bytes))
            rows.append([scale * value for scale, *values in blocks for value in values])
    return rows


@functools.cache
def _header(model: str) -> Header:
    return reader.read_header(model)


@functools.cache
def _tokens(model: str) -> list[str]:
    key = "tokenizer.ggml.tokens"
    raw = next(raw for name, raw in raw_entries(model) if name == key)
    at, tokens = 8 + len(key) + 16, []
    while at < len(raw):
        (size,) = struct.unpack_from("<Q", raw, at)
        tokens.append(raw[at + 8 : at + 8 + size].decode(errors="replace"))
        at += 8 + size
    return tokens


KINDS: dict[str, tuple[Callable[[Path, Rows], str], list[str], str]] = {
    "llava": (_llava, list(COLOURS), "Ġ"),
    "qwen2vl": (_qwen2vl, list(COLOURS), "Ġ"),
    "gemma3": (_gemma3, ["red", "green", "blue"], "▁"),
    "ultravox": (_ultravox, ["low", "high"], "Ġ"),
}
"""Kind → what writes it, the words that it may name, how the model writes the blank before them."""


def named(path: Path, model: str, kind: str) -> str:
    """Write a projector for a pinned model, which reads the words; returns its path."""
    write, words, blank = KINDS[kind]
    return write(path, _word_rows(model, words, blank))


def tiny(path: Path, width: int, kind: str = "llava") -> str:
    """Write one for any model of this width, to which the rows mean nothing; returns its path."""
    write, words, _ = KINDS[kind]
    chance = random.Random(width).random
    return write(path, [array("f", [chance() - 0.5 for _ in range(width)]) for _ in words])
