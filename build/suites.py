"""What `dev.py test` runs: the tests in parts that suit the processors, and how long each part took."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Final

import node
from checkout import VENV_PYTHON, call
from linux import suite as linux_suite
from windows import suite

NO_REAL: Final = ("--ignore=tests/real",)
NO_UNIT: Final = ("--ignore=tests/unit",)
"""Each worker imports all tests of its part, which takes seconds. What a folder cannot have is told by conftest.py."""

QUICK: Final = (
    *("-m", "not real and not process and not slow", *NO_REAL),
    *(f"--numprocesses={os.cpu_count() or 1}", "--dist=worksteal"),
)
"""Arguments of pytest for the tests that need no model and wait for nothing."""

LINUX: Final = sys.platform == "linux"
"""Elsewhere a process cannot be kept to some of the processors."""

SIX: Final = ("--numprocesses=6", "--dist=worksteal", *(("--pin",) if LINUX else ()))
WAITING: Final = ("-m", "not real", *NO_REAL, *SIX)
"""The same for all that need no real model: most wait for other processes. On Linux three share half of the
processors, as the threads of a made model would spin while they wait for each other."""

FOUR: Final = ("--numprocesses=4", "--dist=worksteal", "--pin") if LINUX else ()
LOADING: Final = ("-m", "real and process", *NO_UNIT, *FOUR)
"""The same for those that load a model in passing. On Linux two at once share half of the processors."""

TWO_HALVES: Final = ("--numprocesses=2", "--dist=worksteal", "--pin") if LINUX else ()
DECODING: Final = ("-m", "real and not process", *NO_UNIT, *TWO_HALVES)
"""The same for those that decode. On Linux half of the processors decode for one and half for the other: two
threads for one small model are not twice as fast as one."""

OF_A_FORM: Final[tuple[str, ...]] = (
    "tests/test_transcripts.py",  # a conversation, embeddings, a state, aborts
    "tests/contract/test_command_line.py",
    "tests/models/test_chat.py::test_what_was_typed_comes_back_in_the_next_chat",  # prompt_toolkit
    "tests/models/test_tls.py",  # downloads, and the certificates of the machine
    "tests/process/test_doctor.py",
    "tests/process/test_end.py::test_a_signal_ends_it_cleanly",
    "tests/process/test_end.py::test_at_the_end_of_stdin_it_answers_what_is_open_and_is_gone",
    "tests/process/test_frozen.py",
    "tests/process/test_gpu_pack.py",
    "tests/process/test_old_processors.py",
    "tests/process/test_one_file.py",
    "tests/process/test_orphans.py",
    "tests/process/test_rpc.py::test_a_build_without_the_backend_is_reported",
    "tests/process/test_rpc.py::test_a_model_split_over_two_workers_says_the_same",
    "tests/process/test_rpc.py::test_the_backend_is_loaded_only_where_servers_are_named",
    "tests/process/test_stdio.py",
    "tests/process/test_surroundings.py",
    "tests/real/test_cpu_variant.py",
    "tests/real/test_schemas.py::test_a_response_format_is_enforced",
)
"""What a frozen form can break: start, files, libraries, processes, roles, temporary folders, one of each feature."""

OF_UNPACKING: Final = (
    "tests/process/test_end.py::test_at_the_end_of_stdin_it_answers_what_is_open_and_is_gone",
    "tests/process/test_frozen.py",
    "tests/process/test_one_file.py",
    "tests/process/test_orphans.py",
    "tests/process/test_rpc.py::test_a_model_split_over_two_workers_says_the_same",
    "tests/process/test_stdio.py",
    "tests/process/test_surroundings.py::test_it_runs_from_a_folder_with_any_name_in_any_locale",
    "tests/process/test_surroundings.py::test_it_runs_with_an_empty_environment",
)
"""Of these, what can break because the one file unpacks itself and its launcher waits for the program: `--unpacking`,
where the folder was tested with all of them."""

OF_A_PROGRAM: Final = (
    "tests/test_transcripts.py",
    "tests/contract/test_command_line.py",
    "tests/models/test_chat.py",
    "tests/models/test_resume.py",
    "tests/models/test_tls.py",
    "tests/process",
    "tests/real",
)
"""All that runs the program under test: `--all`."""

Parts = Mapping[str, Callable[[], bool]]


def run(arguments: Sequence[str]) -> bool:
    """Runs the tests that the arguments of `dev.py test` ask for; returns whether all passed."""
    ours = {"--quick", "--all", "--unpacking"}
    options = [argument for argument in arguments if argument not in ours]
    if "--quick" in arguments:
        return in_turn({"pytest, quick": lambda: pytest(*QUICK, *options)})
    runtime = next((option for option in options if option.startswith("--runtime=")), "")
    if (other := linux_suite.chosen(runtime.removeprefix("--runtime="))) is not None:
        which = OF_A_PROGRAM if "--all" in arguments else OF_A_FORM
        others = [option for option in options if option != runtime]
        return in_turn({runtime.partition("=")[2]: lambda: linux_suite.run(other, which, others)})
    if runtime.removeprefix("--runtime=").startswith(suite.PREFIX):
        which = OF_A_PROGRAM if "--all" in arguments else OF_A_FORM
        which = OF_UNPACKING if "--unpacking" in arguments else which
        name = runtime.partition(suite.PREFIX)[2]
        others = [option for option in options if option != runtime]
        suite.prepare(name)
        return beside(suite.parts(name, which, others), partial(suite.beside, name, others))
    if runtime and all(option.startswith("-") for option in options):  # no path of a test
        which = OF_A_PROGRAM if "--all" in arguments else OF_A_FORM
        return in_turn(_thirds(runtime.partition("=")[2], *which, *options))
    if options:
        return pytest(*options)
    first, second, third = _thirds("source")
    return beside(
        {first: lambda: pytest(*WAITING), "npm test": _npm},
        lambda output: {
            third: lambda: pytest(*DECODING, output=output),
            second: lambda: pytest(*LOADING, output=output),
        },
    )


def beside(parts: Parts, others: Callable[[IO[bytes]], Parts]) -> bool:
    """Runs parts, and others at the same time; prints the output of the others at the end, however they end."""
    with tempfile.TemporaryFile() as output:
        try:
            with ThreadPoolExecutor(1) as background:
                at_once = [
                    background.submit(_outcomes, {name: part}) for name, part in others(output).items()
                ]
                try:
                    outcomes = _outcomes(parts)
                except BaseException:  # Ctrl-C, too: it reaches the part that runs, and no other may begin
                    background.shutdown(wait=False, cancel_futures=True)
                    raise
        finally:
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
            sys.stdout.flush()
    return _told([*outcomes, *(outcome for future in at_once for outcome in future.result())])


def _thirds(name: str, *arguments: str) -> Parts:
    return {
        f"pytest, {name}": lambda: pytest(*arguments, *WAITING),
        f"pytest, {name}, processes with a model": lambda: pytest(*arguments, *LOADING),
        f"pytest, {name}, real models": lambda: pytest(*arguments, *DECODING),
    }


def _npm() -> bool:
    """On Linux each half of the processors runs half of the files; see WAITING."""
    if sys.platform != "linux":
        return node.test("test", None)
    if not (node.test("build", None) and node.test("types", None)):
        return False
    files, processors = node.test_files(), sorted(os.sched_getaffinity(0))

    def half(first: int, output: IO[bytes] | None) -> bool:
        os.sched_setaffinity(0, processors[first::2] or processors)  # of this thread and what it starts
        return node.test_some(files[first::2], output)

    with tempfile.TemporaryFile() as output:
        with ThreadPoolExecutor(2) as both:
            passed = [*both.map(half, (0, 1), (None, output))]
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.flush()
    return all(passed)


def pytest(*arguments: str | Path, output: IO[bytes] | None = None) -> bool:
    """Runs pytest; returns whether all passed. Each worker imports its tests, which compiled ones halve."""
    command = [VENV_PYTHON, "-m", "pytest", *arguments]
    return call(command, {"PYTHONDONTWRITEBYTECODE": ""}, output=output) == 0


def in_turn(parts: Parts) -> bool:
    """Runs all parts, also after one has failed; then prints a line for each. Returns whether all went well."""
    return _told(_outcomes(parts))


def _outcomes(parts: Parts) -> list[tuple[bool, float, str]]:
    """Runs all parts in turn; returns of each whether it went well, its seconds and its name."""
    outcomes = []
    for name, part in parts.items():
        started = time.monotonic()
        passed = part()
        outcomes.append((passed, time.monotonic() - started, name))
    return outcomes


def _told(outcomes: Sequence[tuple[bool, float, str]]) -> bool:
    lines = [
        f"{'ok    ' if passed else 'FAILED'} {seconds:6.1f} s  {name}" for passed, seconds, name in outcomes
    ]
    print("\n".join(lines), flush=True)
    return all(passed for passed, *_ in outcomes)
