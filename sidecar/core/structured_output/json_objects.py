"""Objects of JSON as GBNF: members in their order, those that may be left out, and others beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

Name = Callable[[str], str]
"""Makes a rule of its body; returns the rule's name."""


class Member(NamedTuple):
    """A property: its key, the rule of its value, whether it must be there."""

    key: str
    rule: str
    required: bool


def object_rules(members: list[Member], known: list[str], extra: str | None, name: Name) -> str:
    """GBNF of an object. `extra` is the rule of the values of other keys than the `known` ones, if there may be any."""
    if not members and extra == "value" and not known:
        return "object"
    if not members and extra is None:
        return '"{}" ws'
    other = None
    if extra is not None:
        key = name(_other_key(known)) if known else "string"
        other = name(f'{key} ws ":" ws {extra}')
    pairs = [name(f'{literal(_key(member.key))} ws ":" ws {member.rule}') for member in members]
    # From the end: what may follow when something came before (`rest`), and when nothing did (`first`).
    more = name(f'("," ws {other})*') if other else '""'
    first = name(f"({other} {more})?") if other else '""'
    rest = more
    for member, pair in zip(reversed(members), reversed(pairs), strict=True):
        skipping = "" if member.required else f" | {first}"
        first_here = f"{pair} {rest}{skipping}"
        skipping = "" if member.required else f" | {rest}"
        rest = name(f'"," ws {pair} {rest}{skipping}')
        first = name(first_here)
    return f'"{{" ws {first} "}}" ws'


def literal(text: str) -> str:
    """A text as a literal of GBNF."""
    escaped = (
        f"\\{sign}" if sign in '"\\' else sign if sign.isprintable() else f"\\U{ord(sign):08X}"
        for sign in text
    )
    return '"' + "".join(escaped) + '"'


def _key(text: str) -> str:
    halves = any("\ud800" <= sign <= "\udfff" for sign in text)  # of surrogate pairs: UTF-8 has none
    return json.dumps(text, ensure_ascii=halves)


def _other_key(known: list[str]) -> str:
    """A string, written without escapes, that is none of the known ones."""
    return rf'"\"" ({_other(sorted(set(known)), 0)}) "\""'


def _other(keys: list[str], at: int) -> str:
    """What may follow the first `at` characters, which all of `keys` share, so that it is none of them."""
    following: dict[str, list[str]] = {}
    for key in keys:
        if len(key) > at:
            following.setdefault(key[at], []).append(key)
    plain = "plain-char"
    choices = [] if any(len(key) == at for key in keys) else ['""']
    for sign, longer in following.items():
        if sign in '"\\' or not sign.isprintable():
            continue  # such a key is written with escapes, and these have none
        choices.append(f"{_class(sign)} ({_other(longer, at + 1)})")
    excluded = "".join(_in_class(sign) for sign in following if sign not in '"\\')
    choices.append(f'[^"\\\\\\x00-\\x1F\\x7F-\\x9F\\uD800-\\uDFFF{excluded}] {plain}*')
    return " | ".join(choices)


def _class(sign: str) -> str:
    return f"[{_in_class(sign)}]"


def _in_class(sign: str) -> str:
    return f"\\U{ord(sign):08X}"
