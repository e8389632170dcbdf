"""Tokens and other secrets in an address appear in no log, error, journal, record or process list."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from download_work import FILE, REPO, SPEC, TARGET, Begin, Downloads, assert_whole, files_below
from hub import Hub, Synthetic
from late_log import wait_log

pytestmark = pytest.mark.process

BIG = Synthetic(4_000_000, seed=1)


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of a private repository with one large file."""
    return hub.add(REPO, {FILE: BIG}, private=True)


def assert_nowhere(downloads: Downloads, *secrets: str) -> None:
    """They are in no output of the program and in no file except the model itself."""
    log = wait_log(downloads.sidecar, bool)
    assert log, "this test looks for the wrong log"
    said = [log, downloads.sidecar.raw.decode()]
    files = [
        path for path in files_below(downloads.directory.parent) if path.suffix not in (".part", ".gguf")
    ]
    said += [path.read_text(encoding="utf-8", errors="replace") for path in files]
    said += [str(path) for path in files_below(downloads.directory.parent)]
    found = [text[max(0, text.find(s) - 200) :][:400] for s in secrets for text in said if s in text]
    assert found == []


def seen_by_others(process: psutil.Process) -> str:
    """What a process can see of another one of the same user."""
    return "\n".join([*process.cmdline(), *(f"{k}={v}" for k, v in process.environ().items()), process.cwd()])


@pytest.mark.parametrize("at_the_end", ["done", "abort", "kill"])
def test_a_token_of_the_request(begin: Begin, at_the_end: str) -> None:
    downloads = begin("--log-level", "debug")
    token = downloads.hub.token
    slow = downloads.hub.fault(TARGET, origin="cdn", bytes_per_second=50_000, times=None)
    downloads.hub.fault(TARGET, origin="cdn", status=503)
    downloads.hub.fault(TARGET, origin="cdn", cut_after=30_000)
    request = downloads.send(token=token)
    downloads.wait_bytes(request, 100_000)  # the rest takes ten seconds
    family = downloads.sidecar.family()
    assert len(family) >= 2
    for process in family:
        assert token not in seen_by_others(process)
    if sys.platform == "linux":
        about = Path(f"/proc/{downloads.transfer().pid}")
        limits = (about / "limits").read_text(encoding="utf-8")
        assert re.search(r"Max core file size +0 +0 ", limits), "its core dump would have the token"
        assert int((about / "coredump_filter").read_text(encoding="utf-8"), 16) == 0
    if at_the_end == "done":
        slow.bytes_per_second = None
        assert_whole(downloads.sidecar.result(request), BIG)
    elif at_the_end == "abort":
        downloads.abort(request)
    else:
        downloads.transfer().kill()
        downloads.sidecar.response(request)
    assert downloads.hub.tokens_sent_to("hub") and not downloads.hub.tokens_sent_to("cdn")
    # Nor are the signatures of the CDN's links.
    signatures = [link.signature for link in downloads.hub.links.values()]
    assert_nowhere(downloads, token, *signatures)


def test_a_token_of_the_environment(begin: Begin, hub: Hub) -> None:
    downloads = begin("--log-level", "debug", HF_TOKEN=hub.token, HF_ENDPOINT=hub.endpoint)
    assert_whole(downloads.fetch(), BIG)
    assert_nowhere(downloads, hub.token)


def test_a_token_that_the_hubs_own_tools_keep(begin: Begin, hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text(hub.token, encoding="utf-8")
    downloads = begin("--log-level", "debug", HF_ENDPOINT=hub.endpoint)
    assert_whole(downloads.fetch(), BIG)
    assert hub.tokens_sent_to("hub") == {f"Bearer {hub.token}"}
    (home / "token").unlink()
    assert_nowhere(downloads, hub.token)


BAD = "hf_" + "q" * 34


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (SPEC, {"token": BAD}),
        ("hf:owner/None-GGUF", {"token": BAD}),
        (SPEC, {"token": BAD + "\n"}),
        (SPEC, {"token": BAD + "é"}),
        (SPEC, {"token": BAD, "keepPartial": "yes"}),
        (SPEC, {"token": [BAD]}),
    ],
)
def test_a_token_in_what_is_refused(begin: Begin, model: str, params: dict[str, Any]) -> None:
    downloads = begin("--log-level", "debug")
    error = downloads.refused(model, **params)
    assert error["data"]["kind"] in ("unauthorized", "invalidParams")
    downloads.fetch(SPEC, token=downloads.hub.token)  # so that there is a log
    assert_nowhere(downloads, BAD)


def test_secrets_in_an_address(begin: Begin) -> None:
    """A signature after the question mark, a password before the host."""
    downloads = begin("--log-level", "debug")
    plain = downloads.hub.put(FILE, BIG)
    downloads.hub.fault(f"files/{FILE}", status=503)
    downloads.hub.fault(f"files/{FILE}", cut_after=300_000)
    url = plain.replace("http://", "http://me:p4ssw0rd@") + "?X-Signature=s1gn4ture#fr4gment"
    result = downloads.fetch(url)
    assert result["sha256"] == BIG.sha256
    assert_nowhere(downloads, "p4ssw0rd", "s1gn4ture", "fr4gment")
    for wrong in (
        url.replace(FILE, "none.gguf"),
        url.replace("http:", "ftp:"),
        url.replace(FILE, "nul.gguf"),
    ):
        downloads.refused(wrong)
    assert_nowhere(downloads, "p4ssw0rd", "s1gn4ture", "fr4gment")
