"""The texts that a command works on: its arguments, files, or stdin."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Final

from sidecar.cli.command import Refusal

MAX_TEXT_BYTES: Final = 16 * 1024 * 1024
"""Longest file, line or whole stdin that is one text: far more than any model's context holds."""

BATCH: Final = 2048
"""Most texts of a request, by the schema."""


def whole_stdin() -> str:
    """All of stdin, without the newline at its end; Windows' shells write two characters there."""
    text = _decoded(_bounded(sys.stdin.buffer.read(MAX_TEXT_BYTES + 1), "stdin"), "stdin")
    return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n")


def read_file(name: str) -> str:
    """The text of a file."""
    try:
        with open(os.path.expanduser(name), "rb") as file:
            return _decoded(_bounded(file.read(MAX_TEXT_BYTES + 1), name), name)
    except OSError as error:
        raise Refusal(f"{name} cannot be read: {error.strerror}.") from None


def texts(options: argparse.Namespace) -> Iterator[str]:
    """The texts given, or stdin's lines; with `--files` what is in the files that these name."""
    for text in options.texts or _lines():
        yield read_file(text) if options.files else text


def batches(each: Iterator[str]) -> Iterator[list[str]]:
    """As many texts at a time as a request may have."""
    while batch := list(islice(each, BATCH)):
        yield batch


def _lines() -> Iterator[str]:
    number = 0
    while line := sys.stdin.buffer.readline(MAX_TEXT_BYTES + 1):
        number += 1
        place = f"line {number} of stdin"
        text = _decoded(_bounded(line, place), place).rstrip("\r\n")
        if not text:
            raise Refusal(f"{place} is empty. Each line is a text; remove it, or give files with --files.")
        yield text


def _bounded(data: bytes, place: str) -> bytes:
    if len(data) > MAX_TEXT_BYTES:
        raise Refusal(f"{place} has more than {MAX_TEXT_BYTES} bytes. Give it in parts.")
    return data


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"{place} is not UTF-8: byte {error.start} is wrong. Convert it first.") from None
