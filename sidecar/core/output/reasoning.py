"""How models mark what they think before they answer."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Segment = Literal["text", "reasoning", "toolCall"]


class Thinking(NamedTuple):
    """The marks of one family of models."""

    start: str
    end: str
    closing: str
    """How the end is written when it is forced."""
    others: tuple[tuple[str, Segment | None], ...] = ()
    """Further marks, and the segment that follows each; None: nothing of it is shown."""
    plain: bool = True
    """The marks are text like any other: a start counts only before all else."""

    @property
    def marks(self) -> list[str]:
        """All of them."""
        return [self.start, self.end, *(mark for mark, _ in self.others)]


FAMILIES: Final = (
    Thinking(
        "<|channel|>analysis<|message|>",
        "<|channel|>final<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
        (
            ("<|channel|>commentary<|message|>", "text"),
            ("<|end|>", None),
            ("<|start|>assistant", None),
        ),
        plain=False,
    ),
    Thinking("<think>", "</think>", "\n</think>\n\n"),
    Thinking("[THINK]", "[/THINK]", "[/THINK]"),
    Thinking("<seed:think>", "</seed:think>", "</seed:think>"),
    Thinking("<|START_THINKING|>", "<|END_THINKING|>", "<|END_THINKING|>"),
    Thinking("<|inner_prefix|>", "<|inner_suffix|>", "<|inner_suffix|>"),
    Thinking("<|channel>thought", "<channel|>", "\n<channel|>"),
)


def thinking_of(template: str) -> Thinking | None:
    """The marks that a template knows; None if it knows of no thinking."""
    return next((family for family in FAMILIES if family.end in template), None)
