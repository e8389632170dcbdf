"""`llama-sidecar rpc-worker`: lets engines on other machines use this machine's devices, until it is stopped."""

from __future__ import annotations

import argparse
import errno
import ipaddress
import os
import socket
import stat
import sys
import threading
from contextlib import suppress
from typing import Final

from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.worker import lifecycle, one_file

FLUSH_S: Final = 0.2
"""Longest time to write the last lines of the log."""

OPEN: Final = (
    "The RPC protocol has neither authentication nor encryption: everyone who can reach {0} can compute on this "
    "machine, and can crash or take over this program"
)
EXPOSED: Final = (
    "{0} is not a loopback address: other machines can reach this worker. Use it only on a network in which you "
    "trust every machine, never on the internet. Otherwise listen on 127.0.0.1 and use a tunnel"
)


def rpc_worker(options: argparse.Namespace) -> int:
    """Serve until a signal or the end of a piped stdin, then end the process. Returns 1 if it cannot start."""
    try:
        address = _address(options.host)
        _check_free(address, options.port)
    except OSError as error:
        print(f"llama-sidecar: {error.strerror}", file=sys.stderr)
        return 1
    log.configure("debug" if options.log_level == "debug" else "info", "rpc-worker")
    endpoint = f"{address}:{options.port}"
    log.log("warning", OPEN.format(endpoint))
    if not ipaddress.ip_address(address).is_loopback:
        log.log("warning", EXPOSED.format(address))
    ended, failed = threading.Event(), threading.Event()
    _watch(ended, options.parent_pid)
    threading.Thread(target=_lend, args=(endpoint, options.threads, ended, failed), daemon=True).start()
    ended.wait()
    log.flush(FLUSH_S)
    one_file.leave()
    os._exit(1 if failed.is_set() else 0)  # llama.cpp's server cannot be stopped


def _address(host: str) -> str:
    """The IPv4 address of a host: llama.cpp accepts neither names nor IPv6. Raises OSError."""
    found = []
    if host:  # to Windows an empty one means every address of this machine
        with suppress(OSError, UnicodeError):
            found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    if not found:
        raise OSError(0, f"--host: {host!r} is neither an IPv4 address nor a host name that has one.")
    return str(found[0][4][0])


def _check_free(address: str, port: int) -> None:
    """Raise OSError with the reason if the port cannot be used: llama.cpp gives no reason."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        if sys.platform != "win32":  # there it would take the port from another program
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
            tried.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "the port is in use already. Choose another --port, or end the program that uses it."
            elif error.errno == errno.EADDRNOTAVAIL:
                why = "this machine has no such address. Set --host to one of its addresses, or to 0.0.0.0 for all."
            else:
                why = f"{error.strerror}."
            raise OSError(error.errno, f"cannot listen on {address}:{port}: {why}") from None


def _watch(ended: threading.Event, parent_pid: int | None) -> None:
    """Set `ended` on a signal, when the parent ends, and when a piped stdin ends."""
    lifecycle.on_end_signals(ended.set)
    one_file.attend(ended.set)
    if parent_pid is not None:
        lifecycle.watch_process(parent_pid, ended.set)
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return  # a terminal, or a service without stdin

    def read() -> None:
        while os.read(0, 4096):
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()


def _lend(endpoint: str, threads: int | None, ended: threading.Event, failed: threading.Event) -> None:
    from sidecar.core.llama import backends, devices, rpc

    os.environ.setdefault("GGML_NO_BACKTRACE", "1")

    def on_log(level: int, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if text.strip("\n ."):
            log.log("warning" if level == 4 else "debug", text.strip(), source="llama.cpp")

    def on_abort(message: str) -> None:
        log.log("error", f"llama.cpp ends this program: {message}")
        log.flush(FLUSH_S)

    try:
        backends.start(on_log, on_abort)
        for level, message in backends.load():
            log.log(level, message)
        _log_output()
        lent = ", ".join(f"{device['name']} ({device['description']})" for device in rpc.lendable())
        log.log("info", f"Lending {lent} on {endpoint}, to one engine at a time")
        rpc.lend(endpoint, devices.threads(threads))
        log.log("error", "llama.cpp's server ended unexpectedly")
    except SidecarError as error:
        log.log("error", error.problem)
    except Exception as error:
        log.log_exception("llama.cpp cannot be loaded", error)
    failed.set()
    ended.set()


def _log_output() -> None:
    """Log what llama.cpp's server prints to stdout."""
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(writing)

    def read() -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                log.log("debug", line.strip(), source="llama.cpp")

    threading.Thread(target=read, daemon=True).start()
