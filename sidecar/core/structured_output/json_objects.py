"""GBNF of JSON objects: members in their order, optional members, and further members."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

AddRule = Callable[[str], str]
"""Adds a rule with this body. Returns the rule's name."""


class Member(NamedTuple):
    """A property: its key, the rule of its value, whether it is required."""

    key: str
    rule: str
    required: bool


def object_rules(members: list[Member], known: list[str], extra: str | None, add_rule: AddRule) -> str:
    """GBNF of an object. `extra` is the rule of the values of keys that are not `known`. None: no such keys."""
    if not members and extra == "value" and not known:
        return "object"
    if not members and extra is None:
        return '"{}" ws'
    other = None
    if extra is not None:
        key = add_rule(_other_key(known)) if known else "string"
        other = add_rule(f'{key} ws ":" ws {extra}')
    pairs = [add_rule(f'{literal(_key(member.key))} ws ":" ws {member.rule}') for member in members]
    # From the last member to the first: what may follow after another member (`rest`), and at the start (`first`).
    more = add_rule(f'("," ws {other})*') if other else '""'
    first = add_rule(f"({other} {more})?") if other else '""'
    rest = more
    for member, pair in zip(reversed(members), reversed(pairs), strict=True):
        skipping = "" if member.required else f" | {first}"
        first_here = f"{pair} {rest}{skipping}"
        skipping = "" if member.required else f" | {rest}"
        rest = add_rule(f'"," ws {pair} {rest}{skipping}')
        first = add_rule(first_here)
    return f'"{{" ws {first} "}}" ws'


def literal(text: str) -> str:
    """A text as a literal in GBNF."""
    escaped = (
        f"\\{sign}" if sign in '"\\' else sign if sign.isprintable() else f"\\U{ord(sign):08X}"
        for sign in text
    )
    return '"' + "".join(escaped) + '"'


def _key(text: str) -> str:
    halves = any("\ud800" <= sign <= "\udfff" for sign in text)  # half surrogate pairs: not possible in UTF-8
    return json.dumps(text, ensure_ascii=halves)


def _other_key(known: list[str]) -> str:
    """GBNF of a string without escapes that is not one of the known keys."""
    return rf'"\"" ({_other(sorted(set(known)), 0)}) "\""'


def _other(keys: list[str], at: int) -> str:
    """GBNF of what may follow the first `at` characters, which all `keys` share, so that the whole is not a key."""
    following: dict[str, list[str]] = {}
    for key in keys:
        if len(key) > at:
            following.setdefault(key[at], []).append(key)
    plain = "plain-char"
    choices = [] if any(len(key) == at for key in keys) else ['""']
    for sign, longer in following.items():
        if sign in '"\\' or not sign.isprintable():
            continue  # such a key is written with escapes, so no string without escapes equals it
        choices.append(f"{_class(sign)} ({_other(longer, at + 1)})")
    excluded = "".join(_in_class(sign) for sign in following if sign not in '"\\')
    choices.append(f'[^"\\\\\\x00-\\x1F\\x7F-\\x9F\\uD800-\\uDFFF{excluded}] {plain}*')
    return " | ".join(choices)


def _class(sign: str) -> str:
    return f"[{_in_class(sign)}]"


def _in_class(sign: str) -> str:
    return f"\\U{ord(sign):08X}"
