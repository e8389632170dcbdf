"""Whether a process still runs, and what it runs."""

from __future__ import annotations

import sys

import psutil


def alive(process: psutil.Process) -> bool:
    """Whether a process runs: a zombie does not, nor one of Windows that is listed because of an open handle."""
    try:
        if sys.platform == "win32":
            process.wait(0)
            return False
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.TimeoutExpired:
        return True
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> list[str]:
    """Empty for one that ends meanwhile; Windows then raises what psutil does not know."""
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []
