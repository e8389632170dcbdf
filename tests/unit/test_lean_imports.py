"""Modules that an engine does not import, and that are imported completely when they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


def test_jinja2_is_imported_without_openssl_and_hashes_with_it() -> None:
    pytest.importorskip("_hashlib")
    run("""
import sys
from sidecar.core.chat.rendering import template
template.preload()
assert "jinja2" in sys.modules
assert "_hashlib" not in sys.modules, "OpenSSL is here"
import hashlib
assert hashlib.sha256 is sys.modules["_hashlib"].openssl_sha256
""")


def test_an_imported_openssl_is_kept() -> None:
    pytest.importorskip("_hashlib")
    run("""
import hashlib, sys
from sidecar.core.chat.rendering import template
template.preload()
import hashlib as again
assert again is hashlib and hashlib.sha256 is sys.modules["_hashlib"].openssl_sha256
""")


def test_what_another_thread_imports_meanwhile_hashes_with_openssl() -> None:
    pytest.importorskip("_hashlib")
    run("""
import sys
from sidecar.core.chat.rendering.sandbox import _without_openssl
with _without_openssl():
    import hashlib, jinja2
    assert "_hashlib" not in sys.modules
    with _without_openssl():
        assert hashlib.sha256 is sys.modules["_hashlib"].openssl_sha256
    import hashlib as whole
import hashlib as again
assert again is whole is not hashlib and again.sha256 is hashlib.sha256
""")


def test_the_bindings_are_imported_without_unused_modules_which_still_work() -> None:
    run("""
import sys
from sidecar.core.llama import bindings
for name in ("urllib.parse", "ipaddress", "typing_extensions", "numpy", "jinja2"):
    assert name not in sys.modules, name
import pathlib, urllib.parse
place = pathlib.Path(pathlib.Path.cwd().anchor, "a b", "ä")
assert place.as_uri().endswith("/a%20b/%C3%A4")
assert urllib.parse.urlsplit("http://a:1/b").port == 1
""")
