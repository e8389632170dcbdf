"""Records what llama.cpp reads in the texts of models that call tools: python tests/bench/record_calls.py

Run it when llama-cpp-python is updated. It compiles record_calls.cpp with the llama.cpp of which llama-server was built
in the per-user cache; $CXX names another compiler.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "support")]
from call_cases import (  # noqa: E402
    CASES,
    EXPECTED,
    MEANT,
    REFUSED,
    TOOLS,
    Case,
    Reading,
    case_of,
    meant,
    stream_of,
    written,
)
from made_calls import Writer, writers  # noqa: E402
from peers import install  # noqa: E402
from template_cases import ASK, TEMPLATES  # noqa: E402


def main() -> None:
    """Write the table."""
    table: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(TEMPLATES) as archive:
        archive.extractall(temporary)
        reader = compiled(Path(temporary))
        for writer in writers():
            if writer.source:
                table[writer.name] = readings(reader, writer, Path(temporary) / f"{writer.name}.jinja")
    rows = (
        f" {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in sorted(table.items())
    )
    EXPECTED.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def compiled(folder: Path) -> Path:
    """The program of record_calls.cpp."""
    libraries = install.server().parent
    source = next(libraries.parent.rglob("common/chat.h")).parents[1]
    program = folder / "record_calls"
    includes = [f"-I{source / name}" for name in ("common", "include", "ggml/include", "vendor")]
    names = [f"-l{name}" for name in ("llama-common", "llama", "ggml", "ggml-base")]
    command = [os.environ.get("CXX", "c++"), "-O1", "-std=c++17", *includes, str(HERE / "record_calls.cpp")]
    run_path = f"-Wl,-rpath,{libraries}"
    subprocess.run([*command, "-o", str(program), f"-L{libraries}", *names, run_path], check=True)
    return program


def readings(reader: Path, writer: Writer, template: Path) -> dict[str, Any]:
    """Case → what llama.cpp makes of the writer's text."""
    streams = {}
    cases = {name: case_of(name, writer) for name in CASES}
    for name, case in cases.items():
        try:
            streams[name] = stream_of(writer, case)
        except Exception:  # a template may refuse what it cannot write
            continue
    asked = {
        "template": str(template),
        "messages": [{"role": "user", "content": ASK["content"]}],
        "tools": TOOLS,
    }
    lines = [
        json.dumps({**asked, "text": stream, "partial": CASES[name].cut}) for name, stream in streams.items()
    ]
    done = subprocess.run(
        [str(reader)],
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return {
        name: _outcome(cases[name], json.loads(line))
        for name, line in zip(streams, done.stdout.splitlines(), strict=True)
    }


def _outcome(case: Case, read: Any) -> Any:
    if "error" in read:
        return REFUSED
    try:
        calls = [(call["name"], json.loads(call["arguments"])) for call in read["calls"]]
    except ValueError:  # the call that is cut off, or a text that is no JSON
        if not case.cut:
            return REFUSED
        calls = [(call["name"], json.loads(call["arguments"])) for call in read["calls"][:-1]]
    if case.cut:
        calls = calls[: len(case.calls) - 1]
    reading = Reading(read["content"].strip(), read["reasoning"].strip(), calls)
    return MEANT if written(reading) == written(meant(case)) else reading._asdict()


if __name__ == "__main__":
    main()
