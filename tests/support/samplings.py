"""Params of sampling, one set for each way in which a token is chosen."""

from __future__ import annotations

from typing import Any, Final

SAMPLINGS: Final[list[dict[str, Any]]] = [
    {"mirostat": 1},
    {"mirostat": 2},
    {"adaptiveTarget": 0.3},
    {"typicalP": 0.5, "topK": 0},
    {"xtcProbability": 1, "topNSigma": 1},
    {"repeatPenalty": 1.5, "dryMultiplier": 1},
    {"samplers": []},
    {"logprobs": True, "topLogprobs": 2},
]
