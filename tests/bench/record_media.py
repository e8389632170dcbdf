"""Records what llama-mtmd-cli says about pictures and sounds: python tests/bench/record_media.py

Run it when llama-cpp-python is updated. It builds the tool in the per-user cache, which takes minutes;
$LLAMA_MTMD_CLI names an existing one. The models are the pinned ones, the projectors are made (support/projectors.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "support"), str(HERE.parents[1] / "build")]
import media_cases  # noqa: E402
from media_cases import Case  # noqa: E402
from peers import install  # noqa: E402

import pins  # noqa: E402

OPTIONS = (
    "--jinja", "--temp", "0", "-t", "1", "-tb", "1", "-c", "4096", "-b", "512", "-ub", "512", "-ngl", "0",
    "--no-mmproj-offload",
)  # fmt: skip
"""One thread, on the processor: the same numbers each time."""
MARKER = "<__media__>"
MAX_S = 300


def main() -> None:
    """Write the texts of all cases."""
    texts, fingerprints = {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, case in media_cases.cases().items():
            model, projector = media_cases.pair(case.pair, folder)
            fingerprints[case.pair] = media_cases.fingerprint(projector)
            texts[name] = said(case, model, projector, folder)
            print(f"{name}: {texts[name]!r}", flush=True)
    found = {
        "by": "llama-mtmd-cli of " + " ".join(pins.pinned(pins.LLAMA_CPP)).split(" ")[0],
        "options": list(OPTIONS),
        "projectors": fingerprints,
        "texts": texts,
    }
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    media_cases.EXPECTED.write_text(text, encoding="utf-8")


def said(case: Case, model: str, projector: str, folder: Path) -> str:
    """The answer of one process."""
    command = [str(install.media_tool()), "-m", model, "--mmproj", projector, *OPTIONS]
    if case.pair == "gemma3":
        command += ["--chat-template", media_cases.GEMMA_TEMPLATE]
    for index, data in enumerate(case.files):
        file = folder / f"{index}"
        file.write_bytes(data)
        command += ["--image" if case.pair != "ultravox" else "--audio", str(file)]
    command += ["-p", case.text.replace("@", MARKER), "-n", str(case.tokens)]
    run = subprocess.run(command, capture_output=True, timeout=MAX_S)
    if run.returncode != 0:
        raise RuntimeError(f"it ended with {run.returncode}: {run.stderr.decode(errors='replace')[-500:]}")
    return run.stdout.decode().strip("\n")


if __name__ == "__main__":
    main()
