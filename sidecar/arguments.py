"""The command line. Without a command the program serves JSON-RPC on stdin and stdout."""

from __future__ import annotations

import argparse
from typing import Final

import sidecar
from sidecar.message_handler.framing import MAX_LINE_BYTES
from sidecar.message_handler.log import LEVELS

COMMANDS: Final = ("help", "version", "schema", "demo")

DESCRIPTION: Final = """\
A local language model as a child process: reads JSON-RPC 2.0 requests on stdin, one a line, and
writes responses and the notifications `progress` and `info` on stdout. Logs go to stderr."""

EXAMPLE: Final = """\
from a shell:
  llama-sidecar --finish <<'END'
  {"jsonrpc": "2.0", "id": 1, "method": "loadModel", "params": {"path": "model.gguf"}}
  {"jsonrpc": "2.0", "id": 2, "method": "createContext", "params": {"modelId": "model-1"}}
  {"jsonrpc": "2.0", "id": 3, "method": "chat", "params": {"contextId": "context-1",
   "messages": [{"role": "user", "content": "Hello!"}]}}
  END
(each request on one line). `llama-sidecar --print-schema` describes every method.
`llama-sidecar demo --model FILE` shows a conversation with all its messages."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="llama-sidecar",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    add = parser.add_argument
    add(
        "-h",
        "--help",
        dest="command",
        action="store_const",
        const="help",
        help="show this and exit",
    )
    add(
        "--version",
        dest="command",
        action="store_const",
        const="version",
        help="show the version and exit",
    )
    add(
        "--print-schema",
        dest="command",
        action="store_const",
        const="schema",
        help="print the protocol as an OpenRPC document and exit",
    )
    add("--parent-pid", type=int, metavar="PID", help="end when this process ends")
    add(
        "--finish",
        action="store_true",
        help="at the end of stdin finish the open requests, then exit (default: abort them and exit)",
    )
    add(
        "--log-level",
        choices=list(LEVELS),
        default="warning",
        help="lowest level on stderr (%(default)s)",
    )
    add(
        "--max-line-bytes",
        type=int,
        metavar="N",
        default=MAX_LINE_BYTES,
        help="longest request line that is accepted (%(default)s)",
    )
    add("--role", choices=("router", "engine", "transfer"), default="router", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="subcommand", metavar="")
    demo = commands.add_parser("demo", help="load a model and chat with it, showing every message")
    demo.add_argument("--model", required=True, metavar="FILE", help="a GGUF file")
    demo.add_argument("--prompt", default="Why is the sky blue?", help="what to ask (%(default)s)")
    return parser


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; `options.command` is a member of COMMANDS or None. Exits on a wrong one."""
    options = _parser().parse_args(arguments)
    options.command = options.command or options.subcommand
    options.version_text = f"llama-sidecar {sidecar.__version__}"
    return options


def help_text() -> str:
    """What --help prints."""
    return _parser().format_help()
