"""What every program is asked to do: the same prompts, histories and texts.

Each reading has texts of its own, which begin differently, so that no cache helps.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

THREADS = 2
STREAM_TOKENS = 32
"""Tokens that one stream generates in a reading: as few as are needed to see a speed."""

STREAM_CONTEXT = 1024
"""Size of the context per stream."""

SENTENCE = "The quick brown fox jumps over the lazy dog and runs far away from the village toward the sea. "
LONG_PROMPT = SENTENCE * 22
LONG_PROMPT_TOKENS = 441
"""Tokens that the test model makes of LONG_PROMPT."""

LONGEST_PROMPT = SENTENCE * 45
TURN_TOKENS = 8
QUESTIONS = ("What did the fox do?", "And where does the dog lie?", "Who lives in the village?")
TURNS = ("cold", "second", "warm")
"""First turn of a conversation, its second turn, another conversation with the same system prompt."""

HISTORY = 400
"""Tokens of a conversation before its first question: few, so that 15 pairs of readings end in time."""

CHAT_CONTEXT = 4096
GAP_STREAMS = 3
GAP_PROMPT = 400
"""Tokens of the prompt that arrives while GAP_STREAMS streams run."""

GAP_TOKENS = 600
"""More than a stream generates before that prompt, or a picture, is evaluated."""

GAP_PIECES = 10
"""Pieces that each stream must have sent before the prompt arrives."""

EDITING = """Write this text again without its spelling mistakes:

The old lighthous stood at the end of the harbor. Every evening Maria climbed the ninety steps and lit the lamp. \
Ships from the south saw its light from twelve miles away. In the winter of 1887 a storm broke two of the windos. \
Maria held a blanket before the lamp for the hole night, so that the wind could not blow it out. In the morning \
nine ships lay safe in the harbor. The captins brought her bread, oil and a new coat. She kept the coat until she \
was old, and she never spoke off that night to anybody."""
"""SmolLM2-135M copies this text and changes a word and a comma: 121 tokens, then it stops."""

EDITED_TOKENS = 200
_numbers = itertools.count(1)


def words(count: int, seed: int) -> str:
    """A text of `count` tokens of the test model, which has one token for each of these words."""
    chance = random.Random(seed)
    return " ".join(chance.choices(SENTENCE.replace(".", "").split(), k=count))


def new_words(count: int) -> str:
    """A text of `count` tokens that no reading had before."""
    return words(count, next(_numbers))


def stories(count: int) -> list[str]:
    """Prompts of about 14 tokens, one per stream, that no reading had before."""
    number = next(_numbers)
    return [f"Story {number} number {i}: once upon a time in a land" for i in range(count)]


def requests(count: int) -> list[str]:
    """Prompts to which the test model gives long answers, also where its end token cannot be ignored."""
    number = next(_numbers)
    return [f"Tell me story {number} {i}" for i in range(count)]


def long_prompt() -> str:
    """LONG_PROMPT with a beginning that no reading had before."""
    return f"{next(_numbers)}: {LONG_PROMPT}"


def history() -> list[dict[str, Any]]:
    """A conversation of some HISTORY tokens that ends with the first question."""
    return [
        {"role": "system", "content": new_words(HISTORY)},
        {"role": "user", "content": QUESTIONS[0]},
    ]


def texts(count: int) -> list[str]:
    """Short texts to embed, of 12 tokens each."""
    return [new_words(12) for _ in range(count)]
