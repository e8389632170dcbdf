"""`init`: what this engine is, and what it runs on. Its imports are all that an engine needs to be ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sidecar
from sidecar.core.jobs import Job
from sidecar.core.llama import bindings, devices, ggml, rpc
from sidecar.core.llama.bindings import lib
from sidecar.message_handler import log
from sidecar.message_handler._wire import PROTOCOL_VERSION, REQUESTS, SENT
from sidecar.message_handler.notifier import send_info

if TYPE_CHECKING:
    from sidecar.core.engine import Engine
    from sidecar.message_handler._types import InitParams, InitResult


def init(engine: Engine, job: Job) -> InitResult:
    """Answer `init`."""
    params: InitParams = job.params
    if params.get("debug"):
        log.configure("debug")
    gpu, _ = devices.resolve_gpu(params.get("gpu", "auto"))
    lent, busy = rpc.ask(params.get("rpcServers", []))
    for level, message in engine.notes:
        send_info(engine.writer, level, message)
    for endpoint, reason in busy.items():
        send_info(engine.writer, "warning", f"The devices of {endpoint} are unknown: {reason}")
    version, bindings_version = bindings.version()
    threads = devices.threads(params.get("maxThreads"))
    send_info(engine.writer, "info", f"llama.cpp {version} is ready: {gpu}, {threads} threads")
    return {
        "protocolVersion": PROTOCOL_VERSION,
        "serverInfo": {"name": "llama-sidecar", "version": sidecar.__version__},
        "llamaCpp": {
            "version": version,
            "bindingsVersion": bindings_version,
            "systemInfo": lib.llama_print_system_info().decode().strip(),
            "cpuVariant": engine.cpu_variant,
            "backends": ggml.backends(),
            "supportsMmap": lib.llama_supports_mmap(),
            "supportsMlock": lib.llama_supports_mlock(),
            "supportsGpuOffload": lib.llama_supports_gpu_offload(),
        },
        "devices": devices.describe(lent),
        "gpu": gpu,
        "threads": threads,
        "capabilities": {"methods": list(REQUESTS), "notifications": list(SENT)},
    }
