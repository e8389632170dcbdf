"""What the npm package's client costs an app, compared with a bare reader of the program's pipe, and what its adapters
add to that, beside what the packages that they plug into take themselves: see client.mjs."""

from __future__ import annotations

import json
import statistics
from functools import partial
from pathlib import Path

from peers.script import Script
from table import Row

import node  # of build/
from checkout import NPM_PACKAGE, Failed, call  # of build/
from groups.setting import Setting

SCRIPT = Path(__file__).with_name("client.mjs")
PEER = "bare pipe"
TOKENS = {1: 48, 8: 32}
"""Streams → tokens of each."""

CHAT_TOKENS = 64
ADAPTERS = ("readableStream", "chatSession", "runTools", "aiSdk", "openai", "promptApi")
PACKAGES = {"ai": "aiSdk", "openai": "openai"}
"""Packages of others → the adapter that plugs into them."""

PACKAGE_READINGS = 9
STALL_TOKENS = 96
PINGS = 20_000
STALLS = {"p50": "half of them", "p99": "p99", "max": "the worst"}


def rows(setting: Setting) -> list[Row]:
    """All figures."""
    setting.say("building the npm package")
    with_node = node.with_packages()
    if call([*with_node.npm, "run", "--silent", "build"], with_node.env, cwd=NPM_PACKAGE) != 0:
        raise Failed("the npm package cannot be built.")
    command = [with_node.program, SCRIPT, json.dumps(setting.program.command), setting.model]
    with Script(command) as script:
        found = []
        for count, name in ((1, "one stream"), (8, "eight streams")):
            figures = {
                "speed": (f"{name}, through the client", "tokens/s"),
                "cpu": ("  the app's processor time per 1,000 tokens", "ms"),
            }
            task = {"count": count, "tokens": TOKENS[count]}
            found += setting.compare_figures(
                figures,
                PEER,
                partial(script.ask, "streams", by="client", **task),
                partial(script.ask, "streams", by="pipe", **task),
            )
        found += _adapters(setting, script)
        return [*found, *_stalls(setting, script), *_calls(setting, script)]


def _adapters(setting: Setting, script: Script) -> list[Row]:
    """The same chat through each adapter and through the client alone."""
    found = []
    for by in ("client", *ADAPTERS):
        script.ask("chat", by=by, tokens=CHAT_TOKENS)  # loads what it needs
    for adapter in ADAPTERS:
        figures = {
            "speed": (f"one chat, through {adapter}", "tokens/s"),
            "cpu": ("  the app's processor time per 1,000 tokens", "ms"),
        }
        speed, cpu = setting.compare_figures(
            figures,
            "client",
            partial(script.ask, "chat", by=adapter, tokens=CHAT_TOKENS),
            partial(script.ask, "chat", by="client", tokens=CHAT_TOKENS),
        )
        found += [speed, cpu, _added(speed, cpu)]
    for package, adapter in PACKAGES.items():
        setting.say(f"the package {package} alone")
        readings = [
            script.ask("canned", by=package, tokens=CHAT_TOKENS)["cpu"] for _ in range(PACKAGE_READINGS)
        ]
        what = f"the package {package} over canned pieces, as {adapter} gives them: processor time per 1,000 tokens"
        found.append(Row(what, "ms", statistics.median(readings)))
    return found


def _added(speed: Row, cpu: Row) -> Row:
    """The processor time that an adapter adds to a token, as a share of the time that the token takes in all."""
    assert speed.theirs and cpu.theirs is not None and cpu.ours is not None
    added_us = cpu.ours - cpu.theirs  # ms per 1,000 tokens
    return Row("  what that adds, of a token's whole time", "%", 100 * added_us / (1e6 / speed.theirs))


def _stalls(setting: Setting, script: Script) -> list[Row]:
    """Once for each: the bare pipe shows what the machine does, whose processors are all at work."""
    setting.say("a timer during eight streams")
    mine, theirs = (script.ask("stalls", by=by, count=8, tokens=STALL_TOKENS) for by in ("client", "pipe"))
    return [
        Row(f"a timer of 1 ms during eight streams, {text}", "ms", mine[name], PEER, theirs[name])
        for name, text in STALLS.items()
    ]


def _calls(setting: Setting, script: Script) -> list[Row]:
    setting.say("small calls")
    many = script.ask("pings", total=PINGS, atOnce=100)
    single = script.ask("pings", total=PINGS // 10, atOnce=1)
    return [
        Row("small calls, a hundred at once", "calls/s", many),
        Row("small calls, one after another", "calls/s", single),
    ]
