"""A context: its KV cache, its batch, and the sequences that are computed together."""

from __future__ import annotations

import time
from collections.abc import Sequence as Several
from typing import TYPE_CHECKING, Final, cast

from sidecar.core.context import context_options, memory_check
from sidecar.core.context.checkpoints import last_within
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.context.step_cost import MAX_DRAFT_TOKENS, StepCost
from sidecar.core.context.thread_count import ThreadCount
from sidecar.core.llama.abort_flag import AbortFlag
from sidecar.core.llama.bindings import lib
from sidecar.core.llama.thread_pool import ThreadPool
from sidecar.core.media import media_id
from sidecar.core.model.adapters import Scales
from sidecar.core.model.model import Model
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from sidecar.core.context.context_options import ContextParams
    from sidecar.core.llama.c_api import ContextPointer, llama_batch, llama_context_params

REPRODUCIBLE_PIECE: Final = 128
"""See Context.piece. Longer pieces are faster, and a follow-up turn evaluates more again."""

DECODE_ABORTED: Final = 2
"""What llama_decode returns after the abort flag was set."""


class Context:
    """Owns a llama_context. Only the compute thread calls `decode` and what changes the cache."""

    piece: int = 0
    """Tokens of a prompt in a step of a reproducible context; 0: it is none. Only whole pieces are used again, since
    llama.cpp rounds a token's numbers differently with others beside it."""

    def __init__(self, model: Model, params: ContextParams, main: Context | None = None) -> None:
        """Create it. `main`: the context that a draft model's context proposes for.

        The two compute in turns: they share the abort flag and the thread count.
        Raises SidecarError `contextCreationFailed`, `outOfMemory`, `unsuitableModel`.
        """
        defaults = {"sequences": 1, "batchSize": 512, **DEFAULTS["CreateContextParams"]}
        filled = cast("ContextParams", {**defaults, **params})
        if filled["reproducible"]:
            if filled["kvUnified"]:
                raise conflicting_params("kvUnified", True, "/reproducible")
            filled["swaFull"] = (
                True  # a window's cells lie where its past has put them, which rounds differently
            )
            self.piece = min(REPRODUCIBLE_PIECE, filled["batchSize"])
        self.context_id: str = params["contextId"]
        self.model = model
        self.kv_cache_type: str = filled["kvCacheType"]
        self.value_cache_type: str = filled.get("valueCacheType", self.kv_cache_type)
        self.rope = filled.get("rope", {})
        self.flash_attention: str | bool = filled["flashAttention"]
        """As the params say; with "auto" llama.cpp decides."""
        self.abort_flag: AbortFlag = AbortFlag() if main is None else main.abort_flag
        self.window: int = lib.llama_model_n_swa(model.handle)
        """How many tokens layers with a sliding window look back. With `swaFull` they keep more; a copy never does."""
        self.needs_checkpoints: bool = model.has_state_beyond_kv or (
            self.window > 0 and not filled["swaFull"]
        )
        self.handle = self._open(filled)
        self.memory = lib.llama_get_memory(self.handle)
        has_state = model.has_state_beyond_kv
        self.draft_tokens: int = lib.llama_n_rs_seq(self.handle) if has_state else MAX_DRAFT_TOKENS
        """Most tokens of the last step that can be taken back."""
        self.scales: Scales = ()
        self.use_adapters(model.adapters.default_scales)
        self.size: int = lib.llama_n_ctx_seq(self.handle)
        self.shared_tokens: int = lib.llama_n_ctx_seq(self.handle) if filled["kvUnified"] else 0
        """How many tokens all sequences together may hold; 0: each may hold `size`."""
        self.batch_size: int = lib.llama_n_batch(self.handle)
        self.threads: int = lib.llama_n_threads(self.handle)
        self.sequences = [Sequence(index, []) for index in range(lib.llama_n_seq_max(self.handle))]
        self._thread_pool = ThreadPool(self.handle, self.threads)
        self.thread_count: ThreadCount = ThreadCount(self.threads) if main is None else main.thread_count
        self._threads_set = self.threads
        self._is_draft = main is not None
        self.step_cost = StepCost()
        self.cache_bytes, self._checkpoint_bytes = context_options.kept_bytes(filled)
        self.batch = lib.llama_batch_init(self.batch_size, 0, 1)

    def _open(self, filled: ContextParams) -> ContextPointer:
        """A llama_context that can generate. Raises SidecarError `unsuitableModel`, and as `_create` does."""
        handle = self._create(filled)
        if lib.llama_get_memory(handle) is None:
            problem = f"{self.model.model_id} only embeds: create the context with embeddings"
        elif self.model.has_state_beyond_kv and lib.llama_n_rs_seq(handle) < filled["draftTokens"]:
            problem = f"/draftTokens: the state of {self.model.model_id} cannot go back by single tokens"
        else:
            return handle
        lib.llama_free(handle)
        raise SidecarError("unsuitableModel", problem)

    def _create(self, filled: ContextParams) -> ContextPointer:
        """A llama_context. Raises SidecarError `outOfMemory`, `contextCreationFailed`."""
        memory_check.check_batch(self.model, filled["batchSize"])
        options = self._options(filled)
        caches = 1 if filled["kvUnified"] else options.n_seq_max
        planned: ContextParams = {**filled, "sequences": caches}
        memory_check.check_context(self.model, planned, options.n_ctx // caches)
        self.max_outputs: int = options.n_outputs_max
        """How many tokens of a batch can have logits."""
        handle = lib.llama_init_from_model(self.model.handle, options)
        if not handle:
            problem = f"llama.cpp could not create a context of {options.n_ctx} tokens in total"
            raise SidecarError("contextCreationFailed", problem)
        return handle

    def _options(self, filled: ContextParams) -> llama_context_params:
        """The parameters of createContext as llama.cpp's."""
        made = context_options.made(self.model, filled)
        made.abort_callback = self.abort_flag.callback
        made.abort_callback_data = self.abort_flag.data
        return made

    def describe(self) -> dict[str, object]:
        """What createContext returns, without the memory; read back from llama.cpp."""
        return {
            "contextId": self.context_id,
            "contextSize": self.size,
            "sequences": len(self.sequences),
            "batchSize": self.batch_size,
            "threads": self.threads,
            "kvCacheType": self.kv_cache_type,
            **(
                {}
                if self.value_cache_type == self.kv_cache_type
                else {"valueCacheType": self.value_cache_type}
            ),
        }

    def free(self) -> None:
        """Give the memory back. The context must not be used afterwards."""
        lib.llama_batch_free(self.batch)
        self._thread_pool.free()
        lib.llama_free(self.handle)

    def use_adapters(self, scales: Scales) -> None:
        """Compute with these adapters from now on. A change takes about as long as generating a token."""
        if scales != self.scales:
            self.model.adapters.apply(self.handle, scales)
            self.scales = scales

    def reusable(self, sequence: Sequence, tokens: list[int], scales: Scales) -> int:
        """How many tokens of the sequence's cache can begin a request with these tokens."""
        if sequence.shifted or sequence.scales != scales:
            return 0
        shared = self.whole_pieces(sequence.tokens, shared_length(sequence.tokens, tokens), sequence.aligned)
        return shared if self._can_cut(sequence, shared) else last_within(sequence.checkpoints.all, shared)

    def whole_pieces(self, held: Several[int], shared: int, aligned: int) -> int:
        """How many of the first `shared` tokens can be used again: whole pictures, and whole pieces (`piece`)."""
        if self.piece:
            shared = min(shared, aligned) // self.piece * self.piece
        return media_id.whole(held, shared)

    # ---- the batch -------------------------------------------------------------------------------

    def clear_batch(self) -> None:
        """Begin a new batch."""
        self.batch.n_tokens = 0

    def add_to_batch(self, sequence: Sequence, tokens: list[int], outputs: int) -> int:
        """Append tokens that follow the cached ones of the sequence. The last `outputs` of them get logits.

        Returns the batch index of the first of those.
        """
        batch, at, position = self.batch, self.batch.n_tokens, sequence.end
        first: int = at + len(tokens) - outputs
        for offset, token in enumerate(tokens):
            index = at + offset
            batch.token[index] = token
            batch.pos[index] = position + offset
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence.index
            batch.logits[index] = index >= first
        batch.n_tokens = at + len(tokens)
        return first

    def decode(self, batch: llama_batch | None = None) -> int:
        """Evaluate a batch, by default its own, without the interpreter lock. Returns llama_decode's code, 0: done."""
        batch = self.batch if batch is None else batch
        # With another number of threads attention rounds differently.
        threads = self.threads if self.piece else self.thread_count.of_step(batch.n_tokens)
        if threads != self._threads_set:
            lib.llama_set_n_threads(self.handle, threads, threads)
            self._threads_set = threads
        begin = time.monotonic()
        code: int = lib.llama_decode(self.handle, batch)
        if code == 0:
            seconds = time.monotonic() - begin
            self.thread_count.record(batch.n_tokens, seconds, self._is_draft)
            self.step_cost.record(batch.n_tokens, seconds)
        return code

    # ---- the KV cache ----------------------------------------------------------------------------

    def keep_prefix(self, sequence: Sequence, count: int) -> int:
        """Keep the first `count` tokens for a new request; returns what `cut` returns."""
        if sequence.shifted:
            self.clear_sequence(sequence)
        return self.cut(sequence, count)

    def cut(self, sequence: Sequence, count: int) -> int:
        """Remove the tokens after the first `count`. Returns how many are kept: `count`, or those of a checkpoint.

        A chunk of media is kept as a whole or not at all.
        """
        if count >= len(sequence.tokens):
            return len(sequence.tokens)
        count = media_id.whole(sequence.tokens, count)
        if self._can_cut(sequence, count):
            return self._remove_after(sequence, count)
        return self.go_back(sequence, count)

    def take_back(self, sequence: Sequence, count: int) -> None:
        """Remove the last `count` tokens: draft tokens of the last step."""
        remove = self._remove_after if count and self.model.has_state_beyond_kv else self.cut
        remove(sequence, len(sequence.tokens) - count)

    def go_back(self, sequence: Sequence, count: int) -> int:
        """Return to the last checkpoint with at most `count` tokens. Returns how many tokens are kept."""
        length = sequence.checkpoints.restore(self.handle, sequence.index, count)
        return self._remove_after(sequence, length)

    def can_cut(self, oldest: int, position: int) -> bool:
        """Whether a cache that holds its positions from `oldest` on can lose those from `position` on."""
        # The next token looks a window back.
        return not self.model.has_state_beyond_kv and oldest <= max(0, position - self.window + 1)

    def _can_cut(self, sequence: Sequence, count: int) -> bool:
        """Whether the sequence can be cut to the first `count` tokens without a checkpoint."""
        if count in (len(sequence.tokens), 0):
            return True
        return self.can_cut(self.oldest(sequence), sequence.position(count))

    def oldest(self, sequence: Sequence) -> int:
        """The oldest position that layers with a window hold; 0 without such layers."""
        return lib.llama_memory_seq_pos_min(self.memory, sequence.index) if self.window else 0

    def _remove_after(self, sequence: Sequence, count: int) -> int:
        if count and lib.llama_memory_seq_rm(self.memory, sequence.index, sequence.position(count), -1):
            sequence.keep(count)
            sequence.checkpoints.drop_after(count)
        else:
            self.clear_sequence(sequence)
        return len(sequence.tokens)

    def take_checkpoint(self, sequence: Sequence) -> None:
        """Make it possible to return to this place, if it is not without a checkpoint."""
        if self.needs_checkpoints and not sequence.shifted and not media_id.ends_within(sequence.tokens):
            share = self._checkpoint_bytes // len(self.sequences)
            sequence.checkpoints.take(self.handle, sequence.index, len(sequence.tokens), share)

    def clear_sequence(self, sequence: Sequence) -> None:
        """Empty the sequence's cache."""
        lib.llama_memory_seq_rm(self.memory, sequence.index, -1, -1)
        sequence.hold([])
        sequence.checkpoints.drop_after(0)
        sequence.shifted = False

    def shift(self, sequence: Sequence, keep: int) -> slice:
        """Remove the older half of the tokens after the first `keep`. Returns which were removed.

        A chunk of media at one of the ends is removed as a whole.
        """
        tokens = sequence.tokens
        keep = media_id.whole(tokens, keep)
        end = keep + (len(tokens) - keep) // 2
        if end < len(tokens) and media_id.whole(tokens, end) < end:
            end = min(media_id.begin_of(tokens, end) + media_id.rows_of(tokens[end]), len(tokens))
        if not lib.llama_memory_can_shift(self.memory):
            self.cut(sequence, keep)  # the request evaluates the rest again, in its new place
            return slice(keep, end)
        lib.llama_memory_seq_rm(self.memory, sequence.index, keep, end)
        lib.llama_memory_seq_add(self.memory, sequence.index, end, -1, keep - end)
        del tokens[keep:end]
        sequence.checkpoints.drop_after(0)
        sequence.shifted = True
        return slice(keep, end)

    def last_position(self, sequence: Sequence) -> int:
        """The last position that llama.cpp holds for the sequence. After an abort, it is not that of the last token."""
        return lib.llama_memory_seq_pos_max(self.memory, sequence.index)
