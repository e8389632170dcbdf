"""The entry point: claims stdio before any import that could write to it, reads the arguments, picks the role."""

from __future__ import annotations

import _thread
import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.message_handler import stdio

if TYPE_CHECKING:
    from argparse import Namespace
    from types import SimpleNamespace


def main() -> int:
    """Run the program as the command line says; returns the exit status."""
    try:
        protocol_in, protocol_out = stdio.claim()
    except OSError as error:
        raise SystemExit(f"llama-sidecar: stdin and stdout must be open: {error}") from None

    from sidecar.options import read

    options: Namespace | SimpleNamespace | None = read(sys.argv[1:])
    if options is None:
        from sidecar.cli.arguments import parse

        options = parse(sys.argv[1:])
        if options.command is not None:
            stdio.release(protocol_in, protocol_out)
            from sidecar.cli import run

            return run(options)
    gc.disable()  # start-up makes no garbage, and collecting would take 5 of an engine's 80 ms
    serve = _role(options, protocol_in, protocol_out)
    gc.freeze()
    gc.enable()
    serve()
    return 0


def _role(options: Namespace | SimpleNamespace, protocol_in: int, protocol_out: int) -> Callable[[], None]:
    """Prepare a role; returns the function that serves."""
    if options.role == "engine":
        if sys.platform == "win32":
            from sidecar.core import preload

            preload.begin()
        from sidecar.core.engine_process import EngineProcess

        return EngineProcess(protocol_in, protocol_out, log_level=options.log_level).run
    if options.role == "transfer":
        from sidecar.models.transfer import Transfer

        return Transfer(protocol_in, protocol_out, log_level=options.log_level).run
    if options.role == "trial":
        from sidecar.core.llama.backends import run_trial as trial

        return lambda: trial(protocol_in, protocol_out)
    if sys.platform == "win32":
        _thread.start_new_thread(_import_beside, ())
    from sidecar.worker.router import Router

    return Router(protocol_in, protocol_out, options).run


def _import_beside() -> None:
    """On Windows, beside the router's own imports: what waiting for signals needs, and what starts its first child.

    The first loads five libraries, and lets other threads run meanwhile.
    """
    import _socket  # noqa: F401
    import subprocess  # noqa: F401


if __name__ == "__main__":
    raise SystemExit(main())
