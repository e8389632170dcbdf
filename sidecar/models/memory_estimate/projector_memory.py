"""The memory of a projector, calculated from its header: weights, and the buffer in which it computes.

libmtmd (clip.cpp) makes room for a picture of a fixed size when it loads a projector, for larger ones only when they
come. The buffer is largest in the feed-forward part, where each place of the picture has a row of that width beside
some of the encoder's own. How many, follows from the order in which ggml frees what it has computed; it was read from
libmtmd's reports of projectors of real sizes (tests/unit/models/memory_estimate/test_projector_memory.py).
"""

from __future__ import annotations

from typing import Final

from sidecar.models.gguf.header import Header

SIDES: Final = {
    "qwen2vl_merger": 46, "qwen2.5vl_merger": 46, "qwen2.5o": 46, "qwen3vl_merger": 46, "ling3vl": 46, "mimovl": 46,
    "glm4v": 46, "glm5v": 46, "dots_ocr": 46, "dots3note_v": 46, "exaone4_5": 46, "hunyuanvl": 32, "muse-glimmer": 32,
    "paddleocr": 28, "pixtral": 16, "lightonocr": 16, "kimivl": 16, "gemma4v": 16, "minimax_m3": 16, "youtuvl": 16,
    "phi4": 16, "lfm2": 16, "kimik25": 64,
}  # fmt: skip
"""Projectors for pictures of any size → tokens of the side for which room is made (set_warmup_n_tokens)."""
MERGED: Final = 2
"""Places of a side that become one token, where a header does not tell."""
UNMERGED: Final = ("pixtral", "lightonocr", "phi4")
"""Projectors where it is 1 then."""
SOUND_FRAMES: Final = 1500
"""Places of half a minute, where a header does not tell."""
PARTS: Final = ("vision", "audio")

CLIP: Final = ("mlp", "ldp", "ldpv2", "adapter")
"""Projectors of LLaVA's graph (models/llava.cpp), which frees one row less."""
PIXELS_STAY: Final = (*CLIP, "qwen3vl_merger", "pixtral", "lightonocr")
"""Projectors whose picture lies in the buffer to the end."""
WINDOWED: Final = ("qwen2.5vl_merger", "qwen2.5o")
"""Projectors of which most layers see parts of the picture only: masks, with a number for each two places."""
ROW_COPY: Final = 2
"""Bytes of a number in a row that is copied (ggml_graph_plan)."""
PIXEL_COPIES: Final = 36
"""Bytes: libmtmd keeps the three channels as numbers of 32 bits, in three copies."""
MOST_BYTES: Final = 2**50
"""Of a hostile header's numbers: more than any machine has, and still exact in JavaScript."""
TRANSPOSED: Final = "mm.input_projection.weight"
"""Gemma 3 turns this tensor round in the buffer."""


def needed_bytes(header: Header) -> int:
    """Bytes of weights and buffers, and of copies: of a picture's pixels, and of rows that a CPU multiplies."""
    total = sum(tensor.size or 0 for tensor in header.tensors) + buffer_bytes(header)
    for part in _parts(header):
        row, patch = _number(header, part, "feed_forward_length"), _number(header, part, "patch_size")
        total += places(header, part) * (ROW_COPY * row + PIXEL_COPIES * patch**2)
    return min(total, MOST_BYTES)


def buffer_bytes(header: Header) -> int:
    """Bytes of the buffers, one for pictures and one for sound, as libmtmd reports them."""
    turned = sum(tensor.size or 0 for tensor in header.tensors if tensor.name == TRANSPOSED)
    numbers = [places(header, part) * _numbers_per_place(header, part) for part in _parts(header)]
    return turned + 4 * sum(numbers)


def _parts(header: Header) -> list[str]:
    """Which of the two it has."""
    return [part for part in PARTS if _number(header, part, "embedding_length")]


def _numbers_per_place(header: Header, part: str) -> int:
    """How many numbers of a place the buffer holds at once."""
    kind, names = _kind(header), {tensor.name for tensor in header.tensors}
    width, inner = _number(header, part, "embedding_length"), _number(header, part, "feed_forward_length")
    if part == "audio":
        return inner + 3 * width
    if kind in WINDOWED:
        return 4 * (inner + width) + 3 * places(header, part) // 8
    if "v.blk.0.ffn_gate.weight" in names:
        inner *= 3
    kept = 2 + (kind in CLIP) + ("v.class_embd" in names)
    kept += sum(name.startswith("v.deepstack.") and name.endswith(".fc2.weight") for name in names)
    pixels = 3 * _number(header, part, "patch_size") ** 2 if kind in PIXELS_STAY else 0
    return inner + kept * width + pixels


def places(header: Header, part: str) -> int:
    """How many places a picture or a sound has, for which room is made."""
    if part == "audio":
        table = next((tensor for tensor in header.tensors if tensor.name == "a.position_embd.weight"), None)
        return table.shape[-1] if table else SOUND_FRAMES
    kind = _kind(header)
    if kind in SIDES:
        merged = _number(header, part, "spatial_merge_size") or _number(
            header, part, "projector.scale_factor"
        )
        return (SIDES[kind] * (merged or (1 if kind in UNMERGED else MERGED))) ** 2
    return (_number(header, part, "image_size") // max(1, _number(header, part, "patch_size"))) ** 2


def _kind(header: Header) -> str | None:
    return header.typed("clip.vision.projector_type", str) or header.typed("clip.projector_type", str)


def _number(header: Header, part: str, name: str) -> int:
    return max(0, header.typed(f"clip.{part}.{name}", int) or 0)
