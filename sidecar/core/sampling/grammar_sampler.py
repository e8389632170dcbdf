"""Sampling under a grammar in GBNF. As long as the model follows it by itself, this checks one token per step.

As in llama.cpp's common_sampler_sample, the chain chooses a token without the grammar. Only if the grammar does not
allow it, the chain chooses again among the allowed tokens. That second choice is faster here: it checks single bytes
first, and then only the tokens that begin with an allowed byte.
"""

from __future__ import annotations

import codecs
import ctypes
from typing import TYPE_CHECKING, Final, cast

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.model.token_table import candidates, data_array
from sidecar.core.sampling.chain_without_accept import ChainWithoutAccept
from sidecar.core.structured_output.grammar import Grammar, make_sampler
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import FloatPointer, SamplerPointer, llama_token_data_array

MANY: Final = 2048
"""Up to this many candidates are picked one by one; if there are more, all tokens are checked."""

MAX_ATTEMPTS: Final = 8
"""Attempts to choose a token that is valid UTF-8. Even a second one is rare."""

MINUS_INFINITY: Final = float("-inf")


class GrammarSampler:
    """Owns llama.cpp's grammar sampler of one request. The `chain`, which chooses, belongs to the caller."""

    def __init__(self, model: Model, grammar: Grammar, chain: SamplerPointer, forbidden: set[int]) -> None:
        self._grammar = make_sampler(model, grammar)
        self._freed = False
        self._chain = chain
        self._table = model.token_table
        self._model = model
        self._allows_control_tokens = grammar.allows_control_tokens
        self._forbidden = forbidden if self._allows_control_tokens else forbidden | self._table.silent
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._one = lib.llama_token_data()
        self._one_array = lib.llama_token_data_array(ctypes.pointer(self._one), 1, -1, False)
        self._without_accept = ChainWithoutAccept(chain)

    def sample(self, context: Context, batch_index: int) -> int:
        """Choose a token that the grammar allows. Raises SidecarError `noTokenAllowed`."""
        token = self._without_accept.sample(context, batch_index)
        if not self._allows(token):
            token = self._sample_again(lib.llama_get_logits_ith(context.handle, batch_index))
        lib.llama_sampler_accept(self._grammar, token)
        lib.llama_sampler_accept(self._chain, token)
        self._decoder.decode(self._model.piece(token))
        return token

    def free(self) -> None:
        """Free the samplers. May be called twice."""
        if not self._freed:
            lib.llama_sampler_free(self._grammar)
            self._without_accept.free()
            self._freed = True

    def _allows(self, token: int) -> bool:
        if token in self._forbidden:
            return False
        self._one.id, self._one.logit = token, 0.0
        lib.llama_sampler_apply(self._grammar, ctypes.byref(self._one_array))
        return self._one.logit == 0.0 and self._is_text(token)

    def _is_text(self, token: int) -> bool:
        """Whether the token's bytes continue the text as UTF-8: llama.cpp's grammar also allows others."""
        piece = self._model.piece(token)
        state = self._decoder.getstate()
        if piece.isascii() and not state[0]:
            return True
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError:
            return False
        finally:
            self._decoder.setstate(state)
        return True

    def _sample_again(self, logits: FloatPointer) -> int:
        excluded = set(self._forbidden)
        for _ in range(MAX_ATTEMPTS):
            data = self._allowed(logits, excluded)
            if data is None:
                break
            lib.llama_sampler_apply(self._chain, ctypes.byref(data))
            token: int = data.data[data.selected].id
            if self._is_text(token):
                return token
            excluded.add(token)
        raise SidecarError("noTokenAllowed", "The grammar allows no token that continues the text")

    def _allowed(self, logits: FloatPointer, excluded: set[int]) -> llama_token_data_array | None:
        """The allowed tokens with their logits; None if there are none."""
        tokens = self._possible_tokens(excluded)
        if tokens is None:
            data = self._table.all_candidates(logits)
            for token in excluded:
                data[token].logit = MINUS_INFINITY
        else:
            data = candidates(tokens, logits.__getitem__)
        array: llama_token_data_array = data_array(data)
        lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
        numbers = cast("list[float]", memoryview(data).cast("B").cast("f")[1::3].tolist())
        count = len(numbers) - numbers.count(MINUS_INFINITY)
        if not count:
            return None
        # Drop the forbidden tokens: some samplers do not expect them.
        cut = lib.llama_sampler_init_top_k(count)
        lib.llama_sampler_apply(cut, ctypes.byref(array))
        lib.llama_sampler_free(cut)
        self._data = data  # the array points to it
        return array

    def _possible_tokens(self, excluded: set[int]) -> list[int] | None:
        """The tokens whose first byte is allowed, and those that end the text. None if there are too many to pick."""
        if self._allows_control_tokens:
            return None
        table = self._table
        probes = candidates(list(table.singles.values()), lambda _: 0.0)
        lib.llama_sampler_apply(self._grammar, ctypes.byref(data_array(probes)))
        refused = {probe.id for probe in probes if probe.logit != 0.0}
        bytes_allowed = [byte for byte in table.groups if table.singles.get(byte) not in refused]
        if sum(len(table.groups[byte]) for byte in bytes_allowed) > MANY:
            return None
        tokens = [token for byte in bytes_allowed for token in table.groups[byte]]
        return [token for token in [*table.ends, *tokens] if token not in excluded]
