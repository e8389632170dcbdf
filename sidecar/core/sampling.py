"""The sampler chain: how the next token is chosen from the logits. llama.cpp's samplers, in its order."""

from __future__ import annotations

import secrets
from typing import Any, Final

from sidecar.core.bindings import lib
from sidecar.core.context import Context
from sidecar.core.model import Model
from sidecar.message_handler._wire import DEFAULTS

MAX_SEED: Final = 0xFFFFFFFE
"""llama.cpp reads the next number, 0xFFFFFFFF, as "choose one yourself", and does not tell which."""

MINUS_INFINITY: Final = float("-inf")


class Sampler:
    """Owns a llama_sampler chain of one request."""

    def __init__(self, model: Model, params: dict[str, Any], prompt: list[int]) -> None:
        options = {**DEFAULTS["CompleteParams"], **params}
        self.seed: int = params.get("seed", secrets.randbelow(MAX_SEED + 1))
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        self._grammar: Any = None
        if options["ignoreEos"]:
            self._add(_forbid(model, model.end_tokens))
        penalties = (
            options["repeatPenalty"],
            options["frequencyPenalty"],
            options["presencePenalty"],
        )
        look_back: int = options["repeatLastN"]
        if penalties != (1, 0, 0) and look_back:
            self._add(lib.llama_sampler_init_penalties(model.vocabulary_size, look_back, *penalties))
        if options["temperature"] == 0:
            self._add(lib.llama_sampler_init_greedy())
        else:
            self._add_choices(options)
        if penalties != (1, 0, 0):
            for token in prompt[-look_back:] if look_back else []:
                lib.llama_sampler_accept(self._chain, token)

    def _add_choices(self, options: dict[str, Any]) -> None:
        if options["topK"] > 0:
            self._add(lib.llama_sampler_init_top_k(options["topK"]))
        if options["topP"] < 1:
            self._add(lib.llama_sampler_init_top_p(options["topP"], 1))
        if options["minP"] > 0:
            self._add(lib.llama_sampler_init_min_p(options["minP"], 1))
        self._add(lib.llama_sampler_init_temp(options["temperature"]))
        self._add(lib.llama_sampler_init_dist(self.seed))

    def _add(self, sampler: Any) -> None:
        lib.llama_sampler_chain_add(self._chain, sampler)

    def sample(self, context: Context, batch_index: int) -> int:
        """Choose a token from the logits of one batch position, and remember it for the penalties."""
        token: int = lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        return token

    def accept(self, token: int) -> None:
        """Remember a token that was not sampled."""
        lib.llama_sampler_accept(self._chain, token)

    def prepare_grammar(self, model: Model, grammar: str) -> bool:
        """Make a grammar ready for `constrain`. False if it does not parse."""
        self._grammar = lib.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
        return bool(self._grammar)

    def constrain(self) -> None:
        """From now on sample by the grammar. What was sampled before is not of it."""
        count = lib.llama_sampler_chain_n(self._chain)
        others = [lib.llama_sampler_chain_remove(self._chain, 0) for _ in range(count)]
        for sampler in [self._grammar, *others]:  # it comes before what chooses
            self._add(sampler)
        self._grammar = None

    @property
    def grammar_waits(self) -> bool:
        """Whether a grammar is ready and not yet in force."""
        return bool(self._grammar)

    def free(self) -> None:
        """Give the chain back. May be called twice."""
        if self._grammar:
            lib.llama_sampler_free(self._grammar)
            self._grammar = None
        if self._chain is not None:
            lib.llama_sampler_free(self._chain)
            self._chain = None


def _forbid(model: Model, tokens: list[int]) -> Any:
    biases = (lib.llama_logit_bias * len(tokens))(*((token, MINUS_INFINITY) for token in tokens))
    return lib.llama_sampler_init_logit_bias(model.vocabulary_size, len(tokens), biases)
