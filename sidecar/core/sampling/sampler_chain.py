"""The sampler chain: llama.cpp's samplers in the order in which they choose a token from the logits.

The chain is the one that llama.cpp's common_sampler_init makes (common/sampling.cpp), without the samplers that would
change nothing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer
    from sidecar.message_handler._types import Bias, SamplingParams

MINUS_INFINITY: Final = float("-inf")

COLDEST: Final = 1e-5
"""Lower temperatures count as 0: logits divided by them do not fit into a float."""

MIROSTAT_CANDIDATES: Final = 100
"""Mirostat 1 estimates the distribution from this many of the likeliest tokens (llama.cpp's number)."""

MAX_BREAKER_BYTES: Final = 40
"""llama.cpp cuts longer DRY sequence breakers."""

REMEMBERING: Final = frozenset(("penalties", "dry"))
"""Samplers that depend on the tokens before."""

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
"""Option → its sampler, and the value at which it does nothing. Lower values of topNSigma do nothing either."""


class Chain:
    """Makes the samplers of one request, one after the other."""

    def __init__(self, model: Model, options: SamplingParams, seed: int) -> None:
        """`options`: the params with all defaults."""
        self._model = model
        self._options = options
        self._seed = seed

    def samplers(self, biases: dict[int, float]) -> Iterator[SamplerPointer]:
        """First the biases, then the samplers that narrow the choice, then the one that chooses."""
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

    def _narrowing(self) -> Iterator[SamplerPointer]:
        names = _active(self._options)
        if _is_greedy(self._options) and not names & {"typicalP", "xtc"}:
            names &= REMEMBERING  # the others keep the likeliest token, which is chosen
        makers = self._makers()
        for name in self._options["samplers"]:
            if name in names:
                yield makers[name]()

    def _makers(self) -> dict[str, Callable[[], SamplerPointer]]:
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

    def _penalties(self) -> SamplerPointer:
        options = self._options
        return lib.llama_sampler_init_penalties(
            self._model.vocabulary_size,
            options["repeatLastN"],
            options["repeatPenalty"],
            options["frequencyPenalty"],
            options["presencePenalty"],
        )

    def _dry(self) -> SamplerPointer:
        options = self._options
        breakers = [_breaker(index, text) for index, text in enumerate(options["drySequenceBreakers"])]
        settings = (
            options["dryMultiplier"],
            options["dryBase"],
            options["dryAllowedLength"],
            options["dryPenaltyLastN"],
        )

        def make() -> SamplerPointer:
            array = (ctypes.c_char_p * len(breakers))(*breakers)
            return lib.llama_sampler_init_dry(self._model.vocab, *settings, array, len(breakers))

        # It compares each breaker with each token of the vocabulary, which takes at least 20 ms.
        sampler: SamplerPointer = self._model.samplers.clone(("dry", *settings, *breakers), make)
        return sampler

    def _temperature(self) -> SamplerPointer:
        options = self._options
        temperature = 0 if _is_greedy(options) else options["temperature"]
        return lib.llama_sampler_init_temp_ext(
            temperature, options["dynatempRange"], options["dynatempExponent"]
        )


def check_combination(params: SamplingParams) -> None:
    """Refuse options that other options make useless. Raises SidecarError `invalidParams`."""
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
    numbers = cast("Mapping[str, float]", params)  # the values of OFF are numbers
    for name, (sampler, off) in OFF.items():
        value = numbers.get(name, off)
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


def token_biases(model: Model, options: SamplingParams) -> dict[int, float]:
    """Token → what is added to its logit. Raises SidecarError `invalidToken`."""
    biases: dict[int, float] = {}
    asked = options.get("logitBias", [])
    pairs = cast("Iterable[tuple[int | str, Bias]]", asked.items() if isinstance(asked, dict) else asked)
    for index, (key, bias) in enumerate(pairs):
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


def _active(options: SamplingParams) -> set[str]:
    """The samplers of the list that change something."""
    numbers = cast("Mapping[str, float]", options)  # the values of OFF are numbers
    names = {sampler for name, (sampler, off) in OFF.items() if numbers[name] != off}
    if not options["repeatLastN"]:
        names.discard("penalties")
    if not options["dryPenaltyLastN"]:
        names.discard("dry")
    if options["topNSigma"] <= 0:
        names.discard("topNSigma")
    return names & set(options["samplers"])


def _is_greedy(options: SamplingParams) -> bool:
    cold = options["temperature"] < COLDEST and options["dynatempRange"] == 0
    return cold and "temperature" in options["samplers"]


class Kind(NamedTuple):
    """What follows from the samplers of a chain for a choice among some tokens only."""

    takes_likeliest: bool
    """It chooses the likeliest of the tokens that are not forbidden."""
    counts_impossible: bool
    """Tokens of probability 0 would change the choice."""


def kind_of(options: SamplingParams, biases: dict[int, float]) -> Kind:
    """That of the chain with these options, all of them, and these biases."""
    names = set() if options["mirostat"] else _active(options)
    plain = not (options["mirostat"] or options["adaptiveTarget"] >= 0 or names & REMEMBERING)
    likeliest = plain and _is_greedy(options) and not names & {"typicalP", "xtc"}
    unbiased = all(bias == MINUS_INFINITY for bias in biases.values())
    dynamic = options["dynatempRange"] > 0 and "temperature" in names
    return Kind(likeliest and unbiased, "typicalP" in names or dynamic)


def penalty_window(options: SamplingParams) -> int:
    """How many tokens at the end of the prompt the penalties take into account."""
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
    problem = f"{pointer} takes {len(data)} bytes in UTF-8, or has a NUL character"
    raise SidecarError("invalidParams", problem, pointer=pointer, value=text, allowed=allowed)
