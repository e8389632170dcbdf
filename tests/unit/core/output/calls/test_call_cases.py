"""Calls of each shipped template are read as they are meant: at least where llama.cpp does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from call_cases import CASES, MEANT, TOOLS, Case, Reading, case_of, expected, meant, stream_of, written
from made_calls import Writer, writer_of
from template_cases import sources

from sidecar.core.output.calls.call_forms import call_form
from sidecar.core.output.calls.tools import Tools
from sidecar.core.output.reply import Reply

SOURCES = {file.removesuffix(".jinja"): source for file, source in sources().items()}
TABLE = expected()

OTHER: dict[tuple[str, str], str] = {
    ("LFM2.5-8B-A1B", "backslashes"): "the template writes them unescaped, the model as Python does",
    ("MiniMax-M3", "null"): "the template leaves such an argument out",
    ("NVIDIA-Nemotron-Nano-v2", "text before"): "the template writes two turns",
    ("openai-gpt-oss-120b", "text before"): "the template writes it as reasoning",
}
"""Template and case that are not read as they are meant, and why."""

MARK = re.compile(r"<\|[A-Z_]+\|>")
NONE = Case([], text="I need neither find nor {save_all}: 2 < 3.")
"""No call at all."""


def read(writer: Writer, case: Case) -> Reading:
    """What is read of the case's text, whether it comes whole or a character at a time."""
    stream = stream_of(writer, case)
    whole = _read(writer, case, stream, [stream])
    assert written(whole) == written(_read(writer, case, stream, list(stream))), case
    return whole


def _read(writer: Writer, case: Case, stream: str, parts: list[str]) -> Reading:
    reply = Reply(writer.reasoning, writer.form, Tools(TOOLS, "auto"), writer.headers)
    if writer.header:
        reply.feed(writer.header)
    if writer.opens(stream):
        reply.begin_reasoning()
    for part in parts:
        reply.feed(part)
    reply.end("length" if case.cut else "stop")
    message: Any = reply.result()["message"]
    functions = [call["function"] for call in message.get("toolCalls", [])]
    calls = [(function["name"], json.loads(function["arguments"])) for function in functions]
    return Reading(message["content"].strip(), message.get("reasoningContent", "").strip(), calls)


def test_every_shipped_template_that_describes_tools_has_a_form() -> None:
    unknown = {name for name, source in SOURCES.items() if call_form(source) is None}
    assert unknown == {
        "HuggingFaceTB-SmolLM3-3B",
        "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
        "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
        "deepseek-ai-DeepSeek-V3.1",
        "fireworks-ai-llama-3-firefunction-v2",
        "google-gemma-2-2b-it",
        "llama-cpp-rwkv-world",
        "microsoft-Phi-3.5-mini-instruct",
    }
    assert SOURCES.keys() == TABLE.keys()
    assert len(TABLE) == 70


@pytest.mark.parametrize("name", SOURCES)
def test_calls_are_read_as_they_are_meant(name: str) -> None:
    writer, different = writer_of(name, SOURCES[name]), {}
    for case in TABLE[name]:
        wanted = case_of(case, writer)
        ours = read(writer, wanted)
        if written(ours) != written(meant(wanted)):
            different[case] = ours
    writer.tail = ""  # what follows a call
    whole = read(writer, NONE)
    text = MARK.sub("", whole.text)  # control tokens, which have no text
    assert (whole.calls, text[: len(NONE.text)]) == ([], NONE.text)
    assert different.keys() == {case for template, case in OTHER if template == name}, different
    assert not any(TABLE[name][case] == MEANT for case in different)


def test_llama_cpp_reads_most_of_them_alike() -> None:
    cells = [outcome for row in TABLE.values() for outcome in row.values()]
    assert sum(outcome == MEANT for outcome in cells) > 0.6 * len(cells)
    assert len(cells) > 60 * len(CASES)
