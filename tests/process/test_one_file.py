"""What only the one-file program can get wrong: what it unpacks, and what it leaves behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Start
from download_work import FILE, REPO, TARGET, Downloads, assert_whole, surroundings
from driver import WAIT_S
from hub import Hub, Synthetic
from hub.client import wait_until
from process_work import GONE_S, in_temp, load, send_endless

pytestmark = [pytest.mark.process, pytest.mark.form("onefile")]

PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'
UNPACKING = Path(__file__).parents[2] / "package.json-shim" / "src" / "client" / "unpacking.ts"


def long_ago() -> float:
    """A time in the past: nothing that is in use was unpacked before it."""
    return time.time() - 3600


def assert_removed(temporary: Path, start: Start) -> None:
    """The folder of a program whose launcher was killed is gone.

    Windows does not remove files in use: there the next start removes what the program could not.
    """
    if sys.platform == "win32":
        start(env=in_temp(temporary)).call("ping")
        wait_until(lambda: len(list(temporary.iterdir())) == 1)
    else:
        assert list(temporary.iterdir()) == []


def test_workers_unpack_nothing(
    one_file: Path, start: Start, model_path: str, temporary: Path, tmp_path: Path
) -> None:
    content = Synthetic(4_000_000)
    with Hub() as hub:
        hub.add(REPO, {FILE: content})
        hub.fault(TARGET, trickle_after=100_000, times=None, origin="cdn")
        sidecar = start(env={**surroundings(tmp_path / "home"), **in_temp(temporary)})
        load(sidecar, model_path)
        sidecar.call("init")
        downloads = Downloads(sidecar, hub, tmp_path / "models")
        download = downloads.send()
        downloads.wait_bytes(download, 1)
        assert len(downloads.transfers()) == 1
        assert len(sidecar.workers()) == 3
        assert len(list(temporary.iterdir())) == 1
        downloads.abort(download)
        hub.faults.clear()
        assert_whole(downloads.fetch(), content)
        sidecar.close_stdin()
        assert sidecar.wait_exit(WAIT_S) == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("state", ["idle", "in generation"])
def test_a_killed_launcher_ends_all_processes_while_the_app_continues(
    one_file: Path, start: Start, model_path: str, temporary: Path, state: str
) -> None:
    sidecar = start(env=in_temp(temporary))
    sidecar.call("init")
    if state == "in generation":
        load(sidecar, model_path)
        sidecar.wait_progress(send_endless(sidecar), "generate")
    sidecar.process.kill()
    assert not sidecar.survivors(GONE_S)
    assert_removed(temporary, start)  # the last thing that its program does


def test_a_launcher_that_is_killed_while_it_starts_leaves_no_process(
    one_file: Path, start: Start, temporary: Path
) -> None:
    for tenth in range(8):
        sidecar = start(env=in_temp(temporary))
        time.sleep(0.03 * tenth)  # from unpacking to having answered
        sidecar.process.kill()  # not waited for, as in some apps
        assert not sidecar.survivors(GONE_S + 0.5)
    for left in temporary.iterdir():
        os.utime(left, (long_ago(), long_ago()))
    living = start(env=in_temp(temporary))
    living.call("ping")
    wait_until(lambda: len(list(temporary.iterdir())) == 1)
    assert living.call("init")["protocolVersion"] == 1


def test_the_launcher_ends_when_the_router_is_killed(one_file: Path, start: Start, temporary: Path) -> None:
    sidecar = start(env=in_temp(temporary))
    sidecar.call("init")
    sidecar.router().kill()
    assert sidecar.wait_exit(WAIT_S) != 0
    assert not sidecar.survivors(GONE_S)
    assert list(temporary.iterdir()) == []


def test_the_next_start_removes_what_a_killed_program_left(
    one_file: Path, start: Start, temporary: Path
) -> None:
    killed = start(env=in_temp(temporary))
    killed.call("ping")
    for process in sorted(killed.family(), key=lambda process: process.pid):
        process.kill()  # the launcher first: no process is left that could remove anything
    killed.process.wait()
    (left,) = temporary.iterdir()
    assert (left / "MANIFEST.json").is_file()
    strangers = [temporary / "_MEI7ffffffeabcdef", temporary / "notes"]
    for stranger in strangers:
        stranger.mkdir()
        (stranger / "base_library.zip").write_text("of another program")
    living = start(env=in_temp(temporary))
    living.call("ping")
    wait_until(lambda: not left.exists())
    assert all((stranger / "base_library.zip").exists() for stranger in strangers)
    other = start(env=in_temp(temporary))
    other.call("ping")
    time.sleep(0.5)
    assert living.call("init")["protocolVersion"] == 1  # and its folder is still whole
    living.close_stdin()
    other.close_stdin()
    assert (living.wait_exit(WAIT_S), other.wait_exit(WAIT_S)) == (0, 0)
    assert sorted(temporary.iterdir()) == sorted(strangers)


def test_half_unpacked_folders_are_removed_when_they_are_old(
    one_file: Path, start: Start, temporary: Path
) -> None:
    library = "libz.so.1" if sys.platform != "win32" else "libssl-3.dll"
    old, new = temporary / "_MEI7ffffffe000001", temporary / "_MEI7ffffffe000002"
    for folder in (old, new):
        folder.mkdir()
        (folder / library).write_bytes(b"half")
    os.utime(old, (long_ago(), long_ago()))
    sidecar = start(env=in_temp(temporary))
    sidecar.call("ping")
    (own,) = (path for path in temporary.iterdir() if path not in (old, new))
    if not (own / library).exists():
        pytest.skip("the program has another set of libraries here")
    wait_until(lambda: not old.exists())
    assert new.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="makes file systems as Linux does")
@pytest.mark.parametrize(("options", "meaning"), [("noexec", "mounted noexec"), ("size=8m", "is full")])
def test_a_bad_temporary_folder_ends_it_with_an_error_that_the_npm_client_knows(
    one_file: Path, tmp_path: Path, options: str, meaning: str
) -> None:
    folder = tmp_path / "temp"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount here")
    try:
        done = subprocess.run(
            [one_file],
            input=PING,
            capture_output=True,
            env=in_temp(folder),
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode not in (0, None)
        assert done.stdout == b""
        assert meaning in explained(done.stderr.decode())
        left = [file.name for path in folder.iterdir() for file in path.iterdir()]
        assert not {"base_library.zip", "MANIFEST.json"} & set(left)  # so a later start removes it
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def explained(said: str) -> str:
    """The npm client's error for PyInstaller's message, by its own table."""
    rows = re.findall(r'^  \[/(.+)/(i?), "(.+)"\],$', UNPACKING.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 3, "the table has another form"
    return next((why for words, i, why in rows if re.search(words, said, re.IGNORECASE if i else 0)), "")
