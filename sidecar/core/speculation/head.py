"""Draft tokens of a head: it reads each token together with the model's hidden state of the token before.

A head is a part of the model (mtp_head.py) or a file of its own (eagle_head.py). It has a KV cache of its own, so it
must see each step of the model (`note`). What it has missed (a cache that was copied, cut or shifted, the rows of a
picture) makes its guesses worse, never a result wrong: then it begins again where the model goes on. A token's position
is its place in the text, also where a picture has fewer positions than rows: only distances count. llama.cpp:
common/speculative.cpp.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.context import context_options
from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.context.step_cost import MAX_DRAFT_TOKENS
from sidecar.core.llama import nextn
from sidecar.core.llama.bindings import lib
from sidecar.core.llama.thread_pool import ThreadPool
from sidecar.core.model.model import Model
from sidecar.core.speculation.draft_model import MIN_PROBABILITY, Likeliest
from sidecar.message_handler import log
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.context.context import Context
    from sidecar.core.context.context_options import ContextParams
    from sidecar.core.llama.c_api import llama_context_params

DECODE: Final = 1
"""LLAMA_PROCESS_TYPE_DECODE (llama.h)."""

NO_ROOM: Final = 1
"""What llama_process returns if the cache has no room for a batch (llama.h)."""

MAX_LATER: Final = MAX_DRAFT_TOKENS + 1
"""So many tokens of a sequence wait, to be evaluated in the same step as the next guess."""


class _Entry(NamedTuple):
    """A token in the head's batch."""

    sequence: int
    """The index of its sequence."""
    position: int
    token: int
    state: bytes
    """The hidden state of the token before."""
    wanted: bool
    """Whether a guess is read from it."""


class _Held:
    """What the head knows of one sequence."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        """Those that its cache holds, and those that wait. From a place on; the ones before it are not in the cache."""
        self.done = 0
        """How many of them do not wait."""
        self.states: list[bytes] = []
        """For each that waits: the hidden state of the token before."""
        self.last: list[bytes] = []
        """The model's hidden states of the end of the last step, at most MAX_LATER: no more tokens are taken back."""
        self.last_at = 0
        """The position of the first of them."""


class Head:
    """Owns the head's context for one main context. Only the compute thread uses it."""

    most = MAX_DRAFT_TOKENS
    """Guesses in a row."""
    reads_rows = True
    """Whether `propose` takes texts with the rows of pictures and sound."""
    all_or_none = False
    """Whether a step gives logits for all of its tokens, if it gives any."""

    def __init__(self, main: Context, model: Model, options: llama_context_params, first: int) -> None:
        """Create it. `model`: has its weights. `first`: the first position that its cache can hold.

        Raises SidecarError `contextCreationFailed`.
        """
        self.main = main
        options.ctx_other = main.handle
        options.abort_callback, options.abort_callback_data = main.abort_flag.callback, main.abort_flag.data
        handle = lib.llama_init_from_model(model.handle, options)
        if not handle:
            problem = f"llama.cpp could not create the context of {main.model.model_id} that guesses tokens"
            raise SidecarError("contextCreationFailed", problem)
        with ExitStack() as owned:
            owned.callback(lib.llama_free, handle)
            owned.callback(ThreadPool(handle, main.threads).free)
            self._batch = lib.llama_batch_ext_init(handle)
            owned.callback(lib.llama_batch_ext_free, self._batch)
            self._likeliest = Likeliest()
            owned.callback(self._likeliest.free)
            self.handle, self._threads_set = handle, main.threads
            self.memory = lib.llama_get_memory(handle)
            self.batch_size: int = lib.llama_n_batch(handle)
            self.width: int = lib.llama_model_n_embd_out(model.handle)
            self._first, self._unknown = first, bytes(4 * self.width)
            self._held = [_Held() for _ in main.sequences]
            self._warned = False
            nextn.set_hidden_states(handle, True, True)
            self.start(owned)
            self._owned = owned.pop_all()

    def free(self) -> None:
        """Give the memory back."""
        self._owned.close()

    def start(self, owned: ExitStack) -> None:
        """Make the model give out its states. `owned` gives back what this allocates."""
        raise NotImplementedError

    # ---- what the model has computed -------------------------------------------------------------

    def states_of_step(self, count: int) -> list[bytes] | None:
        """A hidden state for each of the `count` tokens of the model's last step; None if there are none."""
        raise NotImplementedError

    def note(self, chunks: Iterable[tuple[Sequence, list[int]]]) -> None:
        """The model has evaluated these tokens, which its sequences do not hold yet, in this order."""
        several = list(chunks)
        computed = self.states_of_step(sum(len(chunk) for _, chunk in several))
        if computed is None:
            return
        at, entries = 0, list[_Entry]()
        for sequence, chunk in several:
            begin, held = len(sequence.tokens), self._held[sequence.index]
            states = computed[at : at + len(chunk)]
            at += len(chunk)
            self._keep(sequence.index, sequence.tokens + chunk, begin)
            for position in range(len(held.tokens), begin + len(chunk)):
                before = states[position - 1 - begin] if position > begin else self._before(held, position)
                held.tokens.append(chunk[position - begin])
                held.states.append(before)
            held.last = states[-MAX_LATER:]
            held.last_at = begin + len(chunk) - len(held.last)
            if len(held.states) > MAX_LATER:
                entries += self._waiting(sequence.index)
        while entries:
            failed = not self._evaluate(entries[: self.batch_size])
            del entries[: self.batch_size]
            if failed:  # the rest of a sequence that begins anew has nothing before it
                entries = [entry for entry in entries if self._held[entry.sequence].done]

    def state(self, handle: object, place: int) -> bytes:
        """The hidden state of a place in a context's last batch."""
        address = nextn.hidden_state(handle, place)
        return ctypes.string_at(address, 4 * self.width) if address else self._unknown

    def _before(self, held: _Held, position: int) -> bytes:
        """The model's hidden state of the token before this position, if it is known."""
        place = position - 1 - held.last_at
        return held.last[place] if 0 <= place < len(held.last) else self._unknown

    def _keep(self, index: int, tokens: list[int], least: int) -> None:
        """Forget what does not begin these tokens. If that leaves fewer than `least`, begin there anew."""
        held = self._held[index]
        shared = shared_length(held.tokens, tokens)
        if shared < least:
            lib.llama_memory_seq_rm(self.memory, index, -1, -1)
            held.tokens, held.done, held.states = tokens[:least], least, []
        elif shared < len(held.tokens):
            del held.tokens[shared:]
            del held.states[max(0, shared - held.done) :]
            if shared < held.done:
                lib.llama_memory_seq_rm(self.memory, index, shared, -1)
                held.done = shared

    def _waiting(self, index: int) -> list[_Entry]:
        """The entries of a sequence that wait; they no longer do."""
        held = self._held[index]
        entries = [
            _Entry(index, position, held.tokens[position], state, False)
            for position, state in enumerate(held.states, held.done)
            if position >= self._first
        ]
        held.done, held.states = len(held.tokens), []
        return entries

    # ---- guesses ---------------------------------------------------------------------------------

    def propose(
        self, indices: list[int], tokens: list[list[int]], most: list[int], room: int
    ) -> list[list[int]]:
        """See DraftModel.propose. The last token of each text is one that the model has not evaluated."""
        drafts: dict[int, list[int]] = {index: [] for index in indices}
        limits = {index: min(limit, self.most) for index, limit in zip(indices, most, strict=True)}
        ends: dict[int, int] = {}
        entries: list[_Entry] = []
        for index, text in zip(indices, tokens, strict=True):
            held, end = self._held[index], len(text) - 1
            sequence = self.main.sequences[index]
            full = len(entries) + len(held.states) >= min(room, self.batch_size)
            if full or end < self._first or len(sequence.tokens) != end:
                continue
            self._keep(index, text[:end], end)
            state = self._before(held, end)
            entries += [*self._waiting(index), _Entry(index, end, text[end], state, True)]
            held.tokens, held.done, ends[index] = list(text), end + 1, end + 1
        while entries:
            entries = self._guess(entries, drafts, limits)
        for index, end in ends.items():
            lib.llama_memory_seq_rm(self.memory, index, end, -1)
        return [drafts[index] for index in indices]

    def _guess(
        self, entries: list[_Entry], drafts: dict[int, list[int]], limits: dict[int, int]
    ) -> list[_Entry]:
        """Evaluate a batch and read its guesses. Returns the next batch."""
        if not self._evaluate(entries):
            return []
        following = []
        model = self.main.model
        for place, entry in enumerate(entries):
            if not entry.wanted:
                continue
            token, probability = self._likeliest.read(self.handle, place)
            if probability < MIN_PROBABILITY or model.ends(token):
                continue
            drafts[entry.sequence].append(token)
            if len(drafts[entry.sequence]) < limits[entry.sequence]:
                state = self.state(self.handle, place)
                following.append(_Entry(entry.sequence, entry.position + 1, token, state, True))
        return following

    def _evaluate(self, entries: list[_Entry]) -> bool:
        """Whether llama.cpp has evaluated them. If not, it begins anew with these sequences, or with all."""
        batch = self._batch
        lib.llama_batch_ext_clear(batch)
        all_wanted = self.all_or_none and any(entry.wanted for entry in entries)
        for entry in entries:
            place = lib.llama_batch_ext_add_token(batch, entry.sequence, entry.token)
            position = (ctypes.c_int32 * 1)(entry.position)
            lib.llama_batch_ext_set_pos(batch, place, position)
            state = (ctypes.c_float * self.width).from_buffer_copy(entry.state)
            pointer = ctypes.cast(state, ctypes.POINTER(ctypes.c_float))
            lib.llama_batch_ext_set_embd_token(batch, place, lib.llama_embd(pointer, 1, self.width))
            if entry.wanted or all_wanted:
                lib.llama_batch_ext_set_output_logits(batch, place, True)
        self.set_threads(len(entries))
        begin = time.monotonic()
        code = lib.llama_process(self.handle, DECODE, batch)
        if code == 0:
            self.main.thread_count.record(len(entries), time.monotonic() - begin, draft=True)
            return True
        self.warn("llama_process", code)
        # In a pool, idle sequences may have all the room: the main context has put them away, the head has not.
        for index in range(len(self._held)) if code == NO_ROOM else {entry.sequence for entry in entries}:
            lib.llama_memory_seq_rm(self.memory, index, -1, -1)
            self._held[index] = _Held()
        return False

    def set_threads(self, tokens: int) -> None:
        """Compute the next step, with this many tokens, with as many threads as the model does now."""
        threads = self.main.thread_count.of_step(tokens)
        if threads != self._threads_set:
            lib.llama_set_n_threads(self.handle, threads, threads)
            self._threads_set = threads

    def warn(self, function: str, code: int) -> None:
        """Tell the log once that steps fail: each may."""
        if code < 0 and not self._warned:
            self._warned = True
            context = self.main.context_id
            log.log("warning", f"{function} of what guesses tokens failed", code=code, context=context)


def options_of(main: Context, model: Model, params: ContextParams, **changed: int) -> llama_context_params:
    """llama.cpp's parameters for a context beside the main one. `params`: those of the main context."""
    size = {"contextSize": main.size, "sequences": len(main.sequences), "batchSize": main.batch_size}
    filled: ContextParams = {**DEFAULTS["CreateContextParams"], **params, **size, **changed}  # type: ignore[typeddict-item]  # defaults
    return context_options.made(model, filled)
