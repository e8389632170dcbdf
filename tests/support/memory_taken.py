"""The memory that llama.cpp takes, from its own log; the estimates must equal it.

Run as a script: reads a JSON object from stdin {load, contexts}: the params of loadModel, and a list of those
of createContext; makes each as the program does and prints a JSON object {systemInfo, model, contexts, devices} of
what it took: {"model" | "KV" | "RS" | "compute" | "output": bytes}; `devices`: name → bytes of the model's weights.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

from model_memory import BUFFER, sizes_in

from sidecar.core.context.context import Context
from sidecar.core.llama import backends
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.speculation.mtp_head import MtpHead


def main() -> None:
    """Read what to make, make it, print what it took."""
    order = json.load(sys.stdin)
    said: list[str] = []
    backends.start(lambda _, line: said.append(line.decode()), print)

    def taken() -> dict[str, int]:
        sizes = sizes_in("".join(said))
        if "-v" in sys.argv:
            sys.stderr.write("".join(said))
        said.clear()
        return sizes

    by_device: Counter[str] = Counter()
    model = Model.load({"gpu": "cpu", "modelId": "model-1", **order["load"]}, lambda _: True)
    for name, what, mebibytes in BUFFER.findall("".join(said)):
        if what == "model":
            by_device[name] += round(float(mebibytes) * 2**20)
    weights, contexts = taken(), []
    for params in order["contexts"]:
        context = Context(model, {"contextId": "context-1", **params})
        head = MtpHead(context, {"contextId": "context-1", **params}) if model.has_mtp else None
        contexts.append(taken())
        if head is not None:
            head.free()
        context.free()
        said.clear()
    system_info = lib.llama_print_system_info().decode()
    found = {"model": weights, "contexts": contexts, "devices": by_device}
    print(json.dumps({"systemInfo": system_info, **found}))


if __name__ == "__main__":
    main()
