"""The command line that options.py does not read: commands, help, and what to say to mistakes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import sidecar
from sidecar.options import OPTIONS

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
`llama-sidecar demo --model FILE` shows a conversation with all its messages.
`llama-sidecar COMMAND --help` tells what a command takes."""

MODEL: Final = """\
MODEL is owner/repo on the hub (the quantisation that fits best), owner/repo:Q4_K_M,
owner/repo/path/file.gguf, or an https address. For gated and private repositories set HF_TOKEN, or
log in with the hub's own tool: a token on the command line could be read by everybody here.
"""
MODEL_OR_PATH: Final = f"{MODEL}A GGUF file that is here is taken as a path.\n"


RPC_WORKER: Final = """\
The other machine's app names it in `init`: {"rpcServers": ["192.168.1.20:50052"]}. Both sides should be of
the same release. One engine at a time uses it. Ctrl-C ends it, and so does the end of a piped stdin.

The protocol has neither authentication nor encryption. Bind it to an address that only machines which
you trust can reach; without --host it is this machine alone."""


class _HelpAsked(Exception):
    """Carries the text. It is printed after stdout is given back, which parsing comes before."""


class _Help(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        raise _HelpAsked(parser.format_help())


def _with_help(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-h", "--help", action=_Help, help="show this and exit")
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = _with_help(
        argparse.ArgumentParser(prog="llama-sidecar", description=DESCRIPTION, epilog=EXAMPLE, add_help=False)
    )
    add = parser.add_argument
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
    for name, about in OPTIONS.items():
        add(name, **{"help": argparse.SUPPRESS, **about})
    _add_commands(parser)
    return parser


def _add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", title="commands")

    def command(name: str, does: str, example: str, description: str = "") -> argparse.ArgumentParser:
        epilog = f"example:\n  llama-sidecar {example}"
        text = f"{does[0].upper()}{does[1:]}.\n\n{description}".rstrip()
        return _with_help(
            commands.add_parser(name, help=does, description=text, epilog=epilog, add_help=False)
        )

    demo = command("demo", "load a model and chat with it, showing every message", "demo --model model.gguf")
    demo.add_argument("--model", required=True, metavar="FILE", help="a GGUF file")
    demo.add_argument("--prompt", default="Why is the sky blue?", help="what to ask (%(default)s)")

    pull = command(
        "pull",
        "fetch a model, whole and verified; goes on where it stopped",
        "pull bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M",
        f"{MODEL}Its path is printed on stdout, everything else on stderr.",
    )
    pull.add_argument("model", metavar="MODEL", help="what to fetch")
    _add_hub(pull)
    _add_directory(pull)
    pull.add_argument("--projector", action="store_true", help="fetch the multimodal projector (mmproj), too")
    pull.add_argument("--force", action="store_true", help="fetch it anew although it is here")

    listing = command("list", "show the models that are on this disk", "list")
    _add_directory(listing)

    remove = command(
        "rm",
        "delete a model, or what came of an unfinished download; does not ask",
        "rm bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf",
    )
    remove.add_argument("path", metavar="PATH", help="its path, or its name as `list` shows it")
    _add_directory(remove)

    inspect = command(
        "inspect",
        "show what a model's header says, also before it is fetched",
        "inspect bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M",
        MODEL_OR_PATH,
    )
    estimate = command(
        "estimate",
        "show what memory a model will take and whether it runs here, also before it is fetched",
        "estimate Qwen/Qwen2.5-7B-Instruct-GGUF:Q4_K_M --context-size 16384 --kv-cache-type q8_0",
        MODEL_OR_PATH,
    )
    for either in (inspect, estimate):
        either.add_argument("model", metavar="PATH-or-MODEL", help="what to look at")
        _add_hub(either)
    _add_plan(estimate)
    doctor = command("doctor", "find out whether everything works here, and what to do if not", "doctor")
    _add_directory(doctor)
    doctor.add_argument("--endpoint", metavar="URL", help="the hub or a mirror (HF_ENDPOINT)")
    _add_rpc_worker(
        command(
            "rpc-worker",
            "lend this machine's GPUs, or its CPU, to engines on other machines",
            "rpc-worker --host 192.168.1.20",
            RPC_WORKER,
        )
    )
    for scripted in (pull, listing, inspect, estimate, doctor):
        scripted.add_argument("--json", action="store_true", help="print the result as JSON, for scripts")


def _add_hub(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit (main)")
    parser.add_argument("--endpoint", metavar="URL", help="the hub or a mirror (HF_ENDPOINT)")


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models-directory", metavar="FOLDER", help="where the models are (the user's own place for data)"
    )


def _add_plan(estimate: argparse.ArgumentParser) -> None:
    add = estimate.add_argument
    add("--context-size", type=_count, metavar="N", help="tokens a sequence (the model's own, at most 4096)")
    add("--sequences", type=_count, metavar="N", help="requests that can run at once (1)")
    add(
        "--kv-cache-type",
        metavar="TYPE",
        help="number format of the KV cache: f16, q8_0, q4_0 and more (f16)",
    )
    add("--gpu-layers", type=_layers, metavar="N", help="layers to place on the GPU (auto: all that fit)")


def _add_rpc_worker(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", metavar="ADDRESS", default="127.0.0.1", help="IPv4 address to listen on (%(default)s)")
    add("--port", type=_port, metavar="N", default=50052, help="port to listen on (%(default)s)")
    add("--threads", type=_count, metavar="N", help="compute threads (one a processor, at most 16)")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: a number from 1 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of at least 1")
    return int(text)


def _layers(text: str) -> int | str:
    if text != "auto" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is neither a number nor auto")
    return text if text == "auto" else int(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; `options.command` is the command's name or None. Exits on a wrong one."""
    try:
        options = _parser().parse_args(arguments)
    except _HelpAsked as asked:
        return argparse.Namespace(command="help", text=str(asked))
    options.command = options.command or options.subcommand
    options.text = f"llama-sidecar {sidecar.__version__}\n"
    return options
