"""The parts of `dev.py test`: what they pick exists, and all run whatever fails."""

from __future__ import annotations

import ast
import itertools
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest
from conftest import dealt

import node
import suites
from checkout import NPM_PACKAGE, Failed

ROOT = Path(__file__).parents[3]


CHOSEN = (
    *suites.OF_A_FORM,
    *suites.OF_A_PROGRAM,
    *suites.OF_UNPACKING,
    *suites.linux_suite.IN_AN_EMULATOR,
    *suites.suite.FROM_SOURCE,
)


@pytest.mark.parametrize("chosen", sorted({*CHOSEN, suites.suite.OF_LINUX}))
def test_what_is_chosen_for_a_form_or_a_system_is_there(chosen: str) -> None:
    path, _, name = chosen.partition("::")
    assert (ROOT / path).exists()
    if name:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_what_is_chosen_for_a_form_is_part_of_all() -> None:
    assert all(chosen.startswith(suites.OF_A_PROGRAM) for chosen in suites.OF_A_FORM)
    assert all(chosen.startswith(suites.OF_A_FORM) for chosen in suites.OF_UNPACKING)


def test_all_parts_run_and_each_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert suites.in_turn({"one": lambda: True, "other": lambda: True})
    assert not suites.in_turn({"bad": lambda: False, "good": lambda: True})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [
        ("ok", "one"),
        ("ok", "other"),
        ("FAILED", "bad"),
        ("ok", "good"),
    ]


def test_what_has_not_begun_does_not_begin_after_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What has run is told."""
    begun, asked, ran = threading.Event(), threading.Event(), []

    class Background(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            asked.set()
            super().shutdown(wait=wait)

    def others(output: IO[bytes]) -> suites.Parts:
        def first() -> bool:
            begun.set()
            output.write(b"words of the first")
            output.flush()
            return asked.wait(60)

        return {"first": first, "second": lambda: ran.append("second") or True}

    def interrupted() -> bool:
        begun.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(suites, "ThreadPoolExecutor", Background)
    with pytest.raises(KeyboardInterrupt):
        suites.beside({"waits": interrupted}, others)
    assert not ran
    assert b"words of the first" in capfdbinary.readouterr().out


def test_output_and_other_parts_are_kept_when_one_cannot_run(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    ran = []

    def others(output: IO[bytes]) -> suites.Parts:
        def bad() -> bool:
            output.write(b"words")
            raise Failed("no npm")

        return {"bad": bad, "good": lambda: ran.append("good") or True}

    with pytest.raises(Failed):
        suites.beside({"waits": lambda: True}, others)
    assert ran == ["good"]
    assert b"words" in capfdbinary.readouterr().out


PARTS = [suites.WAITING[1], suites.LOADING[1], suites.DECODING[1]]


def test_each_test_is_in_one_part() -> None:
    for real, process in itertools.product((False, True), repeat=2):
        marks = {"real": real, "process": process}
        assert sum(eval(part, {}, marks) for part in PARTS) == 1


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ([], [*PARTS, "npm"]),
        (["--quick"], ["not real and not process and not slow"]),
        (["--runtime=onedir"], [f"form: {part}" for part in PARTS]),
        (["--runtime=onedir", "--all"], [f"program: {part}" for part in PARTS]),
        (["--runtime=onedir", "tests/process"], ["--runtime=onedir tests/process"]),
        (["-k", "grammar"], ["-k grammar"]),
    ],
)
def test_the_arguments_pick_the_parts(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], runs: list[str]
) -> None:
    ran = []

    def pytest_(*given: str, output: object = None) -> bool:
        kind = "form: " if suites.OF_A_FORM[-1] in given else "program: " if "tests/real" in given else ""
        which = given[given.index("-m") + 1] if "-m" in given else " ".join(given)
        ran.append(f"{kind}{which}")
        return True

    monkeypatch.setattr(suites, "pytest", pytest_)
    monkeypatch.setattr(suites, "_npm", lambda: ran.append("npm") or True)
    assert suites.run(arguments)
    assert sorted(ran) == sorted(runs), "some run at the same time"


class Item:
    """As much of pytest's item as its order depends on."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_closest_marker(self, mark: str) -> bool:
        return mark == "slow" and self.name.isupper()


@pytest.mark.parametrize("workers", [1, 2, 3, 6])
@pytest.mark.parametrize("names", ["abcdefghijklmN", "AbCdEfgHijklmn", "ABC", "ab", ""])
def test_each_worker_begins_with_slow_tests(names: str, workers: int) -> None:
    order = dealt([Item(name) for name in names], workers)  # type: ignore[misc, arg-type]
    assert sorted(item.name for item in order) == sorted(names)  # type: ignore[attr-defined]
    dealt_slow = []
    for worker in range(workers):  # as pytest-xdist splits a list
        share = [order.pop(0).name for _ in range(len(order) // (workers - worker))]
        slow = [name for name in share if name.isupper()]
        assert share[: len(slow)] == slow
        dealt_slow.append(len(slow))
    if len(names) > 5 * workers:
        assert max(dealt_slow) - min(dealt_slow) <= 1


def test_what_the_npm_package_runs_is_what_two_halves_of_it_run() -> None:
    scripts = json.loads((NPM_PACKAGE / "package.json").read_text(encoding="utf-8"))["scripts"]
    assert scripts["test"] == "npm run build && npm run types && node --test test/*.test.mjs"
    assert len(node.test_files()) > 20


@pytest.mark.skipif(not suites.LINUX, reason="elsewhere they run as the script says")
@pytest.mark.parametrize("failed", [None, "build", "types", "first half", "second half"])
def test_each_file_of_the_npm_package_runs_once_and_what_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], failed: str | None
) -> None:
    ran: list[Path] = []

    def some(files: list[Path], output: IO[bytes] | None) -> bool:
        ran.extend(files)
        if output is not None:
            output.write(b"the second half")
        return failed != ("first half" if output is None else "second half")

    monkeypatch.setattr(node, "test", lambda script, _frozen: script != failed)
    monkeypatch.setattr(node, "test_some", some)
    before = os.sched_getaffinity(0)
    assert suites._npm() is (failed is None)
    assert os.sched_getaffinity(0) == before, "only the npm tests are kept to one processor"
    if failed not in ("build", "types"):
        assert sorted(ran) == node.test_files()
        assert b"the second half" in capfdbinary.readouterr().out
