"""What some models write before an answer, or after it, beside the marks of reasoning and calls: to whom they speak."""

from __future__ import annotations

from typing import Final, NamedTuple

TOOL: Final = "{tool}"


class Headers(NamedTuple):
    """The headers of one family of models. They are no text, and reasoning ends where one stands."""

    sign: str = ""
    """A text that the family's chat templates contain."""
    marks: tuple[str, ...] = ()
    """TOOL in one stands for the name of each tool."""
    opened: str = ""
    """The beginning of a header that the prompt ends with."""

    def of_tools(self, names: list[str]) -> list[str]:
        """The marks for these tools."""
        every = (
            [mark.replace(TOOL, name) for name in names] if TOOL in mark else [mark] for mark in self.marks
        )
        return [mark for marks in every for mark in marks]


NO_HEADERS: Final = Headers()

FAMILIES: Final = (
    Headers(">>>${recipient}", (">>>all\n",), ">>>"),
    Headers("assistant<|think|>", ("<|begin|>assistant", "<|content|>", "<|tool_calls|>", "<|calls|>")),
    Headers(
        "assistant to=self",
        (
            "<|start|>assistant",
            "to=user<|message|>",
            f"to={TOOL}<|message|>",
            "<|message|>",
            "<|eom|>",
            "<|eot|>",
        ),
    ),
    Headers(
        "open_tag('response')",
        ("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>", "<|end_of_msg|>"),
    ),
)


def headers_of(template: str) -> Headers:
    """The headers that the models of a chat template write."""
    return next((family for family in FAMILIES if family.sign in template), NO_HEADERS)
