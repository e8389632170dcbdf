"""The sampler chain: how the next token is chosen from the logits. llama.cpp's samplers, in its order.

The chain is the one that llama.cpp's common_sampler_init makes (common/sampling.cpp), without the
samplers that would change nothing.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.sampling.grammar_sampler import Constraint
from sidecar.core.sampling.logprobs import Logprobs
from sidecar.core.structured_output.grammar import Grammar, grammar_of
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError, conflicting_params

MAX_SEED: Final = 0xFFFFFFFE
"""llama.cpp reads the next number, 0xFFFFFFFF, as "choose one yourself", and does not tell which."""

MINUS_INFINITY: Final = float("-inf")

COLDEST: Final = 1e-5
"""Lower temperatures are taken for 0: logits divided by them would not fit into a float."""

MIROSTAT_CANDIDATES: Final = 100
"""Mirostat 1 fits its law to so many of the likeliest tokens (llama.cpp's number)."""

MAX_BREAKER_BYTES: Final = 40
"""llama.cpp cuts longer DRY sequence breakers off."""

OFF: Final[dict[str, tuple[str, float]]] = {
    "repeatPenalty": ("penalties", 1),
    "frequencyPenalty": ("penalties", 0),
    "presencePenalty": ("penalties", 0),
    "dryMultiplier": ("dry", 0),
    "topNSigma": ("topNSigma", 0),
    "topK": ("topK", 0),
    "typicalP": ("typicalP", 1),
    "topP": ("topP", 1),
    "minP": ("minP", 0),
    "xtcProbability": ("xtc", 0),
    "temperature": ("temperature", 1),
    "dynatempRange": ("temperature", 0),
}
"""Option → its sampler, and the value at which it does nothing (topNSigma: that and below)."""


class Sampler:
    """Owns a llama_sampler chain of one request."""

    def __init__(
        self, model: Model, params: dict[str, Any], prompt: list[int], grammar: Grammar | None = None
    ) -> None:
        """Make it. A `grammar`, or the one that the params ask for, is in force after `constrain`.

        Raises SidecarError: `invalidParams` (options that exclude each other), `invalidToken`, and those
        of `grammar_of` and `make_sampler`.
        """
        check_combination(params)
        options = {**DEFAULTS["CompleteParams"], **params}
        self.seed: int = params.get("seed", int.from_bytes(os.urandom(4), "little") % (MAX_SEED + 1))
        self.logprobs: Logprobs | None = None
        self._constraint: Constraint | None = None
        self._constrained = False
        grammar = grammar or grammar_of(model, params)
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        try:
            biases = token_biases(model, options)
            for sampler in _Chain(model, options, self.seed).samplers(biases):
                lib.llama_sampler_chain_add(self._chain, sampler)
            if grammar is not None:
                forbidden = {token for token, bias in biases.items() if bias == MINUS_INFINITY}
                self._constraint = Constraint(model, grammar, self._chain, forbidden)
        except SidecarError:
            self.free()
            raise
        look_back = _look_back(options)
        for token in prompt[-look_back:] if look_back else []:
            lib.llama_sampler_accept(self._chain, token)
        self.logprobs = Logprobs(model, options["topLogprobs"]) if options["logprobs"] else None

    def sample(self, context: Context, batch_index: int) -> int:
        """Choose a token from the logits of one batch position, and remember it for the penalties."""
        if self.logprobs is not None:
            self.logprobs.observe(context, batch_index)
        if self._constraint is not None and self._constrained:
            token = self._constraint.sample(context, batch_index)
        else:
            token = lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        if self.logprobs is not None:
            self.logprobs.record(token)
        return token

    def force(self, context: Context, batch_index: int, token: int) -> None:
        """Take a token whatever the logits of the batch position say."""
        if self.logprobs is not None:
            self.logprobs.observe(context, batch_index)
            self.logprobs.record(token)
        lib.llama_sampler_accept(self._chain, token)

    def discard_last(self) -> None:
        """Drop the log-probability of the last token: another token is forced in its place."""
        if self.logprobs is not None:
            self.logprobs.entries.pop()

    def constrain(self) -> None:
        """From now on sample by the grammar, if there is one. What was sampled before is not of it."""
        self._constrained = True

    @property
    def grammar_waits(self) -> bool:
        """Whether there is a grammar that is not yet in force."""
        return self._constraint is not None and not self._constrained

    def free(self) -> None:
        """Give the chain back. May be called twice."""
        if self.logprobs is not None:
            self.logprobs.free()
        if self._constraint is not None:
            self._constraint.free()
        if self._chain is not None:
            lib.llama_sampler_free(self._chain)
            self._chain = None  # type: ignore[assignment]  # used no more


class _Chain:
    """The samplers of one set of options, made one after the other."""

    def __init__(self, model: Model, options: dict[str, Any], seed: int) -> None:
        self._model = model
        self._options = options
        self._seed = seed

    def samplers(self, biases: dict[int, float]) -> Iterator[Any]:
        """Biases, then what narrows the choice, then what chooses."""
        options, seed = self._options, self._seed
        if biases:
            array = (lib.llama_logit_bias * len(biases))(
                *(lib.llama_logit_bias(*pair) for pair in biases.items())
            )
            yield lib.llama_sampler_init_logit_bias(self._model.vocabulary_size, len(biases), array)
        tau, eta = options["mirostatTau"], options["mirostatEta"]
        if options["mirostat"]:
            yield lib.llama_sampler_init_temp(options["temperature"])
        else:
            yield from self._narrowing()
        if options["mirostat"] == 1:
            size = self._model.vocabulary_size
            yield lib.llama_sampler_init_mirostat(size, seed, tau, eta, MIROSTAT_CANDIDATES)
        elif options["mirostat"] == 2:
            yield lib.llama_sampler_init_mirostat_v2(seed, tau, eta)
        elif options["adaptiveTarget"] >= 0:
            yield lib.llama_sampler_init_adaptive_p(options["adaptiveTarget"], options["adaptiveDecay"], seed)
        elif _is_greedy(options):
            yield lib.llama_sampler_init_greedy()
        else:
            yield lib.llama_sampler_init_dist(seed)

    def _narrowing(self) -> Iterator[Any]:
        names = _active(self._options)
        if _is_greedy(self._options) and not names & {"typicalP", "xtc"}:
            names &= {"penalties", "dry"}  # the others keep the most likely token, which is the one chosen
        makers = self._makers()
        for name in self._options["samplers"]:
            if name in names:
                yield makers[name]()

    def _makers(self) -> dict[str, Callable[[], Any]]:
        options, keep = self._options, self._options["minKeep"]
        return {
            "penalties": self._penalties,
            "dry": self._dry,
            "topNSigma": lambda: lib.llama_sampler_init_top_n_sigma(options["topNSigma"]),
            "topK": lambda: lib.llama_sampler_init_top_k(options["topK"]),
            "typicalP": lambda: lib.llama_sampler_init_typical(options["typicalP"], keep),
            "topP": lambda: lib.llama_sampler_init_top_p(options["topP"], keep),
            "minP": lambda: lib.llama_sampler_init_min_p(options["minP"], keep),
            "xtc": lambda: lib.llama_sampler_init_xtc(
                options["xtcProbability"], options["xtcThreshold"], keep, self._seed
            ),
            "temperature": self._temperature,
        }

    def _penalties(self) -> Any:
        options = self._options
        return lib.llama_sampler_init_penalties(
            self._model.vocabulary_size,
            options["repeatLastN"],
            options["repeatPenalty"],
            options["frequencyPenalty"],
            options["presencePenalty"],
        )

    def _dry(self) -> Any:
        options = self._options
        breakers = [_breaker(index, text) for index, text in enumerate(options["drySequenceBreakers"])]
        settings = (
            options["dryMultiplier"],
            options["dryBase"],
            options["dryAllowedLength"],
            options["dryPenaltyLastN"],
        )

        def make() -> Any:
            array = (ctypes.c_char_p * len(breakers))(*breakers)
            return lib.llama_sampler_init_dry(self._model.vocab, *settings, array, len(breakers))

        # It compares each breaker with each token of the vocabulary, which takes 20 ms and more.
        return self._model.samplers.clone(("dry", *settings, *breakers), make)

    def _temperature(self) -> Any:
        options = self._options
        temperature = 0 if _is_greedy(options) else options["temperature"]
        return lib.llama_sampler_init_temp_ext(
            temperature, options["dynatempRange"], options["dynatempExponent"]
        )


# ---- what the options mean ---------------------------------------------------------------------------


def check_combination(params: dict[str, Any]) -> None:
    """Refuse options that could have no effect beside others. Raises SidecarError `invalidParams`."""
    if params.get("topLogprobs") and not params.get("logprobs"):
        raise conflicting_params("topLogprobs", params["topLogprobs"], "/logprobs false", [0])
    mirostat = params.get("mirostat", 0)
    adaptive = params.get("adaptiveTarget", -1) >= 0
    if mirostat and "samplers" in params:
        raise conflicting_params("samplers", params["samplers"], "/mirostat", ["mirostat 0"])
    if mirostat and adaptive:
        raise conflicting_params(
            "adaptiveTarget", params["adaptiveTarget"], "/mirostat", {"exclusiveMaximum": 0}
        )
    for name, (sampler, off) in OFF.items():
        value = params.get(name, off)
        if value == off or (name == "topNSigma" and value < off):
            continue
        if mirostat and name != "temperature":
            raise conflicting_params(name, value, "/mirostat", [off])
        if sampler not in params.get("samplers", [sampler]):
            raise conflicting_params(name, value, f"/samplers without {sampler!r}", [off])
    if params.get("temperature", 1) < COLDEST and not params.get("dynatempRange"):
        if mirostat:
            raise conflicting_params(
                "temperature", params["temperature"], "/mirostat", {"exclusiveMinimum": 0}
            )
        if adaptive:
            raise conflicting_params(
                "temperature", params["temperature"], "/adaptiveTarget", {"exclusiveMinimum": 0}
            )


def token_biases(model: Model, options: dict[str, Any]) -> dict[int, float]:
    """What is added to the logits, by token. Raises SidecarError `invalidToken`."""
    biases: dict[int, float] = {}
    asked = options.get("logitBias", [])
    for index, (key, bias) in enumerate(asked.items() if isinstance(asked, dict) else asked):
        if isinstance(asked, dict):
            tokens = [int(key)]
            model.check_tokens(tokens, "/logitBias")
        elif isinstance(key, str):
            tokens = model.tokenize(key, add_special=False, parse_special=False)
        else:
            tokens = [key]
            model.check_tokens(tokens, f"/logitBias/{index}")
        for token in tokens:
            biases[token] = biases.get(token, 0.0) + (MINUS_INFINITY if bias is False else bias)
    forbidden = [*model.suppressed_tokens, *(model.end_tokens if options["ignoreEos"] else [])]
    return biases | dict.fromkeys(forbidden, MINUS_INFINITY)


def _active(options: dict[str, Any]) -> set[str]:
    """The samplers of the list that would change something."""
    names = {sampler for name, (sampler, off) in OFF.items() if options[name] != off}
    if not options["repeatLastN"]:
        names.discard("penalties")
    if not options["dryPenaltyLastN"]:
        names.discard("dry")
    if options["topNSigma"] <= 0:
        names.discard("topNSigma")
    return names & set(options["samplers"])


def _is_greedy(options: dict[str, Any]) -> bool:
    cold = options["temperature"] < COLDEST and options["dynatempRange"] == 0
    return cold and "temperature" in options["samplers"]


def _look_back(options: dict[str, Any]) -> int:
    """How many tokens of the prompt the penalties want to know."""
    names = set() if options["mirostat"] else _active(options)
    wanted = [
        options["repeatLastN"] if "penalties" in names else 0,
        options["dryPenaltyLastN"] if "dry" in names else 0,
    ]
    return max(wanted)


def _breaker(index: int, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_BREAKER_BYTES and b"\0" not in data:
        return data
    pointer, allowed = f"/drySequenceBreakers/{index}", {"maxBytes": MAX_BREAKER_BYTES}
    problem = f"{pointer} takes {len(data)} bytes in UTF-8, or has a NUL character in it"
    raise SidecarError("invalidParams", problem, pointer=pointer, value=text, allowed=allowed)
