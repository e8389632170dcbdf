"""The log on stderr: it never blocks the work."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

BOUND_S = 60


def run(script: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a script that logs in its own process: the log writes to descriptor 2."""
    code = "from sidecar.message_handler import log\n" + textwrap.dedent(script)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, check=False, timeout=BOUND_S, **options)


def lines(done: subprocess.CompletedProcess[bytes]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_is_a_json_object_in_ascii() -> None:
    done = run(
        """
        log.configure("info", "engine")
        log.log("warning", "Grüße \\ud800\\u2028", number=1, thing=object, not_a_number=1.5)
        log.log("info", "second")
        log.log("debug", "not wanted")
        log.flush(30)
        """
    )
    first, second = lines(done)
    assert done.stderr.isascii()
    assert first.keys() >= {"time", "level", "role", "pid", "message", "number", "thing"}
    assert (first["level"], first["role"], first["message"]) == ("warning", "engine", "Grüße \ud800\u2028")
    assert second["message"] == "second"
    assert done.stdout == b""


def test_long_texts_are_shortened() -> None:
    (line,) = lines(run("log.log('error', 'x' * 10**6, more='y' * 10**6); log.flush(30)"))
    assert len(line["message"]) == len(line["more"]) == 4000


def test_the_end_of_a_long_traceback_is_kept() -> None:
    (line,) = lines(
        run(
            """
            try:
                raise ValueError("the reason")
            except ValueError as error:
                log.log_exception("it failed", error)
            log.flush(30)
            """
        )
    )
    assert line["traceback"].rstrip().endswith("ValueError: the reason")


def test_an_unread_stderr_loses_lines_and_never_blocks() -> None:
    # The parent reads only after the child has logged far more than a pipe and the queue can hold.
    script = textwrap.dedent(
        """
        import os
        from sidecar.message_handler import log
        for number in range(20_000):
            log.log("error", f"line {number} " + "x" * 200)
        os.write(1, b"done")
        os.read(0, 1)
        log.flush(30)
        log.log("error", "after")
        log.flush(30)
        """
    )
    command = [sys.executable, "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        assert child.stdout is not None
        assert child.stdout.read(4) == b"done", "the work was held up"
        _, stderr = child.communicate(b"x", timeout=BOUND_S)
    entries = [json.loads(line) for line in stderr.splitlines()]
    dropped = sum(line.get("droppedBefore", 0) for line in entries)
    assert entries[-1]["message"] == "after"
    assert dropped > 10_000
    assert dropped + len(entries) == 20_001, "every line is either there or counted"


def test_a_closed_stderr_does_no_harm() -> None:
    script = """
        import os
        reader, writer = os.pipe()
        os.dup2(writer, 2)
        os.close(reader), os.close(writer)
        for _ in range(5000):
            log.log("error", "nobody hears this")
        log.flush(0.05)
        os.write(1, b"done")
        """
    assert run(script).stdout == b"done"


def test_flush_gives_up_in_time() -> None:
    script = textwrap.dedent(
        """
        import os
        from sidecar.message_handler import log
        reader, writer = os.pipe()
        os.dup2(writer, 2)
        for _ in range(3000):
            log.log("error", "x" * 1000)
        log.flush(0.05)
        os.write(1, b"done")
        os._exit(0)
        """
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=BOUND_S)
    assert done.stdout == b"done"
