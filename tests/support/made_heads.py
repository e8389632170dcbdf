"""Small models with what guesses their next tokens: heads of their own (MTP), and EAGLE-3 drafts."""

from __future__ import annotations

import functools
from pathlib import Path

from gguf_files import (
    ARRAY,
    BOOL,
    FLOAT32,
    INT32,
    TOKENS,
    UINT32,
    VOCABULARY,
    Typed,
    hollow_model,
    random_model,
)
from made_models import GUESSING, GUESSING_WIDTH, Write, attention, blocks, experts, feed_forward, numbers


def talking_mtp(
    path: Path,
    guesses: bool = True,
    heads: int = 1,
    inner: int = GUESSING_WIDTH,
    write: Write | None = None,
) -> str:
    """A small GLM 4.5 with a head that guesses the token after the next one: often rightly, or never.

    `inner`: numbers within a feed-forward part. `write`: as hollow_model does, where its weights do not matter.
    """
    width, head, arch = GUESSING_WIDTH, 64, "glm4moe"
    metadata = numbers(
        arch, block_count=2 + heads, nextn_predict_layers=heads, feed_forward_length=inner,
        leading_dense_block_count=2, expert_count=2, expert_used_count=1, expert_shared_count=1,
        expert_feed_forward_length=inner, attention__head_count=width // head, attention__head_count_kv=2,
        attention__key_length=head, attention__value_length=head, rope__dimension_count=head, embedding_length=width,
    )  # fmt: skip
    metadata[f"{arch}.attention.layer_norm_rms_epsilon"] = (FLOAT32, 1e-5)
    biases = {"attn_q.bias": [width], "attn_k.bias": [2 * head], "attn_v.bias": [2 * head]}
    norms = {f"{name}.weight": [width] for name in ("attn_norm", "post_attention_norm")}
    layer = norms | attention(width, 2 * head, width) | biases | feed_forward(inner, width)
    own = {
        "nextn.eh_proj.weight": [2 * width, width],
        "nextn.enorm.weight": [width],
        "nextn.hnorm.weight": [width],
    }
    mixed = (
        norms
        | attention(width, 2 * head, width)
        | biases
        | own
        | {"exp_probs_b.bias": [2]}
        | experts(inner, 2, width)
    )
    mixed |= {name.replace(".", "_shexp."): shape for name, shape in feed_forward(inner, width).items()}
    shapes = blocks(2, layer) | {f"blk.2.{name}": shape for name, shape in mixed.items()}
    ends = {"token_embd.weight": [width, len(TOKENS)], "output_norm.weight": [width]}
    ones = dict.fromkeys(("norm.weight", "nextn.enorm.weight", "nextn.hnorm.weight"), (1.0, 1.0))
    ranges = GUESSING | ones | ({"nextn.eh_proj.weight": (0.0, 0.0)} if guesses else {})
    ends["output.weight"] = [width, len(TOKENS)]
    write = write or functools.partial(random_model, ranges=ranges)
    return write(path, VOCABULARY | metadata, ends | shapes)


def talking_hybrid_mtp(path: Path, write: Write | None = None) -> str:
    """A small Qwen 3.5 with such a head: a layer with a state, one with attention, and the head."""
    width, head, keys, values, state = GUESSING_WIDTH, 64, 2, 4, 32
    metadata = numbers(
        "qwen35", block_count=3, nextn_predict_layers=1, full_attention_interval=2, feed_forward_length=width,
        attention__head_count=width // head, attention__head_count_kv=2, attention__key_length=head,
        attention__value_length=head, rope__dimension_count=head, embedding_length=width,
        ssm__conv_kernel=4, ssm__inner_size=values * state, ssm__state_size=state, ssm__time_step_rank=values,
        ssm__group_count=keys,
    )  # fmt: skip
    metadata["qwen35.attention.layer_norm_rms_epsilon"] = (FLOAT32, 1e-5)
    metadata["qwen35.rope.dimension_sections"] = (ARRAY, (INT32, [11, 11, 10, 0]))
    norms = {f"{name}.weight": [width] for name in ("attn_norm", "post_attention_norm")}
    both = norms | feed_forward(width, width)
    mixed = 2 * keys * state + values * state
    recurrent = {
        "attn_qkv.weight": [width, mixed],
        "attn_gate.weight": [width, values * state],
        "ssm_conv1d.weight": [4, mixed],
        "ssm_dt.bias": [values],
        "ssm_a": [values],
        "ssm_beta.weight": [width, values],
        "ssm_alpha.weight": [width, values],
        "ssm_norm.weight": [state],
        "ssm_out.weight": [values * state, width],
    }
    full = {
        "attn_q.weight": [width, 2 * width],
        "attn_k.weight": [width, 2 * head],
        "attn_v.weight": [width, 2 * head],
        "attn_output.weight": [width, width],
        "attn_q_norm.weight": [head],
        "attn_k_norm.weight": [head],
    }
    own = {
        "nextn.eh_proj.weight": [2 * width, width],
        "nextn.enorm.weight": [width],
        "nextn.hnorm.weight": [width],
    }
    layers = (both | recurrent, both | full, both | full | own)
    shapes = {f"blk.{at}.{name}": shape for at, layer in enumerate(layers) for name, shape in layer.items()}
    ends = {"token_embd.weight": [width, len(TOKENS)], "output_norm.weight": [width]}
    ones = dict.fromkeys(("norm.weight", "nextn.enorm.weight", "nextn.hnorm.weight"), (1.0, 1.0))
    ranges = (
        GUESSING
        | ones
        | {"nextn.eh_proj.weight": (0.0, 0.0), "ssm_a": (-0.02, 0.0), "ssm_out.weight": (-0.02, 0.02)}
    )
    ends["output.weight"] = [width, len(TOKENS)]
    write = write or functools.partial(random_model, ranges=ranges)
    return write(path, VOCABULARY | metadata, ends | shapes)


def eagle(path: Path, write: Write, tokens: int = 0, read: int = GUESSING_WIDTH, **changed: Typed) -> str:
    """An EAGLE-3 draft for the small Qwens, that borrows their embeddings and output.

    `tokens`: it knows only so many, and has an output of its own. `read`: the width of the model. Keyword arguments
    replace metadata (`__` stands for the dot of a key).
    """
    width, head = GUESSING_WIDTH, 64
    _, value = changed.get("eagle3__attention__value_length", (UINT32, head))
    metadata = numbers(
        "eagle3", block_count=1, feed_forward_length=width, attention__head_count=width // head,
        attention__head_count_kv=width // head, attention__key_length=head, attention__value_length=head,
        rope__dimension_count=head, embedding_length=width, target_hidden_size=read,
    )  # fmt: skip
    metadata["eagle3.target_layers"] = (ARRAY, (INT32, [0, 1, 2]))
    metadata |= {key.replace("__", "."): value for key, value in changed.items()}
    layer = {f"{name}.weight": [width] for name in ("attn_norm", "attn_norm_2", "ffn_norm")}
    layer |= {f"attn_{name}.weight": [2 * width, width] for name in ("q", "k")}
    layer |= {"attn_v.weight": [2 * width, width // head * value]}
    layer |= {"attn_output.weight": [width, width]} | feed_forward(width, width)
    shapes = {"fc.weight": [3 * read, width], "output_norm.weight": [width]} | blocks(1, layer)
    shapes |= {"output.weight": [width, tokens], "d2t": [tokens]} if tokens else {}
    return write(path, VOCABULARY | metadata, shapes)


def dflash(path: Path) -> str:
    """A DFlash draft, which guesses several tokens at once."""
    width, head = GUESSING_WIDTH, 64
    metadata = numbers(
        "dflash", block_count=1, feed_forward_length=width, attention__head_count=width // head, block_size=4,
        embedding_length=width,
    )  # fmt: skip
    metadata["dflash.target_layers"] = (ARRAY, (INT32, [0, 1]))
    layer = {f"{name}.weight": [width] for name in ("attn_norm", "ffn_norm")} | feed_forward(width, width)
    layer |= {f"attn_{name}_norm.weight": [head] for name in ("q", "k")} | attention(width, width, width)
    shapes = {
        "fc.weight": [2 * width, width],
        "enc.output_norm.weight": [width],
        "output_norm.weight": [width],
    }
    return hollow_model(path, metadata, shapes | blocks(1, layer))


def gemma4_assistant(path: Path) -> str:
    """A draft that reads the cache of a Gemma 4."""
    width, head, arch = GUESSING_WIDTH, 64, "gemma4-assistant"
    metadata = numbers(
        arch, block_count=1, nextn_predict_layers=1, feed_forward_length=width, attention__head_count=width // head,
        embedding_length=width, embedding_length_out=2 * width, attention__sliding_window=512,
        attention__key_length_swa=head, attention__value_length_swa=head,
    )  # fmt: skip
    metadata[f"{arch}.attention.sliding_window_pattern"] = (ARRAY, (BOOL, [True]))
    norms = ("attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm")
    layer = {f"{name}.weight": [width] for name in norms} | feed_forward(width, width)
    layer |= {f"attn_{name}.weight": [width, width] for name in ("q", "output")}
    layer |= {"attn_q_norm.weight": [head], "layer_output_scale.weight": [1]}
    shapes = {"token_embd.weight": [width, len(TOKENS)], "output_norm.weight": [width]}
    shapes |= {
        "nextn.post_projection.weight": [width, 2 * width],
        "nextn.pre_projection.weight": [4 * width, width],
    }
    return hollow_model(path, metadata, shapes | blocks(1, layer))


def talking_eagle(path: Path, guesses: bool = True, reads_only: bool = False) -> str:
    """One that guesses by the last token: often rightly, or never and of half of the tokens.

    `reads_only`: its states are what comes into the first layer that it reads.
    """
    identity = (0.0, 0.0)
    ranges = {
        "fc.weight": identity if reads_only else (-0.01, 0.01),
        "attn_norm.weight": (2.0, 2.0),  # more than what it reads of the model
        "attn_norm_2.weight": (1.0, 1.0),
        "output_norm.weight": (1.0, 1.0),
        "ffn_down.weight": (-0.0002, 0.0002),
        **{f"attn_{name}.weight": identity for name in ("q", "k")},
        **({f"attn_{name}.weight": identity for name in ("v", "output")} if guesses else {}),
    }
    return eagle(path, functools.partial(random_model, ranges=ranges), 0 if guesses else len(TOKENS) // 2)
