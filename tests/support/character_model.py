"""What a chat needs of a model, without llama.cpp: a vocabulary of characters and of control tokens."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.chat import inert_text, prompt
from sidecar.core.chat.rendering import template
from sidecar.core.jobs import Jobs

FIRST_CHARACTER = 1000
CONTROL, NORMAL = 8, 4
"""llama.cpp's attributes of tokens."""


class CharacterModel:
    """Tokens: control tokens from 1, BOS and EOS first; characters from FIRST_CHARACTER."""

    model_id = "model-1"
    encoder: Any = None
    media_directories = None

    def __init__(self, template: str | None, controls: tuple[str, ...] = (), add_bos: bool = True) -> None:
        self.chat_template = template
        self.vocab = add_bos
        self.names = ("<s>", "</s>", *controls)

    def token_text(self, token: int) -> str:
        return self.names[token - 1] if token > 0 else ""

    token_name = token_text

    def attributes(self, token: int) -> int:
        return CONTROL if token < FIRST_CHARACTER else NORMAL

    def tokenize(self, text: str, add_special: bool, parse_special: bool) -> list[int]:
        names = "|".join(map(re.escape, sorted(self.names, key=len, reverse=True)))
        tokens = [1] if add_special and self.vocab else []
        for piece in re.split(f"({names})", text) if parse_special else [text]:
            named = parse_special and piece in self.names
            tokens += [self.names.index(piece) + 1] if named else [FIRST_CHARACTER + ord(c) for c in piece]
        return tokens

    def controls_in(self, tokens: list[int]) -> list[str]:
        """The names of the control tokens among these."""
        return [self.token_name(token) for token in tokens if token < FIRST_CHARACTER]

    def text(self, tokens: list[int]) -> str:
        """What the tokens say, control tokens by their names."""
        return "".join(
            self.token_name(token) if token < FIRST_CHARACTER else chr(token - FIRST_CHARACTER)
            for token in tokens
        )


def replace_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code under test ask a CharacterModel instead of llama.cpp."""
    fake = SimpleNamespace(
        llama_vocab_bos=lambda _: 1,
        llama_vocab_eos=lambda _: 2,
        llama_vocab_get_add_bos=lambda vocab: vocab,
        llama_vocab_get_add_eos=lambda _: False,
    )
    for module in (prompt, inert_text):
        monkeypatch.setattr(module, "lib", fake)


def tokenized(model: Any, params: dict[str, Any], job: Any = None) -> tuple[str, list[int]]:
    """The prompt of a conversation and its tokens."""
    jobs = Jobs(SimpleNamespace(send=lambda *_, **__: None))  # type: ignore[arg-type]
    return prompt.tokenized(model, params, job or jobs.open(1, "chat", {}))  # type: ignore[arg-type]


def lift_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of templates that end, on a machine that may be busy with other tests."""
    monkeypatch.setattr(template, "MAX_RENDER_S", 300.0)
