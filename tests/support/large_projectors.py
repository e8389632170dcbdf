"""Projectors of the sizes that people use, but with few layers, all of whose weights are 0: what matters is memory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gguf_files import ARRAY, BOOL, F16, F32, FLOAT32, STRING, UINT32, Typed, entry
from projectors import MERGED, PATCH, File


class Shape(NamedTuple):
    """Of an encoder."""

    width: int
    inner: int
    heads: int
    layers: int
    """As few as compute within seconds. LLaVA leaves out the last one."""
    side: int = 0
    """Pixels of a picture's side."""


CLIP = Shape(1024, 4096, 16, 8, 336)
"""Of LLaVA 1.5."""
SIGLIP = Shape(1152, 4304, 16, 2, 896)
"""Of Gemma 3."""
QWEN = Shape(1280, 5120, 16, 2, 560)
"""Of Qwen2-VL."""
WHISPER = Shape(1280, 5120, 20, 4)
"""Of Ultravox."""

BYTES = {F16: 2, F32: 4}
FRAMES, MEL_BINS, STACKED, HIDDEN = 1500, 128, 8, 2048


class Zeros(File):
    """A projector whose tensors are all 0."""

    def add_zeros(self, name: str, *dimensions: int) -> None:
        """A weight of 16 bits, or a vector of 32 bits. The dimensions are in ggml's order."""
        kind, count = (F32 if len(dimensions) == 1 else F16), 1
        for length in dimensions:
            count *= length
        self.add_raw(name, list(dimensions), kind, bytes(count * BYTES[kind]))

    def add_table(self, name: str, *dimensions: int) -> None:
        """A table of 32 bits."""
        self.add_raw(name, list(dimensions), F32, bytes(4 * dimensions[0] * dimensions[1]))

    def add_norm(self, name: str, width: int) -> None:
        for end in ("weight", "bias"):
            self.add_zeros(f"{name}.{end}", width)

    def add_linear(self, name: str, width: int, out: int) -> None:
        self.add_zeros(f"{name}.weight", width, out)
        self.add_zeros(f"{name}.bias", out)

    def add_layers(self, prefix: str, shape: Shape) -> None:
        for index in range(shape.layers):
            name = f"{prefix}.blk.{index}"
            for part in ("attn_q", "attn_v", "attn_out"):
                self.add_linear(f"{name}.{part}", shape.width, shape.width)
            self.add_zeros(f"{name}.attn_k.weight", shape.width, shape.width)
            if prefix == "v":  # Whisper's has none
                self.add_zeros(f"{name}.attn_k.bias", shape.width)
            self.add_linear(f"{name}.ffn_up", shape.width, shape.inner)
            self.add_linear(f"{name}.ffn_down", shape.inner, shape.width)
            for norm in ("ln1", "ln2"):
                self.add_norm(f"{name}.{norm}", shape.width)


def llava(path: Path, text_width: int) -> str:
    file = _begun("vision", "mlp", CLIP, text_width)
    places = (CLIP.side // PATCH) ** 2 + 1
    file.add_zeros("v.class_embd", CLIP.width)
    file.add_zeros("v.patch_embd.weight", PATCH, PATCH, 3, CLIP.width)
    file.add_table("v.position_embd.weight", CLIP.width, places)
    file.add_norm("v.pre_ln", CLIP.width)
    file.add_layers("v", CLIP)
    file.add_linear("mm.0", CLIP.width, text_width)
    file.add_linear("mm.2", text_width, text_width)
    return file.write(path)


def gemma3(path: Path, text_width: int) -> str:
    file = _begun("vision", "gemma3", SIGLIP, text_width, **{"projector.scale_factor": 4})
    file.add_zeros("v.patch_embd.weight", PATCH, PATCH, 3, SIGLIP.width)
    file.add_zeros("v.patch_embd.bias", SIGLIP.width)
    file.add_table("v.position_embd.weight", SIGLIP.width, (SIGLIP.side // PATCH) ** 2)
    file.add_layers("v", SIGLIP)
    file.add_norm("v.post_ln", SIGLIP.width)
    file.add_zeros("mm.input_projection.weight", text_width, SIGLIP.width)
    file.add_zeros("mm.soft_emb_norm.weight", SIGLIP.width)
    return file.write(path)


def qwen2vl(path: Path, text_width: int) -> str:
    file = _begun("vision", "qwen2vl_merger", QWEN, text_width, spatial_merge_size=MERGED)
    for end in ("weight", "weight.1"):
        file.add_zeros(f"v.patch_embd.{end}", PATCH, PATCH, 3, QWEN.width)
    file.add_layers("v", QWEN)
    file.add_norm("v.post_ln", QWEN.width)
    merged = MERGED**2 * QWEN.width
    file.add_linear("mm.0", merged, merged)
    file.add_linear("mm.2", merged, text_width)
    return file.write(path)


def ultravox(path: Path, text_width: int) -> str:
    more = {"num_mel_bins": MEL_BINS, "projector.stack_factor": STACKED}
    file = _begun("audio", "ultravox", WHISPER, text_width, **more)
    for number, channels in enumerate((MEL_BINS, WHISPER.width), start=1):
        file.add_zeros(f"a.conv1d.{number}.weight", 3, channels, WHISPER.width)
        file.add_table(f"a.conv1d.{number}.bias", 1, WHISPER.width)
    file.add_table("a.position_embd.weight", WHISPER.width, FRAMES)
    file.add_layers("a", WHISPER)
    file.add_norm("a.post_ln", WHISPER.width)
    file.add_zeros("mm.a.norm_pre.weight", STACKED * WHISPER.width)
    file.add_zeros("mm.a.mlp.1.weight", STACKED * WHISPER.width, HIDDEN)
    file.add_zeros("mm.a.norm_mid.weight", HIDDEN // 2)
    file.add_zeros("mm.a.mlp.2.weight", HIDDEN // 2, text_width)
    return file.write(path)


def _begun(part: str, kind: str, shape: Shape, text_width: int, **more: int) -> Zeros:
    numbers = {
        "embedding_length": shape.width, "feed_forward_length": shape.inner, "block_count": shape.layers,
        "attention.head_count": shape.heads, "projection_dim": text_width, **more,
    }  # fmt: skip
    metadata: dict[str, Typed] = {
        "general.architecture": (STRING, "clip"),
        "general.type": (STRING, "mmproj"),
        f"clip.has_{part}_encoder": (BOOL, True),
        "clip.projector_type": (STRING, kind),
        "clip.use_gelu": (BOOL, True),
        f"clip.{part}.attention.layer_norm_epsilon": (FLOAT32, 1e-5),
    }
    if shape.side:
        numbers |= {"image_size": shape.side, "patch_size": PATCH}
        for name in ("image_mean", "image_std"):
            metadata[f"clip.vision.{name}"] = (ARRAY, (FLOAT32, [0.5] * 3))
    metadata |= {f"clip.{part}.{name}": (UINT32, value) for name, value in numbers.items()}
    return Zeros([entry(key, *value) for key, value in metadata.items()])


WRITERS = {"llava": llava, "qwen2vl": qwen2vl, "gemma3": gemma3, "ultravox": ultravox}
