"""The commands for people. Each is a thin client of the protocol and can do nothing that an app cannot do.

Commands: models (pull, list, rm, inspect, estimate), generate/ (chat, complete, embed, rerank), demo, doctor (with
tiny_model), rpc_worker. arguments reads the command line, with common_options; command runs one; client speaks the
protocol; naming finds what MODEL and PATH mean; failure makes the texts of errors; shown/ prints.
"""

from __future__ import annotations

import argparse
import sys


def run(options: argparse.Namespace) -> int:
    """Run the command in `options`; returns the exit status."""
    if options.command in ("help", "version"):
        print(options.text, end="")
    elif options.command == "schema":
        from sidecar.message_handler.document import OPENRPC_FILE

        with open(OPENRPC_FILE, encoding="utf-8") as file:
            sys.stdout.write(file.read())
    elif options.command == "demo":
        from sidecar.cli.demo import demo

        return demo(options.model, options.prompt)
    elif options.command == "doctor":
        from sidecar.cli.doctor import doctor

        return doctor(options)
    elif options.command == "rpc-worker":
        from sidecar.cli.rpc_worker import rpc_worker

        return rpc_worker(options)
    elif options.command in ("chat", "complete", "embed", "rerank"):
        from sidecar.cli.generate import run_generating_command

        return run_generating_command(options)
    else:
        from sidecar.cli.models import run_model_command

        return run_model_command(options)
    return 0
