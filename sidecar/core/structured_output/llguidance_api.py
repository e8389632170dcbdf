"""llguidance: which tokens a grammar allows next.

Its Python classes hold the GIL while they read a vocabulary (0.7 s for 262,144 tokens) and a schema, and then all
streams of the engine wait. So this calls the C functions in the same library (llguidance.h): ctypes frees the GIL.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import weakref
from functools import lru_cache
from typing import Final

from sidecar.core.model.model import Model

SPECIAL: Final = b"\xff"
"""Stands before the name of a token that has no text. No text has this byte."""

SENTINELS: Final = ("\x02", "\x01", "\n")
"""Texts before which a tokenizer puts the space that it adds to the beginning of each text."""

MAX_ERROR_CHARS: Final = 300
"""How much of an error is shown. It may repeat the grammar."""

MAX_ITEMS: Final = 8_000
"""Ways in which a text may go on by a grammar. An optional property adds four; with 2,000, a token takes 3 ms."""

BITS: Final = 32
"""Tokens in a word of a mask."""

MAX_FORCED: Final = 64
"""Tokens that are forced at once."""

Forced: Final = ctypes.c_uint32 * MAX_FORCED
"""Room for them. ctypes makes a type anew each time that nobody holds it, which takes longer than the call."""

TokenizeFunction = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_char),
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_uint32),
    ctypes.c_size_t,
)


class TokenizerInit(ctypes.Structure):
    """LlgTokenizerInitV2."""

    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("vocab_size", ctypes.c_uint32),
        ("tok_eos", ctypes.c_uint32),
        ("token_lens", ctypes.c_void_p),
        ("token_bytes", ctypes.c_char_p),
        ("tokenizer_json", ctypes.c_char_p),
        ("tokenize_assumes_string", ctypes.c_bool),
        ("tokenize_fn", TokenizeFunction),
        ("use_approximate_greedy_tokenize_fn", ctypes.c_bool),
        ("tokenize_user_data", ctypes.c_void_p),
        ("slices", ctypes.c_void_p),
        ("tok_eos_extra", ctypes.c_void_p),
        ("tok_eos_extra_count", ctypes.c_uint32),
    )


class Limits(ctypes.Structure):
    """LlgParserLimits: what a grammar may cost. The values are llguidance's own, except for MAX_ITEMS."""

    _fields_ = (
        ("max_items_in_row", ctypes.c_size_t),
        ("initial_lexer_fuel", ctypes.c_uint64),
        ("step_lexer_fuel", ctypes.c_uint64),
        ("step_max_items", ctypes.c_size_t),
        ("max_lexer_states", ctypes.c_size_t),
        ("max_grammar_size", ctypes.c_size_t),
        ("precompute_large_lexemes", ctypes.c_bool),
        ("verbose_errors", ctypes.c_bool),
    )


class MatcherInit(ctypes.Structure):
    """LlgConstraintInit."""

    _fields_ = (
        ("tokenizer", ctypes.c_void_p),
        ("log_buffer_level", ctypes.c_uint32),
        ("log_stderr_level", ctypes.c_uint32),
        ("ff_tokens_ok", ctypes.c_bool),
        ("backtrack_ok", ctypes.c_bool),
        ("limits", Limits),
    )


_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32
_FUNCTIONS: Final = {
    "llg_new_tokenizer_v2": (_POINTER, (ctypes.POINTER(TokenizerInit), ctypes.c_char_p, _SIZE)),
    "llg_free_tokenizer": (None, (_POINTER,)),
    "llg_constraint_init_set_defaults": (None, (ctypes.POINTER(MatcherInit), _POINTER)),
    "llg_new_matcher": (_POINTER, (ctypes.POINTER(MatcherInit), ctypes.c_char_p, ctypes.c_char_p)),
    "llg_clone_matcher": (_POINTER, (_POINTER,)),
    "llg_free_matcher": (None, (_POINTER,)),
    "llg_matcher_get_error": (ctypes.c_char_p, (_POINTER,)),
    "llg_matcher_is_error": (ctypes.c_bool, (_POINTER,)),
    "llg_matcher_is_stopped": (ctypes.c_bool, (_POINTER,)),
    "llg_matcher_is_accepting": (ctypes.c_bool, (_POINTER,)),
    "llg_matcher_compute_mask_into": (_INT, (_POINTER, _POINTER, _SIZE)),
    "llg_matcher_validate_tokens": (_INT, (_POINTER, _POINTER, _SIZE)),
    "llg_matcher_consume_tokens": (_INT, (_POINTER, _POINTER, _SIZE)),
    "llg_matcher_compute_ff_tokens": (_INT, (_POINTER, _POINTER, _SIZE)),
}
"""Name → type of the result, and of the arguments."""


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """llguidance's library. Raises ImportError."""
    spec = importlib.util.find_spec("llguidance")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        for name in os.listdir(folder):
            if name.startswith("_lib.") and name.endswith((".so", ".pyd")):
                loaded = ctypes.CDLL(os.path.join(folder, name))
                for function, (result, arguments) in _FUNCTIONS.items():
                    getattr(loaded, function).restype = result
                    getattr(loaded, function).argtypes = arguments
                return loaded
    raise ImportError("llguidance is not installed")


class Vocabulary:
    """The tokens of a model, as llguidance looks for them. To make it takes about 1 s for 262,144 tokens."""

    def __init__(self, model: Model) -> None:
        self.size = model.vocabulary_size
        self._model = model
        self._sentinel, self._skipped = _sentinel(model)
        pieces = [piece or SPECIAL + model.token_name(token).encode() for token, piece in model.pieces()]
        self._of_byte = {piece[0]: token for token, piece in enumerate(pieces) if len(piece) == 1}
        lengths = (ctypes.c_uint32 * self.size)(*map(len, pieces))
        ends = model.end_tokens or [0xFFFFFFFF]
        others = (ctypes.c_uint32 * len(ends))(*ends[1:])
        self._tokenize = TokenizeFunction(self._tokens_of)  # C calls it: it must live as long
        init = TokenizerInit(
            struct_size=ctypes.sizeof(TokenizerInit),
            vocab_size=self.size,
            tok_eos=ends[0],
            token_lens=ctypes.addressof(lengths),
            token_bytes=b"".join(pieces),
            tokenize_assumes_string=True,
            tokenize_fn=self._tokenize,
            tok_eos_extra=ctypes.addressof(others),
            tok_eos_extra_count=len(ends) - 1,
        )
        error = ctypes.create_string_buffer(MAX_ERROR_CHARS)
        self.handle = library().llg_new_tokenizer_v2(ctypes.byref(init), error, len(error))
        if not self.handle:
            raise ValueError(error.value.decode("utf-8", "replace"))
        weakref.finalize(self, library().llg_free_tokenizer, self.handle)

    def tokens_of(self, text: str) -> list[int]:
        """The tokens of a text within others."""
        return self._tokens_of_bytes(text.encode("utf-8", "replace"))

    def _tokens_of_bytes(self, wanted: bytes) -> list[int]:
        whole = self._sentinel + wanted.decode("utf-8", "replace")
        found = self._model.tokenize(whole, add_special=False, parse_special=False)[self._skipped :]
        if b"".join(map(self._model.piece, found)) != wanted and self._of_byte.keys() >= set(wanted):
            return [
                self._of_byte[byte] for byte in wanted
            ]  # a vocabulary that changes the text, such as its spaces
        return found

    def _tokens_of(
        self,
        _: object,
        text: ctypes._Pointer[ctypes.c_char],
        length: int,
        tokens: ctypes._Pointer[ctypes.c_uint32],
        room: int,
    ) -> int:
        """The same for llguidance. Returns how many there are."""
        found = self._tokens_of_bytes(ctypes.string_at(text, length))
        if len(found) <= room:
            tokens_array = (ctypes.c_uint32 * len(found))(*found)
            ctypes.memmove(tokens, tokens_array, ctypes.sizeof(tokens_array))
        return len(found)


def _sentinel(model: Model) -> tuple[str, int]:
    """What to put before a text so that its tokens are those within a longer text, and how many tokens that is."""
    for text in ("", *SENTINELS):
        before = model.tokenize(text, add_special=False, parse_special=False) if text else []
        tokens = model.tokenize(f"{text}a", add_special=False, parse_special=False)
        after = tokens[len(before) :]
        if tokens[: len(before)] == before and b"".join(map(model.piece, after)) == b"a":
            return text, len(before)
    return "", 0


class Matcher:
    """Follows a text token by token, and knows which tokens its grammar allows next. Not thread-safe."""

    def __init__(self, vocabulary: Vocabulary, handle: int) -> None:
        """Owns the handle."""
        self._library = library()
        self._vocabulary = vocabulary
        self._handle = handle
        self._one = ctypes.c_uint32()
        self._one_at = ctypes.addressof(self._one)
        self._mask: ctypes.Array[ctypes.c_char] | None = None
        weakref.finalize(self, self._library.llg_free_matcher, handle)

    @classmethod
    def compile(cls, vocabulary: Vocabulary, kind: str, grammar: str) -> Matcher:
        """The matcher of a grammar. `kind`: `json_schema`, `lark` or `regex`. `error` says what is wrong with it.

        May take seconds; the GIL is free meanwhile.
        """
        init = MatcherInit()
        library().llg_constraint_init_set_defaults(ctypes.byref(init), vocabulary.handle)
        init.log_buffer_level = init.log_stderr_level = 0
        init.limits.verbose_errors = False
        init.limits.max_items_in_row = MAX_ITEMS
        handle = library().llg_new_matcher(
            ctypes.byref(init), kind.encode(), grammar.encode("utf-8", "surrogatepass")
        )
        return cls(vocabulary, handle)

    def copy(self) -> Matcher:
        """Another one in the same state."""
        return Matcher(self._vocabulary, self._library.llg_clone_matcher(self._handle))

    @property
    def error(self) -> str:
        """What is wrong; "" if nothing is. After an error it allows nothing."""
        if not self._library.llg_matcher_is_error(self._handle):
            return ""
        text: bytes = self._library.llg_matcher_get_error(self._handle) or b"unknown"
        return text.decode("utf-8", "replace")[:MAX_ERROR_CHARS]

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return bool(self._library.llg_matcher_is_accepting(self._handle))

    @property
    def ended(self) -> bool:
        """Whether the text must end here."""
        return bool(self._library.llg_matcher_is_stopped(self._handle))

    def allows(self, token: int) -> bool:
        """Whether a token may come next."""
        self._one.value = token
        return bool(self._library.llg_matcher_validate_tokens(self._handle, self._one_at, 1) == 1)

    def consume(self, token: int) -> None:
        """Go on after a token that it allows."""
        self._one.value = token
        self._library.llg_matcher_consume_tokens(self._handle, self._one_at, 1)

    def follow(self, text: str) -> bool:
        """Go on after a text. Returns whether it allows the text; if not, it is of no more use."""
        for token in self._vocabulary.tokens_of(text):
            if not self.allows(token):
                return False
            self.consume(token)
        return True

    def mask(self) -> bytes:
        """Bit i of this, from the lowest bit of the first byte on, says whether token i may come next."""
        if self._mask is None:
            self._mask = ctypes.create_string_buffer(-(-self._vocabulary.size // BITS) * BITS // 8)
        at, size = ctypes.addressof(self._mask), len(self._mask)
        if self._library.llg_matcher_compute_mask_into(self._handle, at, size) != 0:
            return bytes(size)  # an error: the mask of the step before is still there
        return self._mask.raw

    def forced(self, most: int) -> list[int]:
        """Up to `most` tokens, and up to MAX_FORCED, that come next because the grammar leaves no choice."""
        room = Forced()
        most = min(most, MAX_FORCED)
        count = self._library.llg_matcher_compute_ff_tokens(self._handle, ctypes.addressof(room), most)
        return room[: max(count, 0)]
