"""Sizes of llama.cpp's buffers, calculated from a model's header: weights, caches, computation.

The formulas are llama.cpp's. Each names its source file, in llama.cpp's src/ or ggml/src/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from sidecar.models.gguf.header import Header, Tensor
from sidecar.models.gguf.tensor_types import TENSOR_TYPES

MAX_DEFAULT_CONTEXT_SIZE: Final = 4096
"""Default context size per sequence, in tokens. The full size of a model trained on 128k takes gigabytes."""
RESERVED_OUTPUTS: Final = 32
"""Tokens per step whose logits get room. One per sequence is needed; the whole batch would take batch × vocabulary.
With room for fewer, prompts were 15 % slower (1370 instead of 1580 tokens/s)."""
HEAD_DRAFT_TOKENS: Final = 3
"""Default of `draftTokens` of a context with a head and a recurrent state. Each takes the memory of a state."""
CELLS: Final = 256
"""The cache of a sequence is rounded up to a multiple of this many tokens (llama-context.cpp)."""
MAX_LAYERS: Final = 1024
_IN_LAYER: Final = re.compile(r"blk\.(\d{1,4})\.")
"""Of the names of a layer's tensors. Python makes no number of thousands of digits."""
TENSOR_KINDS: Final = {name: (block, size) for name, block, size in TENSOR_TYPES.values()}
"""Name → weights per block, bytes per block."""
NO_CACHE: Final = frozenset(
    ("bert", "jina-bert-v2", "jina-bert-v3", "nomic-bert", "nomic-bert-moe", "neo-bert", "eurobert",
     "wavtokenizer-dec", "modern-bert", "gemma-embedding", "dream", "llada", "llada-moe", "rnd1")
)  # fmt: skip
"""Architectures without a cache (llama-model.cpp, create_memory)."""
MORE_THAN_KEYS_AND_VALUES: Final = frozenset(
    ("deepseek32", "deepseek4", "dots3note", "glm-dsa", "glm5-next", "hy-v4", "minimax-m3", "minimax-01",
     "qwen4exp", "t5", "t5encoder")
)  # fmt: skip
"""Architectures with additional caches that are not counted here (llama-model.cpp, create_memory)."""
GEMMA3N_LAYERS_WITH_CACHE: Final = 20
"""The later layers read the caches of earlier ones (models/gemma3n.cpp)."""

WINDOW_PATTERNS: Final = {
    "afmoe": 4, "cohere2": 4, "cohere2moe": -4, "exaone-moe": 4, "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2,
    "laguna": -4, "llama4": 4, "mellum": 4, "muse-glimmer": 4, "olmo2": 4, "plamo3": 8, "smallthinker": -4,
}  # fmt: skip
"""Architecture → n: every nth layer keeps all tokens, the others keep a sliding window (models/*.cpp).
Negative: the first of n layers does, else the last. Headers may list the layers themselves."""
WINDOWS: Final = {"gemma2": 4096, "llama4": 8192}
"""Tokens of the window where a header does not tell."""

EXPERTS: Final = frozenset(
    f"ffn_{part}_{kind}exps" for part in ("up", "down", "gate", "gate_up") for kind in ("", "ch")
)
"""Names of experts' tensors within a layer (common.h, LLM_FFN_EXPS_REGEX)."""
LOOKED_UP: Final = tuple(
    f"{name}.weight" for name in ("token_embd", "per_layer_token_embd", "position_embd", "token_types")
)
"""Tensors from which only rows are read. They stay on the CPU, without a repacked copy."""
AMX_ROW_MULTIPLE: Final = {
    "Q4_0": 32, "Q4_1": 32, "Q8_0": 32, "Q4_K": 256, "Q5_K": 256, "Q6_K": 256, "IQ4_XS": 256, "F16": 16,
}  # fmt: skip
AMX_BLOCK_EXTRA: Final = {"Q8_0": 4, "Q4_K": 4, "Q5_K": 4, "IQ4_XS": 2}
"""Types that AMX supports, and the extra bytes per block of a repacked copy (ggml-cpu/amx/amx.cpp, mmq.cpp)."""
REPACKED_BY: Final = {
    "AVX2": ("Q4_0", "Q4_K", "IQ4_NL", "MXFP4"),
    "AVX512": ("Q2_K",),
    "DOTPROD": ("Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"),
}
"""CPU feature → types that get a repacked copy for it (ggml-cpu/repack.cpp)."""


class Layer:
    """One layer: numbers per token in the caches of keys and values, and numbers per sequence of recurrent state."""

    def __init__(self) -> None:
        self.cached = self.windowed = False
        self.loaded = True
        """Heads that guess tokens (MTP) are loaded on request only."""
        self.keys = self.values = self.state = 0
        self.tensors: list[Tensor] = []


class ModelShape:
    """The numbers of a header that determine sizes; 0 for missing ones."""

    def __init__(self, header: Header, mtp: bool = False) -> None:
        """`mtp`: the head that guesses tokens is loaded, too."""
        self._header = header
        self.architecture = header.architecture
        self.trained = self._number("context_length")
        self.width = self._number("embedding_length")
        self.vocabulary = header.vocabulary_size or 0
        blocks = min(self._number("block_count"), MAX_LAYERS)
        ahead = self._number("nextn_predict_layers")
        self._trunk = blocks - ahead if ahead < blocks else blocks  # a model may have no others
        self.has_head = mtp and self._trunk < blocks
        self.heads = self._numbers("attention.head_count", blocks, 0)
        named = f"{self.architecture}.attention.sliding_window" in header.metadata
        self.window = self._number("attention.sliding_window") if named else WINDOWS.get(self.architecture, 0)
        self.layers = [Layer() for _ in range(blocks)]
        for layer in self.layers[self._trunk :]:
            layer.loaded = mtp
        self.rest: list[Tensor] = []
        for tensor in header.tensors:
            match = _IN_LAYER.match(tensor.name)
            index = int(match[1]) if match else -1
            if not 0 <= index < blocks:
                self.rest.append(tensor)
            elif self.layers[index].loaded:
                self.layers[index].tensors.append(tensor)
        self._fill_caches(blocks)
        self.query_width, self.key_width = self._widths()
        self.feed_forward = self._feed_forward()
        self._inner = self._number("ssm.inner_size")

    def _number(self, key: str) -> int:
        value = self._header.typed(f"{self.architecture}.{key}", int)
        return value if value is not None and value > 0 else 0

    def _numbers(self, key: str, count: int, default: int | Sequence[int]) -> list[int]:
        """One number per layer: the metadata has an array, or one number for all."""
        name = f"{self.architecture}.{key}"
        found = self._header.arrays.get(name, self._header.metadata.get(name))
        value = found if isinstance(found, int | list) else default
        several = [value] * count if isinstance(value, int) else [*value, *[0] * count][:count]
        return [max(0, each) if isinstance(each, int) else 0 for each in several]

    def _fill_caches(self, blocks: int) -> None:
        """Set the cache sizes of all layers (llama-hparams.cpp, llama-kv-cache.cpp)."""
        kv_heads = self._numbers("attention.head_count_kv", blocks, self.heads)
        usual = self.width // self.heads[0] if self.heads and self.heads[0] else 0
        keys = self._number("attention.key_length") or usual
        values = self._number("attention.value_length") or usual
        windowed = self._windowed(blocks)
        self._latent = values if self._number("attention.key_length_mla") else 0
        if self._latent:
            values = 0  # multi-head latent attention: values are a part of the keys
        with_cache = self._trunk - self._number("attention.shared_kv_layers")
        if self.architecture == "gemma3n":
            with_cache = GEMMA3N_LAYERS_WITH_CACHE
        for index, layer in enumerate(self.layers):
            names = {tensor.name.split(".")[2] for tensor in layer.tensors}
            if any(name.startswith(("ssm_", "shortconv", "time_mix")) for name in names):
                layer.state = self._state()
            elsewhere = layer.state and "attn_k" not in names
            is_head = index >= self._trunk
            has_cache = layer.loaded if is_head else index < with_cache and not elsewhere
            if not has_cache or self.architecture in NO_CACHE:
                continue
            layer.cached = True
            narrow = layer.windowed = windowed[index] and not is_head
            layer.keys = kv_heads[index] * ((narrow and self._number("attention.key_length_swa")) or keys)
            layer.values = kv_heads[index] * (
                (narrow and self._number("attention.value_length_swa")) or values
            )

    def _windowed(self, blocks: int) -> list[bool]:
        """Whether each layer keeps a window only (llama-model.cpp, load_swa_pattern)."""
        name = f"{self.architecture}.attention.sliding_window_pattern"
        if name in self._header.arrays:
            return [bool(each) for each in self._numbers("attention.sliding_window_pattern", blocks, 0)]
        pattern = WINDOW_PATTERNS.get(self.architecture, 1)
        every = self._number("attention.sliding_window_pattern") or abs(pattern)
        full = 0 if pattern < 0 else every - 1
        return [self.window > 0 and index % every != full for index in range(blocks)]

    def _state(self) -> int:
        """Numbers per sequence in the state of a recurrent layer (llama-hparams.cpp, n_embd_r and n_embd_s)."""
        if size := self._number("wkv.head_size"):
            return self.width * (size + (self._number("token_shift_count") or 2))
        if length := self._number("shortconv.l_cache"):
            return self.width * (length - 1)
        kernel = max(0, self._number("ssm.conv_kernel") - 1)
        if size := self._number("kda.head_dim"):
            return self.heads[0] * size * (3 * (kernel or 3) + size)
        inner, state = self._number("ssm.inner_size"), self._number("ssm.state_size")
        return kernel * (inner + 2 * self._number("ssm.group_count") * state) + inner * state

    def _widths(self) -> tuple[int, int]:
        """Numbers per token in the query and in the keys of the widest layer."""
        heads = max(self.heads, default=0)
        length = self._number("attention.key_length") or self.width // max(1, heads)
        return heads * length, max((layer.keys for layer in self.layers), default=0)

    def _feed_forward(self) -> int:
        """Numbers per token in a layer's feed-forward part: gate, up and their product."""
        blocks = len(self.layers)
        used = max(self._numbers("expert_used_count", blocks, 0), default=0)
        dense = max(self._numbers("feed_forward_length", blocks, 0), default=0)
        expert = max(self._numbers("expert_feed_forward_length", blocks, dense), default=0)
        shared = self._number("expert_shared_feed_forward_length") or expert * self._number(
            "expert_shared_count"
        )
        return max(
            3 * dense if not used or self._number("leading_dense_block_count") else 0,
            used * max(3 * expert, expert + self.width),
            3 * shared + self.width if used else 0,
        )

    @cached_property
    def tied(self) -> Tensor | None:
        """The token embeddings, if they are also the output's weights."""
        names = {tensor.name: tensor for tensor in self.rest}
        if "output.weight" in names or self.architecture in NO_CACHE:
            return None
        return names.get("token_embd.weight")

    # ---- sizes -----------------------------------------------------------------------------------

    def window_cells(self, cells: int, tokens: int) -> int:
        """Cells per sequence of a layer with a window, in a context of `cells` (llama-kv-cache-iswa.cpp)."""
        return min(cells, -(-(self.window + tokens) // CELLS) * CELLS)

    def cache_bytes(
        self, layer: Layer, cells: int, sequences: int, kinds: tuple[str, str], flash: bool, drafts: int
    ) -> int:
        """Bytes of a layer's keys and values, or of its state (llama-kv-cache.cpp, llama-memory-recurrent.cpp).

        `drafts`: how many tokens can be taken back from a state.
        """
        values = layer.values
        if layer.cached and not flash:  # stored by columns, with the same width in all layers
            values = max(each.values for each in self.layers)
        rows = _row_bytes(layer.keys, kinds[0]) + _row_bytes(values, kinds[1])
        return sequences * (cells * rows + (1 + drafts) * layer.state * 4)

    def compute_bytes(
        self, cells: int, windows: int, tokens: int, sequences: int, flash: bool, head: bool = False
    ) -> int:
        """Bytes of the compute buffer for a step over `tokens` (llama-graph.cpp, ggml-alloc.c).

        `windows`: the cells of layers with a window; 0 if there are none. `head`: a step of the head that guesses.

        The largest part of a layer counts. Feed-forward: gate, up and their product, the residual, its norm, and
        the space of the attention's result and projection, which is too small to be used again. Attention:
        residual and norm; the query, its result, and a contiguous copy of that; keys, values; without flash
        attention also the scores, and latent values by columns. Recurrent: x and z, input and output of the
        convolution, the step, the result of the scan with its states. The masks exist during all layers, with 16
        bits per value with flash attention, else 32.
        """
        masks = (cells + windows) * tokens * (2 if flash else 4) if self.key_width else 0
        scores = 0 if flash else max(self.heads, default=0) * cells * tokens * 4
        row = 4 * tokens
        forward = row * (self.feed_forward + 3 * self.width + self.query_width)
        if scores < row * self.feed_forward // 3:
            forward += scores  # their space is too small to be used again
        results = max(self.heads, default=0) * self._latent or 2 * self.query_width
        attention = scores + row * (2 * self.width + self.query_width + results + 2 * self.key_width)
        if not flash:
            attention += 2 * cells * sequences * self._latent
        state = 0 if head else max((layer.state for layer in self.layers), default=0)
        recurrent = row * (6 * self._inner + self.width) + 4 * sequences * state if state else 0
        return masks + max(forward, attention, recurrent)

    def output_bytes(self, outputs: int) -> int:
        """Bytes of the logits, and of the hidden states that they are calculated from."""
        return 4 * outputs * (self.vocabulary + self.width)

    def copied_bytes(self, tensor: Tensor, features: frozenset[str]) -> int:
        """Bytes of the repacked copy that the CPU makes of a tensor; 0: it makes none."""
        if not tensor.name.endswith(".weight") or tensor.size is None:
            return 0
        kind, dimensions = tensor.type_name, len(tensor.shape)
        multiple = AMX_ROW_MULTIPLE.get(kind, 0) if "AMX_INT8" in features and dimensions == 2 else 0
        if multiple and tensor.shape[0] % multiple == 0 and tensor.shape[1] % 32 == 0:
            return tensor.size + tensor.weights // TENSOR_KINDS[kind][0] * AMX_BLOCK_EXTRA.get(kind, 0)
        if "REPACK" not in features or dimensions < 2 or tensor.shape[1] % 8:
            return 0
        able = any(kind in kinds for feature, kinds in REPACKED_BY.items() if feature in features)
        return tensor.size if able else 0


def _row_bytes(numbers: int, kind: str) -> int:
    block, size = TENSOR_KINDS[kind.upper()]
    return -(-numbers // block) * size
