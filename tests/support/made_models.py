"""Models of several architectures with weights of 0, to measure the memory that llama.cpp takes; see hollow_model.

Some of them can also be small and say something, which has no sense but depends on all that was said before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gguf_files import (
    ARRAY,
    FLOAT32,
    INT32,
    STRING,
    TOKENS,
    UINT32,
    VOCABULARY,
    Typed,
    hollow_model,
    random_model,
)

WIDTH = 512
TALKING_WIDTH = 128
GUESSING_WIDTH = 256
"""Of models that talk, and of those whose next token a head guesses."""

Shapes = dict[str, list[int]]
Write = Callable[[Path, dict[str, Typed], Shapes], str]


RANGES = {
    "ssm_a": (-0.02, 0.0),  # forgets slowly
    "attn_q_norm.weight": (-5.0, 5.0),  # looks at a few tokens, not at the mean of all
    "attn_k_norm.weight": (-5.0, 5.0),
    "ffn_down.weight": (-0.05, 0.05),
    "shortconv.out_proj.weight": (-0.01, 0.01),
}
"""Weights with which tokens of long ago affect the next one."""

GUESSING = {
    "attn_output.weight": (-0.002, 0.002),
    **{f"ffn_down{part}.weight": (-0.0002, 0.0002) for part in ("", "_exps", "_shexp")},
}
"""Weights with which the next token depends mostly on the last one, so that a head can guess it."""


def talking_model(path: Path, metadata: dict[str, Typed], shapes: Shapes) -> str:
    """Write a model with random weights and a byte vocabulary."""
    return random_model(path, VOCABULARY | metadata, shapes, RANGES)


def numbers(architecture: str, **values: int) -> dict[str, Typed]:
    """Metadata of an architecture; `__` stands for the dot of a key."""
    common: dict[str, Typed] = {
        "general.architecture": (STRING, architecture),
        f"{architecture}.attention.layer_norm_rms_epsilon": (FLOAT32, 1e-5),
    }
    values = {"context_length": 8192, "embedding_length": WIDTH} | values
    return common | {f"{architecture}.{k.replace('__', '.')}": (UINT32, v) for k, v in values.items()}


def blocks(count: int, shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    """The same tensors for each of `count` layers."""
    return {f"blk.{index}.{name}": shape for index in range(count) for name, shape in shapes.items()}


ENDS = {"token_embd.weight": [WIDTH, len(TOKENS)], "output_norm.weight": [WIDTH]}
OUTPUT = {"output.weight": [WIDTH, len(TOKENS)]}
NORMS = {"attn_norm.weight": [WIDTH], "ffn_norm.weight": [WIDTH]}


def attention(query: int, keys: int, width: int = WIDTH) -> Shapes:
    """The matrices of grouped-query attention."""
    return {
        "attn_q.weight": [width, query],
        "attn_k.weight": [width, keys],
        "attn_v.weight": [width, keys],
        "attn_output.weight": [query, width],
    }


def feed_forward(size: int, width: int = WIDTH) -> Shapes:
    """The matrices of a gated feed-forward part."""
    return {
        "ffn_gate.weight": [width, size],
        "ffn_up.weight": [width, size],
        "ffn_down.weight": [size, width],
    }


def experts(size: int, count: int, width: int = WIDTH) -> dict[str, list[int]]:
    """The matrices of experts and the one that picks them."""
    return {
        "ffn_gate_inp.weight": [width, count],
        "ffn_gate_exps.weight": [width, size, count],
        "ffn_up_exps.weight": [width, size, count],
        "ffn_down_exps.weight": [size, width, count],
    }


def mixture(path: Path) -> str:
    """Qwen 3 MoE: experts, and heads whose sum is wider than the embedding."""
    metadata = numbers(
        "qwen3moe", block_count=4, feed_forward_length=2048, expert_feed_forward_length=256, expert_count=16,
        expert_used_count=4, attention__head_count=16, attention__head_count_kv=2, attention__key_length=64,
        attention__value_length=64,
    )  # fmt: skip
    qk_norms = {"attn_q_norm.weight": [64], "attn_k_norm.weight": [64]}
    layer = NORMS | attention(1024, 128) | qk_norms | experts(256, 16)
    return hollow_model(path, metadata, ENDS | OUTPUT | blocks(4, layer))


def latent(path: Path) -> str:
    """DeepSeek 2: multi-head latent attention, a dense layer and then experts, one of them shared."""
    heads, latent, rope, plain = 8, 128, 32, 64
    metadata = numbers(
        "deepseek2", block_count=4, feed_forward_length=1024, expert_feed_forward_length=256, expert_count=8,
        expert_used_count=2, expert_shared_count=1, leading_dense_block_count=1, attention__head_count=heads,
        attention__head_count_kv=1, attention__key_length=latent + rope, attention__value_length=latent,
        attention__key_length_mla=plain + rope, attention__value_length_mla=plain, rope__dimension_count=rope,
        attention__q_lora_rank=192, attention__kv_lora_rank=latent,
    )  # fmt: skip
    layer = NORMS | {
        "attn_q_a_norm.weight": [192],
        "attn_kv_a_norm.weight": [latent],
        "attn_q_a.weight": [WIDTH, 192],
        "attn_q_b.weight": [192, heads * (plain + rope)],
        "attn_kv_a_mqa.weight": [WIDTH, latent + rope],
        "attn_k_b.weight": [plain, latent, heads],
        "attn_v_b.weight": [latent, plain, heads],
        "attn_output.weight": [heads * plain, WIDTH],
    }
    shared = {name.replace(".", "_shexp."): shape for name, shape in feed_forward(256).items()}
    dense = blocks(1, layer | feed_forward(1024))
    all_four = blocks(4, layer | experts(256, 8) | shared)
    sparse = {name: shape for name, shape in all_four.items() if not name.startswith("blk.0.")}
    return hollow_model(path, metadata, ENDS | OUTPUT | dense | sparse)


def recurrent(path: Path, layers: int = 6, width: int = WIDTH, write: Write = hollow_model) -> str:
    """Mamba: no attention, a state of fixed size for each sequence."""
    inner, state, kernel, rank = 2 * width, 16, 4, 32
    metadata = numbers(
        "mamba", block_count=layers, ssm__conv_kernel=kernel, ssm__inner_size=inner, ssm__state_size=state,
        ssm__time_step_rank=rank, feed_forward_length=0, attention__head_count=0, embedding_length=width,
    )  # fmt: skip
    layer = {
        "attn_norm.weight": [width],
        "ssm_in.weight": [width, 2 * inner],
        "ssm_conv1d.weight": [kernel, inner],
        "ssm_conv1d.bias": [inner],
        "ssm_x.weight": [inner, rank + 2 * state],
        "ssm_dt.weight": [rank, inner],
        "ssm_dt.bias": [inner],
        "ssm_a": [state, inner],
        "ssm_d": [inner],
        "ssm_out.weight": [inner, width],
    }
    ends = {"token_embd.weight": [width, len(TOKENS)], "output_norm.weight": [width]}
    return write(path, metadata, ends | blocks(layers, layer))


def hybrid(path: Path, layers: int = 24, width: int = WIDTH, write: Write = hollow_model) -> str:
    """LFM 2: every third layer has attention, the others a short convolution; more layers than are shown."""
    metadata = numbers(
        "lfm2", block_count=layers, feed_forward_length=3 * width, attention__head_count=width // 64,
        shortconv__l_cache=3, embedding_length=width,
    )  # fmt: skip
    kv_heads = [2 if index % 3 == 2 else 0 for index in range(layers)]
    metadata["lfm2.attention.head_count_kv"] = (ARRAY, (INT32, kv_heads))
    with_attention = attention(width, 128, width) | {"attn_q_norm.weight": [64], "attn_k_norm.weight": [64]}
    without = {
        "shortconv.conv.weight": [3, width],
        "shortconv.in_proj.weight": [width, 3 * width],
        "shortconv.out_proj.weight": [width, width],
    }
    norms = {"attn_norm.weight": [width], "ffn_norm.weight": [width]}
    shapes = {"token_embd.weight": [width, len(TOKENS)], "token_embd_norm.weight": [width]}
    for index, heads in enumerate(kv_heads):
        layer = norms | feed_forward(3 * width, width) | (with_attention if heads else without)
        shapes |= {f"blk.{index}.{name}": shape for name, shape in layer.items()}
    return write(path, metadata, shapes)


def talking_attention(path: Path, guessable: bool = False) -> str:
    """A small Qwen 3 that generates text: every layer looks at all tokens. `guessable`: see GUESSING."""
    width, head = GUESSING_WIDTH if guessable else TALKING_WIDTH, 64
    metadata = numbers(
        "qwen3", block_count=3, feed_forward_length=2 * width, attention__head_count=width // head,
        attention__head_count_kv=2, attention__key_length=head, attention__value_length=head,
        embedding_length=width,
    )  # fmt: skip
    norms = {f"{name}_norm.weight": [width] for name in ("attn", "ffn")}
    head_norms = {f"attn_{name}_norm.weight": [head] for name in ("q", "k")}
    layer = norms | head_norms | attention(width, 2 * head, width) | feed_forward(2 * width, width)
    shapes = {"token_embd.weight": [width, len(TOKENS)], "output_norm.weight": [width]} | blocks(3, layer)
    if not guessable:
        return talking_model(path, metadata, shapes)
    shapes["output.weight"] = [width, len(TOKENS)]
    return random_model(path, VOCABULARY | metadata, shapes, GUESSING | {"output_norm.weight": (1.0, 1.0)})


def talking_recurrent(path: Path) -> str:
    """A small Mamba that generates text."""
    return recurrent(path, 5, TALKING_WIDTH, talking_model)


def talking_hybrid(path: Path) -> str:
    """A small LFM 2 with two layers of attention that generates text."""
    return hybrid(path, 8, TALKING_WIDTH, talking_model)


def talking_windows(path: Path, window: int = 64) -> str:
    """A small Gemma 3 that says something: five layers that look `window` tokens back, and one that looks at all."""
    width, head = TALKING_WIDTH, 64
    metadata = numbers(
        "gemma3", block_count=6, feed_forward_length=2 * width, attention__head_count=width // head,
        attention__head_count_kv=2, attention__key_length=head, attention__value_length=head,
        attention__sliding_window=window, embedding_length=width,
    )  # fmt: skip
    norms = {f"{name}_norm.weight": [width] for name in ("attn", "post_attention", "ffn", "post_ffw")}
    head_norms = {f"attn_{name}_norm.weight": [head] for name in ("q", "k")}
    layer = norms | head_norms | attention(width, 2 * head, width) | feed_forward(2 * width, width)
    ends = {"token_embd.weight": [width, len(TOKENS)], "output_norm.weight": [width]}
    ranges = {
        "attn_q_norm.weight": (-2.0, 2.0),
        "attn_k_norm.weight": (-2.0, 2.0),
        "post_attention_norm.weight": (-20.0, 20.0),  # llama.cpp multiplies the embeddings by 16
        "post_ffw_norm.weight": (-5.0, 5.0),
    }
    return random_model(path, VOCABULARY | metadata, ends | blocks(6, layer), RANGES | ranges)


MADE = {"mixture": mixture, "latent": latent, "recurrent": recurrent, "hybrid": hybrid}
"""Kind of the layers → function that writes such a model."""
