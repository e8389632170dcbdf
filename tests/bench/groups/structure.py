"""What a schema costs: the speed of a text under it, compared with a free text of the same program in the same run."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import ours
from pipe import Message, Pipe
from table import Row

from groups.setting import Setting

sys.path[:0] = [str(Path(__file__).parents[3] / "build")]
from models import GEMMA3  # noqa: E402

NAMES = (
    *("first_name", "family_name", "street_and_house_number", "postal_code", "city_of_residence"),
    *("date_of_birth", "favourite_colour", "occupation", "email_address", "telephone_number"),
)
WORD = {"type": "string", "pattern": "^[A-Za-z0-9 ]{2,12}$"}
FIXED = {
    "type": "object",
    "properties": dict.fromkeys(NAMES, WORD),
    "required": list(NAMES),
    "additionalProperties": False,
}
PROMPT = "A record of a person, as JSON:\n"
UNLIKELY = "[^ a-z]{400}"
"""Nearly every first choice is refused, and many tokens are left."""

EACH_S = 120.0
"""Time for each comparison."""


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    setting = setting.within(EACH_S)
    return [
        row
        for name, path in {"SmolLM2, 49k tokens": setting.model, "Gemma 3, 262k": str(GEMMA3.path)}.items()
        for row in _of_model(setting, name, path)
    ]


def _of_model(setting: Setting, name: str, path: str) -> list[Row]:
    held: dict[str, dict[str, Any]] = {
        "ten fixed properties on one line": {"jsonSchema": FIXED, "maxTokens": 400, "jsonLayout": "line"},
        "ten fixed properties": {"jsonSchema": FIXED, "maxTokens": 400},
        "the same, one token a step": {"jsonSchema": FIXED, "maxTokens": 400, "forcedTokens": False},
        "a rejection at each step": {"regex": UNLIKELY, "maxTokens": 60},
    }
    with closing(ours.ready(setting.program, path, 1)) as pipe:
        return [
            setting.compare(
                f"{what}, {name}",
                "tokens/s",
                "free text",
                lambda params=params: _speed(pipe, params),  # type: ignore[misc]  # mypy: a default in a lambda
                lambda: _speed(pipe, {"maxTokens": 120, "ignoreEos": True}),
            )
            for what, params in held.items()
        ]


def _speed(pipe: Pipe, params: dict[str, Any]) -> float:
    """Tokens a second after the first. Raises AssertionError if a text under the schema is not of it."""
    result: Message = pipe.call(
        "complete", {"contextId": "context-1", "prompt": PROMPT, "temperature": 0, **params}
    )
    if "jsonSchema" in params:
        assert list(json.loads(result["text"])) == list(NAMES), result["text"]
    speed: float = result["timings"]["tokensPerSecond"]
    return speed
