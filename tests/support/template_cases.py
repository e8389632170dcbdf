"""Conversations that both we and llama-server render, to compare the prompts."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / ".models" / "templates.zip"
EXPECTED = ROOT / "tests" / "unit" / "core" / "chat" / "llama_server_prompts.json"
"""Name of a template or model file → name of a case → `fingerprint` of llama-server's prompt."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name of the <city> & 'town'"},
                "days": {"type": "integer"},
            },
            "required": ["city"],
        },
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time of a place.",
        "parameters": {"type": "object", "properties": {}},
    },
}
CALL = {
    "id": "call00001",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Zürich", "days": 2}'},
}


def says(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def parts(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


HI = says("user", "Hi")
BRIEF = says("system", "Be brief.")
ASK = says("user", "Weather in Zürich?")
CALLED = says("assistant", None, toolCalls=[CALL])
ANSWER = says("tool", '{"celsius": 4}', toolCallId="call00001", name="get_weather")

CASES: dict[str, dict[str, Any]] = {
    "question": {"messages": [HI]},
    "no generation prompt": {"messages": [HI], "addGenerationPrompt": False},
    "system": {"messages": [BRIEF, says("user", 'Grüß "Gott" & <b>')]},
    "developer": {"messages": [says("developer", "Be brief."), HI]},
    "turns": {"messages": [BRIEF, HI, says("assistant", "Hello!"), says("user", "  Bye\n")]},
    "parts": {"messages": [says("user", parts("One", "Two"))]},
    "system parts": {"messages": [says("system", parts("Be", "brief.")), says("user", parts("One"))]},
    "no thinking": {"messages": [HI], "reasoning": False},
    "thought": {"messages": [HI, says("assistant", "Hello!", reasoningContent="Hm."), says("user", "Bye")]},
    "variables": {"messages": [HI], "templateVariables": {"enable_thinking": False, "date_string": "today"}},
    "tools": {"messages": [ASK], "tools": [WEATHER, TIME]},
    "tools and system": {"messages": [BRIEF, ASK], "tools": [WEATHER]},
    "tool answer": {"messages": [ASK, CALLED, ANSWER], "tools": [WEATHER]},
    "tool history": {
        "messages": [ASK, CALLED, ANSWER, says("assistant", "It is 4 °C."), says("user", "Thanks")],
        "tools": [WEATHER],
    },
    "continued": {"messages": [HI, says("assistant", "Hello, I")], "continueFinalMessage": True},
}

REFUSED = "refused"
DATES = ("%d %b %Y", "%b %d %Y", "%Y-%m-%d", "%B %d, %Y")
"""How templates write a date."""


def fingerprint(prompt: str | None) -> str:
    """A hash of a prompt without today's date. REFUSED for None: the template refused the messages."""
    if prompt is None:
        return REFUSED
    a_minute_ago = time.localtime(time.time() - 60)  # midnight may have passed since the prompt was made
    for day, form in product((time.localtime(), a_minute_ago), DATES):
        prompt = prompt.replace(time.strftime(form, day), "TODAY")
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


def expected() -> dict[str, dict[str, str]]:
    """EXPECTED's content."""
    table: dict[str, dict[str, str]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return table


def sources() -> dict[str, str]:
    """Name of a shipped template's file → the template."""
    assert TEMPLATES.is_file(), f"{TEMPLATES} is missing; run: python build/dev.py setup"
    with zipfile.ZipFile(TEMPLATES) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}
