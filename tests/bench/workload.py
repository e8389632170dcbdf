"""What everybody is given to do: the same prompts, histories and texts, others in each run so that no cache helps."""

from __future__ import annotations

import random
from typing import Any

THREADS = 2
GENERATED = 96
"""Tokens of a stream."""

SENTENCE = "The quick brown fox jumps over the lazy dog and runs far away from the village toward the sea. "
LONG_PROMPT = SENTENCE * 22  # 441 tokens of the test model, as in llama-bench -p 441
LONGEST_PROMPT = SENTENCE * 45
TURN_TOKENS = 32
QUESTIONS = ("What did the fox do?", "And where does the dog lie?", "Who lives in the village?")

EDITING = """Write this text again without its spelling mistakes:

The old lighthous stood at the end of the harbor. Every evening Maria climbed the ninety steps and lit the lamp. \
Ships from the south saw its light from twelve miles away. In the winter of 1887 a storm broke two of the windos. \
Maria held a blanket before the lamp for the hole night, so that the wind could not blow it out. In the morning \
nine ships lay safe in the harbor. The captins brought her bread, oil and a new coat. She kept the coat until she \
was old, and she never spoke off that night to anybody."""
"""SmolLM2-135M really copies this text, and changes a word and a comma of it: 121 tokens, then it stops."""

EDITED_TOKENS = 200


def words(count: int, seed: int) -> str:
    """A text of so many tokens of the test model, which has one for each of these words."""
    chance = random.Random(seed)
    return " ".join(chance.choices(SENTENCE.replace(".", "").split(), k=count))


def history(seed: int) -> list[dict[str, Any]]:
    """A conversation of some 1,000 tokens that ends with a question."""
    return [
        {"role": "system", "content": words(1000, seed)},
        {"role": "user", "content": QUESTIONS[0]},
    ]


def turns(seed: int) -> dict[str, Any]:
    """The conversation's parts: its system prompt, two questions after each other, and one to begin anew with."""
    return {"system": history(seed)[0]["content"], "questions": QUESTIONS}


def texts(seed: int, count: int = 256) -> list[str]:
    """Short texts to embed, of some 12 tokens each."""
    return [words(12, 1000 * seed + index) for index in range(count)]
