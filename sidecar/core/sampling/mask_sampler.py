"""Sampling under a matcher. As long as the model follows the grammar by itself, this checks one token per step.

The chain chooses a token without the grammar. Only if the grammar does not allow it, the chain chooses again. If it
takes the likeliest token, the next likely ones are tested. Else, or if none of them is allowed, the mask of the allowed
tokens is computed. Two ways lead on: few tokens become a list of candidates; for many, a sampler of llama.cpp that adds
biases takes minus infinity for all others. Neither goes through the vocabulary in Python.

A chain that takes the likeliest token chooses the same one in whatever order this is done. So after a refusal the next
step begins with what found the last token: each refusal would cost a second pass over the logits otherwise.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.model.token_table import candidates, data_array
from sidecar.core.sampling.chain_without_accept import ChainWithoutAccept
from sidecar.core.sampling.sampler_chain import Kind
from sidecar.core.sampling.top_tokens import TopTokens
from sidecar.core.structured_output.llguidance_api import Matcher
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer, llama_logit_bias

MANY: Final = 1024
"""Up to this many allowed tokens are listed one by one."""

LEAST: Final = 1.2e-38
"""The smallest float above 0: with this share of the likeliest token, only those of probability 0 are dropped."""

BLOCK_BYTES: Final = 256
"""A part of a mask. Most parts are empty, which one comparison of bytes tells."""

_EMPTY: Final = bytes(BLOCK_BYTES)
_SOME_BITS: Final = re.compile(rb"[^\0]+")
_BITS: Final = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]
_ALLOWED: Final = [bytes(0xFF * (not byte >> bit & 1) for byte in range(256)) for bit in range(8)]
"""For each bit: byte of a mask → 0 if the bit is set, else 0xFF."""
_HIGH: Final = bytes(0x80 if byte else 0 for byte in range(256))
"""0xFF → 0x80. A float of four bytes with the upper two 0x80 and 0xFF is minus infinity."""


class MaskSampler:
    """Owns the samplers that hold one request to its matcher. The `chain`, which chooses, belongs to the caller."""

    def __init__(
        self,
        model: Model,
        matcher: Matcher,
        chain: SamplerPointer,
        kind: Kind,
        forbidden: set[int],
        *,
        partly: bool = False,
    ) -> None:
        """`kind`: that of the chain. `forbidden`: tokens that never come.

        `partly`: other text may follow that of the matcher.
        """
        self._kind = kind
        self._top_tokens: TopTokens | None = None
        self._matcher = matcher
        self._partly = partly
        self._left = False
        """Other text has begun."""
        self._chain = chain
        self._forbidden = forbidden
        self._model = model
        self._without_accept = ChainWithoutAccept(chain)
        self._begins_with: Callable[[Context, int], int] = self._by_choice
        """How the next token is looked for."""

    def sample(self, context: Context, batch_index: int) -> int:
        """Choose a token that the grammar allows. Raises SidecarError `noTokenAllowed`, `schemaTooComplex`."""
        token = self._begins_with(context, batch_index)
        if not self._left:
            self._matcher.consume(token)
        lib.llama_sampler_accept(self._chain, token)
        return token

    def _by_choice(self, context: Context, batch_index: int) -> int:
        """What the chain chooses without the grammar, if that is allowed."""
        token = self._without_accept.sample(context, batch_index)
        if self._allows(token):
            return token
        if self._partly and self._may_leave(token):
            self._left = True
            return token
        way = self._by_top_tokens if self._kind.takes_likeliest else self._by_mask
        return way(context, batch_index)

    def _by_top_tokens(self, context: Context, batch_index: int) -> int:
        """The likeliest token that is allowed, if it is among the likeliest of all."""
        self._top_tokens = self._top_tokens or TopTokens()
        ranked = self._top_tokens.read(context, batch_index)
        if self._allows(ranked[0]):
            self._begin_with(self._by_choice)
            return ranked[0]
        # Where there is no choice, a mask has the canonical token only; others would be allowed as well.
        likely = next(filter(self._allows, self._matcher.forced(1) or ranked), None)
        if likely is None:
            return self._by_mask(context, batch_index)
        self._begin_with(self._by_top_tokens)
        return likely

    def _by_few(self, context: Context, batch_index: int) -> int:
        """The likeliest token of the mask, if that has few, and they begin with several bytes.

        If all begin with the same byte, that is forced. Then a mask has fewer tokens than are allowed.
        """
        mask = self._mask()
        if 0 < _count(mask) <= MANY:
            tokens = _tokens(mask)
            first = self._model.piece(tokens[0])[:1]
            if any(self._model.piece(token)[:1] != first for token in tokens):
                return self._likeliest(context, batch_index, tokens)
        self._begin_with(self._by_choice)
        return self._by_choice(context, batch_index)

    def _by_mask(self, context: Context, batch_index: int) -> int:
        """What the chain chooses among the tokens of the mask."""
        mask = self._mask()
        error = self._matcher.error
        if error:
            cause = error.splitlines()[0]
            raise SidecarError(
                "schemaTooComplex", f"The grammar cannot be followed further: {cause}", cause=cause
            )
        count = _count(mask)
        if not count:
            raise SidecarError("noTokenAllowed", "The grammar allows no token that continues the text")
        if count > MANY:
            self._begin_with(self._by_choice)
            return self._choose_of_many(context, batch_index, mask)
        tokens = _tokens(mask)
        if self._kind.takes_likeliest:
            self._begin_with(self._by_few)
            return self._likeliest(context, batch_index, tokens)
        logits = lib.llama_get_logits_ith(context.handle, batch_index)
        data = candidates(tokens, logits.__getitem__)
        array = data_array(data)
        lib.llama_sampler_apply(self._chain, ctypes.byref(array))
        token: int = array.data[array.selected].id
        return token

    def _begin_with(self, way: Callable[[Context, int], int]) -> None:
        if not self._partly:  # whether other text begins depends on the chain's own choice
            self._begins_with = way

    def _likeliest(self, context: Context, batch_index: int, tokens: list[int]) -> int:
        logits = lib.llama_get_logits_ith(context.handle, batch_index)
        return max(tokens, key=logits.__getitem__)

    def _allows(self, token: int) -> bool:
        return token not in self._forbidden and self._matcher.allows(token)

    def _mask(self) -> bytes:
        mask = self._matcher.mask()
        return _without(mask, self._forbidden) if self._forbidden else mask

    def _may_leave(self, token: int) -> bool:
        """Whether a token that the matcher does not allow may begin the text after it."""
        return self._matcher.complete and token not in self._forbidden

    @property
    def ended(self) -> bool:
        """Whether the text is complete and nothing can follow, or other text has begun."""
        return self._left or (self._matcher.ended and not self._matcher.error)

    def forced(self, most: int) -> list[int]:
        """Up to `most` tokens that come next because there is no choice. They count as chosen."""
        tokens = self._matcher.forced(most) if most > 0 else []
        if not self._forbidden.isdisjoint(tokens):
            return []
        for token in tokens:
            self._matcher.consume(token)
            lib.llama_sampler_accept(self._chain, token)
        return tokens

    def free(self) -> None:
        """Free the samplers. May be called twice."""
        self._without_accept.free()
        if self._top_tokens is not None:
            self._top_tokens.free()
            self._top_tokens = None

    def _choose_of_many(self, context: Context, batch_index: int, mask: bytes) -> int:
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        size = self._model.vocabulary_size
        biases = _biases(size, mask)
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_logit_bias(size, size, biases))
        if self._kind.counts_impossible:  # it takes a while: else they stay, at minus infinity
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_min_p(LEAST, 0))
        lib.llama_sampler_chain_add(chain, self._without_accept.sampler())
        token: int = lib.llama_sampler_sample(chain, context.handle, batch_index)
        lib.llama_sampler_free(chain)
        return token


def _tokens(mask: bytes) -> list[int]:
    """The tokens of a mask in which most bytes are 0."""
    blocks = (at for at in range(0, len(mask), BLOCK_BYTES) if mask[at : at + BLOCK_BYTES] != _EMPTY)
    return [
        8 * (found.start() + index) + bit
        for at in blocks
        for found in _SOME_BITS.finditer(mask, at, at + BLOCK_BYTES)
        for index, byte in enumerate(found[0])
        for bit in _BITS[byte]
    ]


def _count(mask: bytes) -> int:
    return int.from_bytes(mask, "little").bit_count()


def _without(mask: bytes, tokens: set[int]) -> bytes:
    left = bytearray(mask)
    for token in tokens:
        left[token >> 3] &= ~(1 << (token & 7)) & 0xFF
    return bytes(left)


@lru_cache(maxsize=1)
def _no_biases(size: int) -> bytes:
    """A llama_logit_bias of 0 for each token: its id and its bias, four bytes each."""
    rounded = -(-size // 8) * 8
    array = memoryview(bytearray(8 * rounded)).cast("i")
    array[0::2] = memoryview((ctypes.c_int * rounded)(*range(rounded))).cast("B").cast("i")
    return bytes(array)


def _biases(size: int, mask: bytes) -> ctypes.Array[llama_logit_bias]:
    """Minus infinity for each token that the mask does not allow, as an array of llama_logit_bias."""
    array = bytearray(_no_biases(size))
    used = mask[: -(-size // 8)]
    for bit in range(8):
        refused = used.translate(_ALLOWED[bit])
        array[8 * bit + 7 :: 64] = refused
        array[8 * bit + 6 :: 64] = refused.translate(_HIGH)
    return (lib.llama_logit_bias * size).from_buffer(array)
