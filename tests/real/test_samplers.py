"""Every sampler does what llama.cpp's does: seeded texts equal those of a chain made by hand.

Words do not matter to samplers: most cases take a made model, whose tokens are bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Once
from driver import Message, Refused, Sidecar
from real.conftest import run_chains

pytestmark = pytest.mark.real

PROMPT = "A story of a cat and a dog. The cat and the dog went to the"
LENGTH = 24
SEED = 7
WIDE = {"topK": 0, "topP": 1, "minP": 0}
"""Switches off what is on by default."""

DIST = ["dist", SEED]
BREAKERS = ["\n", ":", '"', "*"]

CASES: dict[str, tuple[dict[str, Any], list[list[Any]]]] = {
    "the defaults": (
        {},
        [["top_k", 40], ["top_p", 0.95, 0], ["min_p", 0.05, 0], ["temp", 0.8], DIST],
    ),
    "greedy": ({"temperature": 0}, [["greedy"]]),
    "temperature": ({**WIDE, "temperature": 1.5}, [["temp", 1.5], DIST]),
    "dynamic temperature": (
        {**WIDE, "temperature": 1, "dynatempRange": 0.8, "dynatempExponent": 0.5},
        [["temp_ext", 1, 0.8, 0.5], DIST],
    ),
    "dynamic temperature around zero": (
        {**WIDE, "temperature": 0, "dynatempRange": 1.5},
        [["temp_ext", 0, 1.5, 1], DIST],
    ),
    "top k": ({**WIDE, "topK": 3, "temperature": 2}, [["top_k", 3], ["temp", 2], DIST]),
    "top p": ({**WIDE, "topP": 0.8, "temperature": 2}, [["top_p", 0.8, 0], ["temp", 2], DIST]),
    "min p": ({**WIDE, "minP": 0.1, "temperature": 3}, [["min_p", 0.1, 0], ["temp", 3], DIST]),
    "min keep": (
        {**WIDE, "minP": 1, "minKeep": 6, "temperature": 3},
        [["min_p", 1, 6], ["temp", 3], DIST],
    ),
    "typical p": ({**WIDE, "typicalP": 0.3, "temperature": 1}, [["typical", 0.3, 0], DIST]),
    "typical p, greedy": ({"typicalP": 0.3, "temperature": 0, **WIDE}, [["typical", 0.3, 0], ["greedy"]]),
    "top n sigma": ({**WIDE, "topNSigma": 1, "temperature": 2}, [["top_n_sigma", 1], ["temp", 2], DIST]),
    "xtc": (
        {**WIDE, "topK": 20, "xtcProbability": 0.7, "xtcThreshold": 0.05, "temperature": 1},
        [["top_k", 20], ["xtc", 0.7, 0.05, 0, SEED], DIST],
    ),
    "xtc, greedy": (
        {"topP": 1, "minP": 0, "xtcProbability": 1, "xtcThreshold": 0.05, "temperature": 0},
        [["top_k", 40], ["xtc", 1, 0.05, 0, SEED], ["greedy"]],
    ),
    "repeat penalty": (
        {"temperature": 0, "repeatPenalty": 1.6},
        [["penalties", "size", 64, 1.6, 0, 0], ["greedy"]],
    ),
    "frequency penalty": (
        {"temperature": 0, "frequencyPenalty": 1.2, "repeatLastN": 10},
        [["penalties", "size", 10, 1, 1.2, 0], ["greedy"]],
    ),
    "presence penalty": (
        {"temperature": 0, "presencePenalty": 3, "repeatLastN": 1000},
        [["penalties", "size", 1000, 1, 0, 3], ["greedy"]],
    ),
    "dry": (
        {"temperature": 0, "dryMultiplier": 2},
        [["dry", "vocab", 2, 1.75, 2, 64, BREAKERS], ["greedy"]],
    ),
    "dry without the usual breakers": (
        {
            "temperature": 0,
            "dryMultiplier": 1,
            "dryBase": 3,
            "dryAllowedLength": 1,
            "dryPenaltyLastN": 200,
            "drySequenceBreakers": ["cat", "ä"],
        },
        [["dry", "vocab", 1, 3, 1, 200, ["cat", "ä"]], ["greedy"]],
    ),
    "mirostat 1": (
        {"mirostat": 1, "mirostatTau": 3, "temperature": 1.2},
        [["temp", 1.2], ["mirostat", "size", SEED, 3, 0.1, 100]],
    ),
    "mirostat 2": (
        {"mirostat": 2, "mirostatEta": 0.3},
        [["temp", 0.8], ["mirostat_v2", SEED, 5, 0.3]],
    ),
    "adaptive p": (
        {**WIDE, "minP": 0.02, "temperature": 1, "adaptiveTarget": 0.3, "adaptiveDecay": 0.5},
        [["min_p", 0.02, 0], ["adaptive_p", 0.3, 0.5, SEED]],
    ),
    "all in llama.cpp's order": (
        {
            "temperature": 1.4,
            "topK": 50,
            "topP": 0.9,
            "minP": 0.01,
            "typicalP": 0.9,
            "topNSigma": 3,
            "xtcProbability": 0.5,
            "repeatPenalty": 1.1,
            "dryMultiplier": 0.5,
        },
        [
            ["penalties", "size", 64, 1.1, 0, 0],
            ["dry", "vocab", 0.5, 1.75, 2, 64, BREAKERS],
            ["top_n_sigma", 3],
            ["top_k", 50],
            ["typical", 0.9, 0],
            ["top_p", 0.9, 0],
            ["min_p", 0.01, 0],
            ["xtc", 0.5, 0.1, 0, SEED],
            ["temp", 1.4],
            DIST,
        ],
    ),
    "another order": (
        {"temperature": 4, "minP": 0.2, "topK": 10, "samplers": ["temperature", "minP", "topK"]},
        [["temp", 4], ["min_p", 0.2, 0], ["top_k", 10], DIST],
    ),
    "only those of the list": ({"samplers": ["topK"], "topK": 3}, [["top_k", 3], DIST]),
    "no samplers": ({"samplers": []}, [DIST]),
    "biases": (
        {"temperature": 0, "logitBias": [[100, 3.5], [83, False], [90, -2]]},
        [["logit_bias", "size", [[100, 3.5], [83, "-inf"], [90, -2]]], ["greedy"]],
    ),
}
"""Name → the program's options, and the chain that they mean (in the words of llama.h)."""


@pytest.fixture(scope="module")
def by_hand(made_path: str, once: Once) -> dict[str, list[int]]:
    """Name of the case → the tokens that a chain made by hand chooses."""
    jobs = [{"prompt": PROMPT, "maxTokens": LENGTH, "chain": chain} for _, chain in CASES.values()]
    results = once("chains", lambda: run_chains(made_path, jobs, exact=True))
    return {name: result["tokens"] for name, result in zip(CASES, results, strict=True)}


def complete(sidecar: Sidecar, context: str, **params: Any) -> Message:
    asked = {"contextId": context, "prompt": PROMPT, "maxTokens": LENGTH, "seed": SEED, **params}
    return sidecar.call("complete", asked)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CASES)
def test_it_chooses_as_the_chain_made_by_hand(
    made: Sidecar, anew: Callable[..., str], by_hand: dict[str, list[int]], name: str
) -> None:
    text = complete(made, anew(), **CASES[name][0])["text"]
    assert text == made.call("detokenize", {"modelId": "model-1", "tokens": by_hand[name]})["text"]


def test_a_real_model_does_so_too(real: Sidecar, fresh: Callable[..., str], model_path: str) -> None:
    params, chain = CASES["all in llama.cpp's order"]
    (result,) = run_chains(model_path, [{"prompt": PROMPT, "maxTokens": 8, "chain": chain}])
    text = complete(real, fresh(), maxTokens=8, **params)["text"]
    assert text == real.call("detokenize", {"modelId": "model-1", "tokens": result["tokens"]})["text"]


def test_the_cases_differ(by_hand: dict[str, list[int]]) -> None:
    # Otherwise a sampler that does nothing would pass. Greedy ones may agree with a few others.
    assert len({str(tokens) for tokens in by_hand.values()}) >= len(CASES) - 1


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 1.2, "xtcProbability": 0.5, "topP": 1},
        {"mirostat": 1},
        {"mirostat": 2},
        {"adaptiveTarget": 0.4},
    ],
    ids=str,
)
def test_a_seed_repeats_every_random_choice(
    made: Sidecar, anew: Callable[..., str], params: dict[str, Any]
) -> None:
    context = anew()
    texts = [complete(made, context, **params)["text"] for _ in range(2)]
    assert texts[0] == texts[1]
    assert complete(made, context, **params, seed=SEED + 1)["text"] != texts[0]


# ---- biases ------------------------------------------------------------------------------------------


def tokens_of(real: Sidecar, text: str) -> list[int]:
    return real.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]  # type: ignore[no-any-return]


def test_a_bias_forces_and_false_forbids(real: Sidecar, fresh: Callable[..., str]) -> None:
    context = fresh()
    (cat,) = tokens_of(real, " cat")
    for bias in ([[cat, 100]], [[" cat", 100]], {str(cat): 100}):
        text = complete(real, context, temperature=0, logitBias=bias, maxTokens=3)["text"]
        assert text == " cat cat cat"
    said = complete(real, context, temperature=0, maxTokens=8)["text"]
    forbidden = tokens_of(real, said)[:3]
    bias = [[token, False] for token in forbidden]
    text = complete(real, context, temperature=0, logitBias=bias, maxTokens=8)["text"]
    assert not set(tokens_of(real, text)) & set(forbidden)
    again = complete(real, context, temperature=0, maxTokens=8)["text"]
    assert again == said, "a bias outlived its request"


def test_a_text_means_all_its_tokens(real: Sidecar, fresh: Callable[..., str]) -> None:
    tokens = tokens_of(real, " antidisestablishment")
    assert len(tokens) > 1
    text = complete(real, fresh(), temperature=2, logitBias=[[" antidisestablishment", 100]], maxTokens=8)[
        "text"
    ]
    assert set(tokens_of(real, text)) <= set(tokens)


def test_biases_of_one_token_add_up(real: Sidecar, fresh: Callable[..., str]) -> None:
    context = fresh()
    (cat,) = tokens_of(real, " cat")
    greedy = {"temperature": 0, "maxTokens": 8}
    plain = complete(real, context, **greedy)["text"]
    both = complete(real, context, **greedy, logitBias=[[cat, 50], [" cat", -50]])["text"]
    assert both == plain


# ---- refusals -----------------------------------------------------------------------------------

REFUSED: list[tuple[dict[str, Any], str, Any]] = [
    ({"mirostat": 1, "samplers": ["topK"]}, "/samplers", ["mirostat 0"]),
    ({"mirostat": 2, "topK": 10}, "/topK", [0]),
    ({"mirostat": 2, "dryMultiplier": 1}, "/dryMultiplier", [0]),
    ({"mirostat": 1, "repeatPenalty": 1.1}, "/repeatPenalty", [1]),
    ({"mirostat": 1, "temperature": 0}, "/temperature", {"exclusiveMinimum": 0}),
    ({"mirostat": 1, "adaptiveTarget": 0.1}, "/adaptiveTarget", {"exclusiveMaximum": 0}),
    ({"adaptiveTarget": 0.1, "temperature": 0}, "/temperature", {"exclusiveMinimum": 0}),
    ({"samplers": ["temperature"], "topP": 0.5}, "/topP", [1]),
    ({"samplers": [], "temperature": 0}, "/temperature", [1]),
    (
        {"drySequenceBreakers": ["ok", "ä" * 21], "dryMultiplier": 1},
        "/drySequenceBreakers/1",
        {"maxBytes": 40},
    ),
]


@pytest.mark.parametrize(("params", "pointer", "allowed"), REFUSED, ids=lambda value: str(value)[:60])
def test_options_that_exclude_each_other_are_refused(
    real: Sidecar, params: dict[str, Any], pointer: str, allowed: Any
) -> None:
    with pytest.raises(Refused) as refused:
        complete(real, "context-1", **params)
    assert refused.value.kind == "invalidParams"
    assert refused.value.data["pointer"] == pointer
    assert refused.value.data["allowed"] == allowed
    assert "value" in refused.value.data


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dynatempRange", -1),
        ("typicalP", 1.1),
        ("topNSigma", -2),
        ("xtcProbability", -0.1),
        ("xtcThreshold", 2),
        ("dryMultiplier", -1),
        ("dryBase", 0.5),
        ("dryAllowedLength", -1),
        ("dryPenaltyLastN", -1),
        ("drySequenceBreakers", [""]),
        ("mirostat", 3),
        ("mirostatTau", -1),
        ("mirostatEta", -0.1),
        ("adaptiveTarget", 1.5),
        ("adaptiveDecay", 1),
        ("minKeep", -1),
        ("samplers", ["top_k"]),
        ("samplers", ["topK", "topK"]),
        ("logitBias", [[1, True]]),
        ("logitBias", {"cat": 1}),
        ("logitBias", [[1, 1000]]),
    ],
)
def test_values_out_of_range_are_refused_by_name(real: Sidecar, name: str, value: Any) -> None:
    with pytest.raises(Refused) as refused:
        complete(real, "context-1", **{name: value})
    assert refused.value.kind == "invalidParams"
    assert refused.value.data["pointer"].startswith(f"/{name}")
    assert refused.value.data["allowed"]


def test_a_token_that_does_not_exist_cannot_be_biased(real: Sidecar) -> None:
    for bias in ([[49152, 1]], {"49152": 1}):
        with pytest.raises(Refused) as refused:
            complete(real, "context-1", logitBias=bias)
        assert refused.value.kind == "invalidToken"
        assert refused.value.data["value"] == 49152


def test_temperatures_too_low_for_a_float_are_greedy(made: Sidecar, anew: Callable[..., str]) -> None:
    context = anew()
    greedy = complete(made, context, temperature=0)["text"]
    assert complete(made, context, temperature=1e-300)["text"] == greedy
