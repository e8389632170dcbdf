"""What a schema costs: the speed of a text under it, compared with free text and with llama-server."""

from __future__ import annotations

import json
import random
import string
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import ours
import workload
from peers import server
from peers.llama_server import LlamaServer
from pipe import Message, Pipe
from table import Row

from groups.setting import Setting

sys.path[:0] = [str(Path(__file__).parents[3] / "build")]
from models import GEMMA3  # noqa: E402

LETTERS = {"type": "string", "pattern": "^[A-Za-z]{2,12}$"}
PERSON = {
    "first_name": LETTERS,
    "family_name": LETTERS,
    "street_and_house_number": {"type": "string", "pattern": "^[A-Za-z]{3,9} [1-9][0-9]?$"},
    "postal_code": {"type": "string", "pattern": "^[0-9]{5}$"},
    "city_of_residence": LETTERS,
    "date_of_birth": {"type": "string", "pattern": "^(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]$"},
    "favourite_colour": {"enum": ["red", "green", "blue", "yellow"]},
    "occupation": LETTERS,
    "number_of_children": {"type": "integer", "minimum": 0, "maximum": 9},
    "is_married": {"type": "boolean"},
}
FIXED = {"type": "object", "properties": PERSON, "required": list(PERSON), "additionalProperties": False}
PROMPT = "A record of a person, as JSON:\n"
LINE = {"jsonSchema": FIXED, "maxTokens": 400, "jsonLayout": "line"}

CHANCE = random.Random(1)
UNLIKELY = "".join(f"[{''.join(CHANCE.sample(string.ascii_letters, 2))}]" for _ in range(60))
"""Nearly every first choice is refused: two letters without sense may come next."""

FREE = {"maxTokens": 120, "ignoreEos": True}
EACH_S = 30.0
"""Time for each comparison, so that all end within 6 minutes."""


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
        "ten fixed properties on one line": LINE,
        "ten fixed properties": {"jsonSchema": FIXED, "maxTokens": 400},
        "the same, one token a step": {"jsonSchema": FIXED, "maxTokens": 400, "forcedTokens": False},
        "a rejection at each step": {"regex": UNLIKELY, "maxTokens": 60},
    }
    with closing(ours.ready(setting.program, path, 1)) as pipe:
        found = [
            setting.compare(
                f"{what}, {name}",
                "tokens/s",
                "free text",
                lambda params=params: _speed(pipe, params),  # type: ignore[misc]  # mypy: a default in a lambda
                lambda: _speed(pipe, FREE),
            )
            for what, params in held.items()
        ]
        return [*found, *_server(setting, pipe, name, path)]


def _server(setting: Setting, pipe: Pipe, name: str, path: str) -> list[Row]:
    peer = server.start(path, 1, workload.STREAM_CONTEXT)
    if peer is None:
        return []
    with peer:
        what = f"ten fixed properties on one line, {name}"
        return [
            setting.compare(what, "tokens/s", server.NAME, lambda: _speed(pipe, LINE), lambda: _theirs(peer))
        ]


def _theirs(peer: LlamaServer) -> float:
    body = {"prompt": PROMPT, "json_schema": FIXED, "n_predict": 400, "temperature": 0, "cache_prompt": True}
    answer = peer.call("/completion", body)
    assert list(json.loads(answer["content"])) == list(PERSON), answer["content"]
    speed: float = answer["timings"]["predicted_per_second"]
    return speed


def _speed(pipe: Pipe, params: dict[str, Any]) -> float:
    """Tokens a second after the first. Raises AssertionError if a text under the schema is not of it."""
    result: Message = pipe.call(
        "complete", {"contextId": "context-1", "prompt": PROMPT, "temperature": 0, **params}
    )
    if "jsonSchema" in params:
        assert list(json.loads(result["text"])) == list(PERSON), result["text"]
    speed: float = result["timings"]["tokensPerSecond"]
    return speed
