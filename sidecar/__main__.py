"""The entry: claims stdio before anything else is imported, reads the arguments, picks the role."""

from __future__ import annotations

import sys

from sidecar.message_handler import stdio


def main(arguments: list[str] | None = None) -> int:
    """Run the program; `arguments` default to the command line's."""
    try:
        protocol_in, protocol_out = stdio.claim()
    except OSError as error:
        raise SystemExit(f"llama-sidecar: stdin and stdout must be open: {error}") from None

    from sidecar.options import read

    words = sys.argv[1:] if arguments is None else arguments
    options = read(words)
    if options is None:
        from sidecar.arguments import parse

        options = parse(words)
    if options.command is not None:
        stdio.release(protocol_in, protocol_out)
        from sidecar.cli import run

        return run(options)
    if options.role == "engine":
        from sidecar.core.engine import Engine

        Engine(protocol_in, protocol_out, log_level=options.log_level).run()
    elif options.role == "transfer":
        from sidecar.models.transfer import Transfer

        Transfer(protocol_in, protocol_out, log_level=options.log_level).run()
    elif options.role == "trial":
        from sidecar.core.plugins import run_trial

        run_trial(protocol_in, protocol_out)
    else:
        from sidecar.worker.router import Router

        router = Router(
            protocol_in,
            protocol_out,
            log_level=options.log_level,
            max_line_bytes=options.max_line_bytes,
            finish=options.finish,
        )
        if options.parent_pid is not None:
            router.watch_parent(options.parent_pid)
        router.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
