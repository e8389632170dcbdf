"""Keeps text text: only the chat template opens turns, never what an app, a user or a model wrote.

llama.cpp's tokenizer takes every name of a control token in a prompt for that token, whoever wrote it. So we
look which control tokens it found, and whether a text may have made one of them. If so, the prompt is rendered
again with characters of these texts hidden behind ones that no tokenizer knows: the control tokens that are
still found are the template's. The prompt is cut there, and the text between them, with the hidden characters
back, becomes tokens without control tokens. llama.cpp cuts and joins in the same way, so nothing else changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.llama.bindings import lib
from sidecar.core.model.tokenizer import SPECIAL, USER_DEFINED
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.model.model import Model

FIRST_HIDING: Final = 0xE000
LAST_HIDING: Final = 0xF8FF
"""Unicode's private characters, which are neither white space nor letters nor digits."""

MAX_ROUNDS: Final = 3
"""How often a prompt is rendered with hidden characters. Only a template that then writes others needs two."""

STRIPS_LEFT: Final = 128
STRIPS_RIGHT: Final = 256
BLANK: Final = " \t\n\v\f\r"
"""White space that a special token with these attributes takes from the text next to it."""

REPLACES: Final = "replace"
"""In the source of a template that may remove a part of a text, so that what stays is the name of a token."""

_STRING: Final = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"")
"""A string in the source of a template."""

Change = Callable[[str], str]


class PromptParts(NamedTuple):
    """What a prompt is made of."""

    source: str
    """The template."""
    texts: list[str]
    """All texts that are not the template's."""
    render: Callable[[Change | None], str]
    """Renders the prompt with a change to each of these texts."""
    tokenize: Callable[[str, bool, bool], list[int]]
    """As Model.tokenize; it also knows the marks of pictures and sound."""
    has_ends: bool = True
    """The prompt gets the BOS and EOS that the tokenizer adds."""


def prompt(model: Model, given: PromptParts) -> tuple[str, list[int]]:
    """The prompt, without the BOS and EOS that the tokenizer adds, and its tokens.

    Raises what `given.render` raises.
    """
    refusal = None
    try:
        plain = given.render(None)
    except SidecarError as error:  # perhaps the template refuses the name of a control token in a text
        if error.kind != "templateFailed":
            raise
        refusal, text = error, "\n".join(given.texts)
    else:
        text = without_ends(model, plain) if given.has_ends else plain
    tokens = given.tokenize(text, given.has_ends, True)
    controls = _names(model, tokens, SPECIAL)
    if not _may_make(controls, given):
        if refusal is not None:
            raise refusal
        return text, tokens
    for _ in range(MAX_ROUNDS):
        hiding = Hiding(controls, given)
        hidden = given.render(hiding.hide)
        found = given.tokenize(hidden, False, True)
        known, controls = controls, controls | _names(model, found, SPECIAL)
        if controls == known:
            break
    if refusal is None and all(plain.count(name) == hidden.count(name) for name in controls):
        return text, tokens
    if given.has_ends:
        hidden = without_ends(model, hidden)
    tokens = cut_tokens(model, hidden, found, lambda text: given.tokenize(hiding.show(text), False, False))
    return hiding.show(hidden), with_ends(model, tokens) if given.has_ends else tokens


def without_ends(model: Model, prompt: str) -> str:
    """The prompt without a BOS at its start and an EOS at its end that the tokenizer adds as well."""
    if lib.llama_vocab_get_add_bos(model.vocab):
        prompt = prompt.removeprefix(model.token_text(lib.llama_vocab_bos(model.vocab)))
    if lib.llama_vocab_get_add_eos(model.vocab):
        prompt = prompt.removesuffix(model.token_text(lib.llama_vocab_eos(model.vocab)))
    return prompt


def with_ends(model: Model, tokens: list[int]) -> list[int]:
    """The tokens with the BOS and EOS that the tokenizer adds."""
    vocab = model.vocab
    begin = [lib.llama_vocab_bos(vocab)] if lib.llama_vocab_get_add_bos(vocab) else []
    end = [lib.llama_vocab_eos(vocab)] if lib.llama_vocab_get_add_eos(vocab) else []
    return [*begin, *tokens, *end]


def _names(model: Model, tokens: list[int], attributes: int) -> dict[str, int]:
    """Name → token of those tokens that have one of the attributes."""
    own = (token for token in set(tokens) if token >= 0)  # others are rows of pictures and sound
    return {model.token_name(token): token for token in own if model.attributes(token) & attributes}


def _may_make(controls: dict[str, int], given: PromptParts) -> bool:
    """Whether a text contains one of these names, or may do so joined to another text or after a replacement."""
    beginnings = tuple(_beginnings(controls))
    parts = {name[0] for name in controls} if REPLACES in given.source else set(controls)
    return any(
        text.rstrip().endswith(beginnings) or any(part in text for part in parts) for text in given.texts
    )


def _beginnings(controls: Iterable[str]) -> list[str]:
    """The beginnings of these names, which text that follows may complete."""
    return [name[:end] for name in controls for end in range(1, len(name))]


def _any_of(texts: Iterable[str]) -> str:
    """A regular expression for one of the texts, the longest if there are several."""
    return f"(?:{'|'.join(map(re.escape, sorted(texts, key=len, reverse=True)))})"


class Hiding:
    """Hides the first character of each place in a text where the name of a control token begins, or may begin.

    If the template replaces texts, that may be anywhere. Then only what the template itself looks for in texts,
    such as `</think>`, stays as it is.
    """

    def __init__(self, controls: dict[str, int], given: PromptParts) -> None:
        firsts = {name[0] for name in controls}
        everything = "\n".join([*given.texts, given.source])
        codes = map(chr, range(FIRST_HIDING, LAST_HIDING))
        unused = (code for code in codes if code not in everything and _escaped(code) not in everything)
        self._hidden = dict(zip(firsts, unused, strict=False))
        self._shown = {hidden: first for first, hidden in self._hidden.items()}
        places = [_any_of(controls), rf"{_any_of(_beginnings(controls))}\s*\Z"]
        if REPLACES in given.source:
            strings = {single or double for single, double in _STRING.findall(given.source)}
            looked_for = [
                string
                for string in strings
                if string[1:] and string[0] in firsts and not any(name in string for name in controls)
            ]
            places.append(f"(?!{_any_of(looked_for)})" if looked_for else "")
        self._place = re.compile(f"(?={'|'.join(places)})[{re.escape(''.join(firsts))}]")

    def hide(self, text: str) -> str:
        """The text with these characters hidden."""
        return self._place.sub(lambda place: self._hidden[place[0]], text)

    def show(self, text: str) -> str:
        """The text with these characters back, also where a template wrote them as JSON in ASCII."""
        for hidden, first in self._shown.items():
            text = text.replace(hidden, first).replace(_escaped(hidden), first)
        return text


def _escaped(character: str) -> str:
    """A character as JSON in ASCII writes it."""
    return f"\\u{ord(character):04x}"


def cut_tokens(
    model: Model, prompt: str, found: list[int], tokenize: Callable[[str], list[int]]
) -> list[int]:
    """The tokens of a prompt: the special tokens that were found in it, and between them text, by `tokenize`."""
    pieces: list[str | int] = [prompt]
    names = _names(model, found, SPECIAL | USER_DEFINED)
    for name in sorted(names, key=lambda name: len(name.encode()), reverse=True):  # llama.cpp's order
        pieces = [part for piece in pieces for part in _cut(model, piece, name, names[name])]
    tokens: list[int] = []
    for piece in pieces:
        if isinstance(piece, int):
            tokens.append(piece)
        elif piece:
            tokens += tokenize(piece)
    return tokens


def _cut(model: Model, piece: str | int, name: str, token: int) -> list[str | int]:
    """A piece, cut at each place where the name of the token is."""
    if isinstance(piece, int) or name not in piece:
        return [piece]
    attributes = model.attributes(token)
    cut: list[str | int] = []
    texts = piece.split(name)
    for number, text in enumerate(texts):
        if number and attributes & STRIPS_RIGHT:
            text = text.lstrip(BLANK)
        if number < len(texts) - 1 and attributes & STRIPS_LEFT:
            text = text.rstrip(BLANK)
        cut += [text, token]
    return cut[:-1]
