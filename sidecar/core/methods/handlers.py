"""The engine's methods: one function for each, (engine, job) → result, or None if the answer comes later.

They run in the order of the requests, so that createContext finds the model that the request before it loads.
A new method needs a function in one of the files here, and a row in a table below. The methods of the router are
in worker/methods.py, those of a transfer in models/methods.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from sidecar.core.methods import contexts, init, models

if TYPE_CHECKING:
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.message_handler._types import RestoreStateResult

Handler: TypeAlias = "Callable[[Engine, Job], Mapping[str, object] | None]"


def save_state(engine: Engine, job: Job) -> None:
    """Begin a `saveState`. Its module brings OpenSSL for checksums: 3 MB that an engine seldom needs."""
    from sidecar.core.methods import state

    state.save_state(engine, job)


def restore_state(engine: Engine, job: Job) -> RestoreStateResult:
    """Answer `restoreState`; imported late as `save_state` is."""
    from sidecar.core.methods import state

    return state.restore_state(engine, job)


def inference() -> dict[str, Handler]:
    """The functions of INFERENCE. Their modules are imported while the model loads (models.py)."""
    from sidecar.core.methods import embed, generate, tokens

    return {
        "complete": generate.complete,
        "chat": generate.chat,
        "infill": generate.infill,
        "embed": embed.embed,
        "rerank": embed.rerank,
        "tokenize": tokens.tokenize,
        "detokenize": tokens.detokenize,
        "applyTemplate": tokens.apply_template,
        "countTokens": tokens.count_tokens,
    }


def infer(engine: Engine, job: Job) -> Mapping[str, object] | None:
    """Serve any method of INFERENCE."""
    return inference()[job.method](engine, job)


INFERENCE: Final = (
    "complete", "chat", "infill", "embed", "rerank", "tokenize", "detokenize", "applyTemplate",
    "countTokens",
)  # fmt: skip
"""Methods that change nothing before they compute. So an abort is answered at once; what still runs has no effect."""

PREPARED: Final = (*INFERENCE, "saveState")
"""Methods that may take long before the compute thread has them. The next requests do not wait for that."""

HANDLERS: Final[dict[str, Handler]] = {
    "init": init.init,
    "loadModel": models.load_model,
    "createContext": contexts.create_context,
    "disposeContext": contexts.dispose_context,
    "saveState": save_state,
    "restoreState": restore_state,
    **dict.fromkeys(INFERENCE, infer),
}
