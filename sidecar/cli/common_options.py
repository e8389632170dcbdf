"""Options that several commands have, and what their values may be."""

from __future__ import annotations

import argparse
from typing import Final

MODEL: Final = """\
MODEL is owner/repo on the hub (the best quantisation that fits), owner/repo:Q4_K_M,
owner/repo/path/file.gguf, or an https URL. For gated and private repositories, set HF_TOKEN or
log in with the hub's own tool. There is no option for a token: other users could read it.
"""
MODEL_OR_PATH: Final = f"{MODEL}PATH is a GGUF file on this disk.\n"


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON, for scripts")


def add_hub(parser: argparse.ArgumentParser) -> None:
    """`--revision` and `--endpoint`."""
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit (main)")
    parser.add_argument("--endpoint", metavar="URL", help="the hub or a mirror (HF_ENDPOINT)")


def add_directory(parser: argparse.ArgumentParser) -> None:
    """`--models-directory`."""
    parser.add_argument(
        "--models-directory",
        metavar="FOLDER",
        help="folder of the models (default: in the user's data folder)",
    )


def count(text: str) -> int:
    """A number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 1")
    return int(text)


def layers(text: str) -> int | str:
    """A number of layers, or auto."""
    if text != "auto" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is neither a number nor auto")
    return text if text == "auto" else int(text)
