"""`pull`, `list`, `rm`, `inspect` and `estimate` as a person runs them: the real program, a hub on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import console
import gguf_files
import psutil
import pytest
from download_work import FILE, REPO, SPEC, TARGET
from hub import Hub, Synthetic
from person import BOUND_S, Person, Shown

pytestmark = pytest.mark.process

SIZE = 6_000_000


@pytest.fixture
def model(hub: Hub) -> Synthetic:
    content = Synthetic(SIZE)
    hub.add(REPO, {FILE: content})
    return content


def add_tiny_model(hub: Hub, folder: Path) -> str:
    """A whole model in the repository; returns the path of a copy."""
    path = gguf_files.tiny_model(folder / "tiny.gguf")
    hub.add(REPO, {FILE: Path(path).read_bytes()})
    return path


def last_line(shown: Shown) -> str:
    return shown.stderr.splitlines()[-1]


def test_pull_prints_the_path_for_scripts_and_the_rest_for_people(person: Person, model: Synthetic) -> None:
    shown = person.run("pull", SPEC.removeprefix("hf:"))
    assert shown.returncode == 0, shown.stderr
    path = Path(shown.stdout.removesuffix("\n"))
    assert path == person.directory / REPO / FILE
    assert path.stat().st_size == SIZE
    assert last_line(shown) == f"{FILE}: 6.00 MB, Q4_K_M, verified."
    assert "\r" not in shown.stderr and "\x1b" not in shown.stderr
    again = person.run("pull", SPEC, "--json")
    result = json.loads(again.stdout)
    assert (result["fromCache"], result["sha256"]) == (True, model.sha256)


def test_list_inspect_and_rm_take_the_names_that_list_shows(person: Person, hub: Hub, tmp_path: Path) -> None:
    add_tiny_model(hub, tmp_path)
    name = f"{REPO}/{FILE}"
    assert "No models yet" in person.run("list").stdout

    inspected = person.run("inspect", name)
    assert (
        "architecture  llama" in inspected.stdout
        and "were read; `pull` downloads the model" in inspected.stdout
    )

    assert person.run("pull", REPO).returncode == 0
    listed = person.run("list").stdout
    listed_name = str(Path(REPO, FILE))
    assert re.search(
        rf"^{re.escape(listed_name)} +115 kB +llama +F32 +4096 +yes +never$", listed, re.MULTILINE
    )
    (entry,) = json.loads(person.run("list", "--json").stdout)["models"]
    assert (entry["verified"], entry["path"]) == (True, str(person.directory / REPO / FILE))

    for text in (name, listed_name, FILE, entry["path"]):
        inspected = person.run("inspect", text)
        assert f"file          {entry['path']}" in inspected.stdout, text
    removed = person.run("rm", name)
    assert re.fullmatch(r"Deleted 1 file, freed 11\d kB\.\n", removed.stdout)
    assert "No models yet" in person.run("list").stdout
    gone = person.run("rm", name)
    assert gone.returncode == 1
    assert "there is no file" in gone.stderr


def test_estimate_says_the_same_before_and_after_the_download(
    person: Person, hub: Hub, tmp_path: Path
) -> None:
    model_path = add_tiny_model(hub, tmp_path)
    options = ("--context-size", "2048", "--sequences", "2", "--kv-cache-type", "q8_0", "--gpu-layers", "0")
    before = person.run("estimate", REPO, *options)
    assert re.search(r"^CPU( +[\d.]+ [kMG]B){5}$", before.stdout, re.MULTILINE), before.stderr
    assert f"{FILE}: 2 sequences of 2048 tokens, KV cache in q8_0." in before.stdout
    assert "Runs here: yes. " in before.stdout
    remote, local = (
        json.loads(person.run("estimate", what, *options, "--json").stdout) for what in (REPO, model_path)
    )
    assert (remote["path"], local["path"]) == (None, model_path)
    assert remote["totalBytes"] == local["totalBytes"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["pull", "owner/Model"], 1, "no repository 'owner/Model'"),
        (["pull", f"{REPO}:Q9_X"], 1, "there is Q4_K_M"),
        (["pull", f"{REPO}/other.gguf"], 1, f"there is {FILE}"),
        (["pull", REPO, "--revision", "v9"], 1, "no revision 'v9'"),
        (["pull", "owner/gated"], 1, "accept the terms, and set HF_TOKEN"),
        (["pull", REPO, "--endpoint", "http://127.0.0.1:9"], 1, "Check the network, the proxy and --endpoint"),
        (["inspect", "owner/Model"], 1, "no repository"),
        (["estimate", "owner/Model"], 1, "no repository"),
        (["inspect", "missing.gguf"], 1, "`llama-sidecar list` shows the models on this disk"),
        (["rm", __file__], 1, "Use a path that `llama-sidecar list` shows"),
        (["pull", "nonsense"], 2, "--help"),
        (["estimate", REPO, "--kv-cache-type", "q2"], 2, "--kv-cache-type does not fit"),
        (["pull"], 2, "MODEL"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_that_says_what_to_do(
    person: Person, hub: Hub, model: Synthetic, arguments: list[str], status: int, said: str
) -> None:
    hub.add("owner/gated", {FILE: model}, gated="manual")
    shown = person.run(*arguments)
    assert (shown.returncode, shown.stdout) == (status, "")
    assert said in last_line(shown)
    assert "Traceback" not in shown.stderr and "data." not in shown.stderr and "/path" not in last_line(shown)


def test_the_token_comes_from_the_environment_and_is_shown_nowhere(
    person: Person, hub: Hub, model: Synthetic
) -> None:
    hub.add(REPO, {}, private=True)
    refused = person.run("pull", REPO, HF_TOKEN=hub.stranger)
    assert refused.returncode == 1
    fetched = person.run("pull", REPO, HF_TOKEN=hub.token)
    assert fetched.returncode == 0, fetched.stderr
    for shown, token in ((refused, hub.stranger), (fetched, hub.token)):
        assert token not in shown.stdout + shown.stderr
    assert not hub.tokens_sent_to("cdn")


# ---- interrupting ----------------------------------------------------------------------------------------


def interrupt(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        console.ctrl_c(process.pid)()
    else:
        process.send_signal(signal.SIGINT)


def test_an_interrupted_pull_keeps_its_bytes_and_the_same_command_continues(
    person: Person, hub: Hub, model: Synthetic
) -> None:
    slow = hub.fault(TARGET, origin="cdn", stall_after=SIZE // 20, times=None)
    with person.start("pull", REPO) as process:
        assert process.stderr is not None
        wait_for_line(process, r"[1-9]\d* %")
        interrupt(process)
        said = process.stderr.read().decode()
        assert process.wait(BOUND_S) == 130
    assert re.search(
        r"^Stopped\. .* are kept; the same command continues from there\.\r?$", said, re.MULTILINE
    )
    assert re.search(rf"{re.escape(FILE)} +[\d.]+ of 6\.00 MB", person.run("list").stdout)
    slow.times = 0
    again = person.run("pull", REPO)
    assert again.returncode == 0, again.stderr
    assert "of it from an earlier attempt" in last_line(again)


def wait_for_line(process: subprocess.Popen[bytes], pattern: str) -> None:
    assert process.stderr is not None
    assert any(re.search(pattern, line.decode()) for line in process.stderr), "it ended first"


# ---- a real terminal ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "encoding", "sign"),
    [
        (20, "utf-8", "█"),
        (80, "utf-8", "█"),
        pytest.param(
            *(80, "cp1252", "#"),
            marks=pytest.mark.skipif(sys.platform == "win32", reason="a console there has no encoding"),
        ),
    ],
)
def test_the_bar_is_one_line_and_leaves_nothing_behind(
    person: Person, hub: Hub, columns: int, encoding: str, sign: str
) -> None:
    names = [f"s-Q8_0-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    hub.add("owner/split", {name: Synthetic(2_000_000) for name in names})
    terminal = person.at_terminal(columns, "pull", "owner/split", PYTHONUTF8="0", PYTHONIOENCODING=encoding)
    assert terminal.end() == 0
    assert "100 %" in terminal.text
    assert sign * 2 in terminal.text
    shown = "".join(terminal.shown())
    assert shown.startswith(f"{names[0]}: 3 files, 6.00 MB, Q8_0, verified.")
    assert shown.endswith(names[0])
    assert "%" not in shown and "Looking" not in shown


def test_ctrl_c_at_a_terminal_aborts_and_leaves_no_process(
    person: Person, hub: Hub, model: Synthetic
) -> None:
    hub.fault(TARGET, origin="cdn", stall_after=SIZE // 20, times=None)
    terminal = person.at_terminal(80, "pull", REPO)
    terminal.wait_for(r"[1-9]\d* %")
    terminal.press_ctrl_c()
    assert terminal.end() == 130
    (row,) = terminal.shown()
    assert re.fullmatch(r"Stopped\. [\d.]+ [kM]B are kept; the same command continues from there\.", row)


def test_a_second_ctrl_c_waits_for_nothing(person: Person, hub: Hub, model: Synthetic) -> None:
    hub.fault(TARGET, origin="cdn", stall_after=SIZE // 20, times=None)
    terminal = person.at_terminal(80, "pull", REPO)
    terminal.wait_for(r"[1-9]\d* %")
    (router,) = psutil.Process(terminal.pid).children()
    router.suspend()  # it does not answer, not even to abort
    try:
        deadline = time.monotonic() + BOUND_S
        while terminal.poll() is None:  # the system may merge two signals into one
            assert time.monotonic() < deadline
            terminal.press_ctrl_c()
            time.sleep(0.2)
        assert terminal.poll() == 130
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):  # on Windows it ends with the command
            router.resume()
    terminal.end()


def test_a_list_fits_the_terminal(person: Person, hub: Hub, model: Synthetic) -> None:
    assert person.run("pull", REPO).returncode == 0
    for columns in (20, 40, 80):
        terminal = person.at_terminal(columns, "list")
        assert terminal.end() == 0
        head, first = terminal.shown()[:2]
        assert head.startswith("model") and len(first) < columns
        assert first.startswith("owne")
