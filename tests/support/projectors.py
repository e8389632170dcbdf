"""Small projectors that name colours or tones, for the pinned models. Nobody has trained them.

The colour of a patch decides which corner of the RGB cube is nearest, and the patch becomes the model's own embedding
of that corner's name. So a real model reads words of colours where a picture stands, and what it says about a picture
can be compared. A tone becomes "low" or "high" in the same way. The layers between have random weights that change
little. What each tensor means, llama.cpp's tools/mtmd says.
"""

from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
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
from sidecar.models.gguf.tensor_types import TENSOR_TYPES

Array = Any  # of numpy

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

    def add(self, name: str, values: Array) -> None:
        """A tensor of numpy's float32 or float16."""
        kind = F16 if values.dtype == np.float16 else F32
        self.add_raw(name, list(reversed(values.shape)), kind, np.ascontiguousarray(values).tobytes())

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


def _llava(path: Path, names: Array) -> str:
    """16 rows a picture, whatever its size; each sees only the rows before."""
    file = _vision("mlp", names.shape[1], side=4 * PATCH, layers=2)
    file.add("v.patch_embd.weight", _means())
    file.add("v.position_embd.weight", np.zeros((16, WIDTH), np.float32))
    for index in range(2):  # libmtmd leaves out the last one
        _layer(file, f"v.blk.{index}", index + 1)
    _namer(file, names, copies=1)
    return file.write(path)


def _qwen2vl(path: Path, names: Array) -> str:
    """Rows by the picture's size, of which each stands at a place of its own (M-RoPE)."""
    file = _vision("qwen2vl_merger", names.shape[1], side=8 * PATCH, layers=1, spatial_merge_size=MERGED)
    for end in ("weight", "weight.1"):  # of two frames of a film, which are the same picture
        file.add(f"v.patch_embd.{end}", _means() / 2)
    _layer(file, "v.blk.0", 3)
    _namer(file, names, copies=MERGED**2)
    return file.write(path)


def _gemma3(path: Path, names: Array) -> str:
    """4 rows a picture, which see each other; only red, green and blue have names."""
    width = names.shape[1]
    file = _vision("gemma3", width, side=4 * PATCH, layers=1, projector__scale_factor=MERGED)
    file.add("v.patch_embd.weight", _means())
    file.add("v.patch_embd.bias", np.zeros(WIDTH, np.float32))
    file.add("v.position_embd.weight", np.zeros((16, WIDTH), np.float32))
    _layer(file, "v.blk.0", 2)
    # The norm before makes the one channel that is lit √WIDTH. Gemma multiplies words by √width, but not these rows.
    projection = np.zeros((WIDTH, width), np.float32)
    for channel, name in enumerate(names):
        projection[channel] = name * np.sqrt(width / WIDTH)
    file.add("mm.input_projection.weight", projection)
    file.add("mm.soft_emb_norm.weight", np.ones(WIDTH, np.float32))
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


def _means() -> Array:
    """The first three numbers of a patch are the means of its channels."""
    kernel = np.zeros((WIDTH, 3, PATCH, PATCH), np.float32)
    for channel in range(3):
        kernel[channel, channel] = 1 / PATCH**2
    return kernel


def _namer(file: File, names: Array, copies: int) -> None:
    """Red, green and blue → the embedding of the nearest corner's name. `copies`: patches whose mean counts.

    One minus the distance to a corner is linear within the cube, and above 0 only near that corner.
    """
    weights, bias = np.zeros((len(COLOURS), WIDTH), np.float32), np.zeros(len(COLOURS), np.float32)
    for row, corner in enumerate(COLOURS.values()):
        for channel, value in enumerate(corner):
            weights[row, channel] = STEEP if value else -STEEP
        bias[row] = STEEP * (1 - sum(map(bool, corner)))
    file.add("mm.0.weight", np.concatenate([weights / copies] * copies, axis=1))
    file.add("mm.0.bias", bias)
    file.add("mm.2.weight", (names.T / STEEP).astype(np.float32))
    file.add("mm.2.bias", np.zeros(names.shape[1], np.float32))


# ---- sound ---------------------------------------------------------------------------------------------


def _ultravox(path: Path, names: Array) -> str:
    """30 rows for each half minute of sound: whether the lower or the higher frequencies are louder."""
    numbers = {
        "embedding_length": WIDTH, "feed_forward_length": INNER, "block_count": 1, "attention.head_count": 1,
        "projection_dim": names.shape[1], "num_mel_bins": MEL_BINS, "projector.stack_factor": STACKED,
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
    half, middle = MEL_BINS // 2, 1  # of three frames that a filter sees
    difference, kept = np.zeros((WIDTH, MEL_BINS, 3), np.float16), np.zeros((WIDTH, WIDTH, 3), np.float16)
    for row, sign in enumerate((1, -1)):
        difference[row, :half, middle] = sign * STEEP / half
        difference[row, half:, middle] = -sign * STEEP / half
        kept[row, row, middle] = 1
    for number, filters in enumerate((difference, kept), start=1):
        file.add(f"a.conv1d.{number}.weight", filters)
        file.add(f"a.conv1d.{number}.bias", np.zeros((WIDTH, 1), np.float32))
    file.add("a.position_embd.weight", np.zeros((FRAMES, WIDTH), np.float32))
    _layer(file, "a.blk.0", 4, sound=True)
    file.add("mm.a.norm_pre.weight", np.ones(STACKED * WIDTH, np.float32))
    sums = np.zeros((4, STACKED * WIDTH), np.float32)  # two for the gate, two that it multiplies
    for row in range(4):
        sums[row, row % 2 :: WIDTH] = 1
    file.add("mm.a.mlp.1.weight", sums)
    file.add("mm.a.norm_mid.weight", np.ones(2, np.float32))
    file.add("mm.a.mlp.2.weight", (names.T / np.sqrt(2)).astype(np.float32))
    return file.write(path)


# ---- a model with M-RoPE -------------------------------------------------------------------------------


def as_qwen2vl(path: Path, model: str) -> str:
    """A llama model under the name of another architecture, whose rows have three positions each: equal ones for text.

    Then M-RoPE turns numbers as RoPE does, but other pairs of them.
    """
    found, entries = _header(model), []
    for key, raw in raw_entries(model):
        if key == "general.architecture":
            raw = entry(key, STRING, "qwen2vl")
        elif key.startswith("llama."):
            own = key.replace("llama.", "qwen2vl.")
            raw = struct.pack("<Q", len(own)) + own.encode() + raw[8 + len(key) :]
        entries.append(raw)
    queries = found.typed("llama.attention.head_count", int) or 1
    eighth = (found.typed("llama.embedding_length", int) or 0) // queries // 16  # of a head's pairs
    sections = (UINT32, [2 * eighth, 3 * eighth, 3 * eighth, 0])
    entries.append(entry("qwen2vl.rope.dimension_sections", ARRAY, sections))
    keys = found.typed("llama.attention.head_count_kv", int) or queries
    heads = {"attn_q": queries, "attn_k": keys, "attn_v": None}
    file, kinds = File(entries), {kind[0]: number for number, kind in TENSOR_TYPES.items()}
    with Path(model).open("rb") as source:
        for tensor in found.tensors:
            source.seek(found.data_start + tensor.offset)
            data, count = source.read(tensor.size or 0), tensor.shape[-1]
            part = tensor.name.split(".")[-2]
            if tensor.name.startswith("blk.") and part in heads:
                file.add(tensor.name.replace("weight", "bias"), np.zeros(count, np.float32))
                if heads[part]:
                    data = _pairs_apart(data, count, heads[part])
            file.add_raw(tensor.name, list(tensor.shape), kinds[tensor.type_name], data)
    return file.write(path)


def _pairs_apart(data: bytes, rows: int, heads: int | None) -> bytes:
    """Rows 0, 1, 2, … of each head in the order 0, 2, 4, …, 1, 3, 5, …"""
    order = np.arange(rows).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)
    moved: bytes = np.frombuffer(data, np.uint8).reshape(rows, -1)[order].tobytes()
    return moved


# ---- what they have in common --------------------------------------------------------------------------


def _layer(file: File, name: str, seed: int, *, sound: bool = False) -> None:
    """A whole layer of an encoder with random weights, which adds little to what it gets; to sound, nothing."""
    chance, adds = random.Random(seed), 0.0 if sound else 0.003

    def put(part: str, size: float, *shape: int) -> None:
        values = [size * (2 * chance.random() - 1) for _ in range(int(np.prod(shape)))]
        file.add(f"{name}.{part}", np.array(values, np.float32).reshape(shape))

    for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
        size = adds if part == "attn_out" else 0.1
        put(f"{part}.weight", size, WIDTH, WIDTH)
        if not (sound and part == "attn_k"):
            put(f"{part}.bias", size, WIDTH)
    for part, size, rows, columns in (("ffn_up", 0.1, INNER, WIDTH), ("ffn_down", adds, WIDTH, INNER)):
        put(f"{part}.weight", size, rows, columns)
        put(f"{part}.bias", size, rows)
    for norm in ("ln1", "ln2"):
        file.add(f"{name}.{norm}.weight", np.ones(WIDTH, np.float32))
        file.add(f"{name}.{norm}.bias", np.zeros(WIDTH, np.float32))


def _word_rows(model: str, words: Sequence[str], blank: str) -> Array:
    """The model's embeddings of words that follow a blank. They are of the type Q8_0."""
    tokens = _tokens(model)
    found = _header(model)
    table = next(tensor for tensor in found.tensors if tensor.name == "token_embd.weight")
    assert table.type_name == "Q8_0"
    row_bytes = (table.size or 0) // table.shape[-1]
    block = np.dtype([("scale", "<f2"), ("values", "i1", 32)])
    rows = []
    with Path(model).open("rb") as file:
        for word in words:
            file.seek(found.data_start + table.offset + row_bytes * tokens.index(blank + word))
            blocks = np.frombuffer(file.read(row_bytes), block)
            rows.append((blocks["values"] * blocks["scale"].astype(np.float32)[:, None]).reshape(-1))
    return np.stack(rows)


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


KINDS: dict[str, tuple[Callable[[Path, Array], str], list[str], str]] = {
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
    rows = [[chance() - 0.5 for _ in range(width)] for _ in words]
    return write(path, np.array(rows, np.float32))
