"""Records which prompts llama-server makes with the chat templates: python tests/bench/record_prompts.py

Run it when llama-cpp-python is updated. It builds llama-server in the per-user cache, which takes minutes;
$LLAMA_SERVER names an existing one.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "support")]
import gguf_files  # noqa: E402
from peers import install  # noqa: E402
from template_cases import CASES, EXPECTED, ROOT, TEMPLATES, fingerprint  # noqa: E402

START_S = 60.0
NAMES = {
    "toolCalls": "tool_calls",
    "toolCallId": "tool_call_id",
    "reasoningContent": "reasoning_content",
    "addGenerationPrompt": "add_generation_prompt",
    "continueFinalMessage": "continue_final_message",
    "templateVariables": "chat_template_kwargs",
}


def main() -> None:
    """Write the table of fingerprints."""
    table = {}
    with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(TEMPLATES) as archive:
        model = gguf_files.tiny_model(Path(temporary) / "tiny.gguf")
        for name in sorted(archive.namelist()):
            template = Path(temporary) / name
            template.write_bytes(archive.read(name))
            table[name] = prompts(model, "--chat-template-file", str(template))
    for path in sorted((ROOT / ".models").glob("*.gguf")):
        table[path.name] = prompts(str(path))
    EXPECTED.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def prompts(model: str, *options: str) -> dict[str, str]:
    """Case → fingerprint, of one llama-server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        install.server(),
        "-m",
        model,
        "--port",
        str(port),
        "--jinja",
        "--no-prefill-assistant",
        *options,
    ]
    command += ["-c", "256", "-t", "1", "-np", "1", "--no-warmup"]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
        try:
            wait_for(server, port)
            return {name: fingerprint(rendered(port, case)) for name, case in CASES.items()}
        finally:
            server.terminate()
            server.wait()


def wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def rendered(port: int, case: dict[str, Any]) -> str | None:
    """/apply-template's prompt; None if it refuses."""
    body = {NAMES.get(key, key): value for key, value in case.items() if key != "reasoning"}
    body["messages"] = [{NAMES.get(key, key): value for key, value in m.items()} for m in case["messages"]]
    if case.get("reasoning") is False:
        body["chat_template_kwargs"] = {"enable_thinking": False}
    if case.get("continueFinalMessage"):
        body["add_generation_prompt"] = False
    url, headers = f"http://127.0.0.1:{port}/apply-template", {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=START_S) as response:
            prompt: str = json.load(response)["prompt"]
    except urllib.error.HTTPError:
        return None
    return prompt


if __name__ == "__main__":
    main()
