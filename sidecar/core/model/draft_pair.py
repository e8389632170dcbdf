"""Which draft models fit a model. The rules are those of llama.cpp (common/speculative.cpp, src/models/eagle3.cpp)."""

from __future__ import annotations

from typing import Final

from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import parts
from sidecar.models.gguf.header import Header

MAX_SIZE_DIFFERENCE: Final = 128
"""Tokens that one vocabulary may have more than the other."""

FIRST_COMPARED: Final = 5
"""The tokens before this one may differ."""

EAGLE: Final = "eagle3"
"""Architecture of a draft that reads what comes into layers of its model (speculation/eagle_head.py)."""

ONLY_DRAFTS: Final = frozenset({EAGLE, "dflash", "gemma4-assistant"})
"""Architectures that compute nothing without another model."""

GIVES_INPUTS: Final = frozenset(
    ("bailingmoe3", "deepseek4", "gemma4", "gpt-oss", "hunyuan-dense", "hunyuan_vl", "lfm2", "lfm2moe", "llama",
     "mimo2", "minimax-m2", "muse-glimmer", "nanbeige", "nemotron_h", "nemotron_h_moe", "qwen3", "qwen35", "qwen35moe",
     "qwen3moe")
)  # fmt: skip
"""Architectures that hand out what comes into their layers (t_layer_inp in src/models/): llama.cpp ends the process if
another is asked. qwen3next and minimax-01 do, too, but cannot take tokens back from their recurrent state."""

GIVES_OUTPUTS: Final = GIVES_INPUTS & {
    "bailingmoe3", "gemma4", "gpt-oss", "mimo2", "nemotron_h", "nemotron_h_moe", "qwen35", "qwen35moe",
}  # fmt: skip
"""Those that also hand out what comes out of the last layer (t_h_nextn)."""


def check_whole(model: Model) -> None:
    """Raise SidecarError `unsuitableModel` if the file has only what guesses tokens for another model."""
    kind = model.metadata("general.architecture")
    if kind in ONLY_DRAFTS:
        use = (
            "give it as draftPath of that model" if kind == EAGLE else "it is not supported as a draft either"
        )
        problem = f"/path: {model.path!r} ({kind}) only guesses tokens for another model: {use}"
        raise SidecarError("unsuitableModel", problem, pointer="/path", value=model.path[:500])


def check_pair(model: Model, draft: Model, path: str) -> None:
    """Raise SidecarError `unsuitableDraft` if the draft model cannot propose tokens for the model.

    `path` is the draft model's, as the request gave it. Fills in the draft's `target_layers`.
    """
    cause = _misfit(model, draft)
    if cause is not None:
        problem = f"/draftPath: {path!r} does not fit {model.path!r}: {cause}"
        raise SidecarError("unsuitableDraft", problem, pointer="/draftPath", value=path[:500], cause=cause)


def _misfit(model: Model, draft: Model) -> str | None:
    """Why the pair does not fit; None if it does."""
    kind = draft.metadata("general.architecture")
    if kind == EAGLE:
        return _eagle_misfit(model, draft) or _other_vocabulary(model, draft)
    if kind in ONLY_DRAFTS:
        return f"drafts of the architecture {kind} are not supported"
    if model.has_state_beyond_kv:
        return "the model's state is recurrent and cannot take back draft tokens"
    if draft.has_state_beyond_kv:
        return "the draft model's state is recurrent and cannot take back draft tokens"
    return _other_vocabulary(model, draft)


def _other_vocabulary(model: Model, draft: Model) -> str | None:
    if lib.llama_vocab_type(model.vocab) != lib.llama_vocab_type(draft.vocab):
        return "their vocabularies are of different types"
    if _begin_token(model) != _begin_token(draft):
        return "their bos tokens differ"
    if _end_token(model) != _end_token(draft):
        return "their eos tokens differ"
    if abs(model.vocabulary_size - draft.vocabulary_size) > MAX_SIZE_DIFFERENCE:
        return f"their vocabularies have {model.vocabulary_size} and {draft.vocabulary_size} tokens"
    text = lib.llama_vocab_get_text
    for token in range(FIRST_COMPARED, min(model.vocabulary_size, draft.vocabulary_size)):
        if text(model.vocab, token) != text(draft.vocab, token):
            return f"token {token} differs"
    return None


def _eagle_misfit(model: Model, draft: Model) -> str | None:
    """Why an EAGLE-3 draft does not fit. Most of it llama.cpp finds, too, but then it ends the process."""
    architecture, header = model.metadata("general.architecture") or "", draft.header
    if architecture not in GIVES_INPUTS:
        return f"llama.cpp does not hand out what the layers of the architecture {architecture} read"
    if header is None:
        return "its header cannot be read"
    try:
        from sidecar.core.llama import nextn  # noqa: F401  # only for models with a head
    except ImportError:
        return "this build of llama.cpp does not hand out what layers read"
    width, own = lib.llama_model_n_embd(model.handle), lib.llama_model_n_embd(draft.handle)
    made_for = header.typed(f"{EAGLE}.target_hidden_size", int)
    if made_for != width:
        return f"it is made for hidden states of {made_for} numbers, the model's have {width}"
    states = lib.llama_model_n_embd_out(draft.handle)
    if states != own:
        return f"its states have {own} numbers, its header says {states}"
    last = lib.llama_model_n_layer(model.handle) - (architecture not in GIVES_OUTPUTS)
    layers = header.metadata.get(f"{EAGLE}.target_layers")
    draft.target_layers = [at for at in layers if isinstance(at, int)] if isinstance(layers, list) else []
    if not draft.target_layers or not 0 <= min(draft.target_layers) <= max(draft.target_layers) <= last:
        return f"it reads the layers {layers}, of this model 0 to {last} can be read"
    if lib.llama_model_n_layer(draft.handle) != 1:
        return "it has more than one layer"
    tokens = model.vocabulary_size
    if draft.vocabulary_size != tokens:
        return f"their vocabularies have {tokens} and {draft.vocabulary_size} tokens"
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    embeddings, output = (shapes.get(f"{name}.weight") for name in ("token_embd", "output"))
    if own != width and not (embeddings and output):
        return f"it needs the model's embeddings or output, whose rows have {width} numbers, not {own}"
    if embeddings and embeddings[-1] != tokens:
        return f"it has embeddings of {embeddings[-1]} tokens, not {tokens}"
    if shapes.get("blk.0.attn_k.weight") != shapes.get("blk.0.attn_v.weight"):
        return "its keys and its values have heads of different lengths"
    head = shapes["blk.0.attn_q.weight"][-1] // max(1, lib.llama_model_n_head(draft.handle))
    turned = header.typed(f"{EAGLE}.rope.dimension_count", int)
    if turned is not None and (turned % 2 or not 0 < turned <= head):
        return f"its positions turn {turned} of the {head} numbers of a head"
    return _map_misfit(draft, header, tokens, output is not None)


def _map_misfit(draft: Model, header: Header, tokens: int, has_output: bool) -> str | None:
    """Why the map from the draft's tokens to the model's `tokens` is of no use; None if it is, or if there is none."""
    found = next((tensor for tensor in header.tensors if tensor.name == "d2t"), None)
    if found is None:
        return None
    if found.type_name != "I64":
        return f"its map of tokens has the type {found.type_name}"
    if not has_output and found.weights != tokens:
        return f"it maps {found.weights} tokens, but has no output of its own"
    try:
        mapped = memoryview(_bytes_of(draft, header, "d2t")).cast("q")
    except (OSError, ValueError, TypeError) as error:
        return f"its map of tokens cannot be read: {error}"
    if not len(mapped) == found.weights > 0 or min(mapped) < 0 or max(mapped) >= tokens:
        return f"it maps tokens to others than the {tokens} of the model"
    return None


def _bytes_of(model: Model, header: Header, name: str) -> bytes:
    """The bytes of a tensor, which may be in any part of a split file. `header`: of all parts. Raises OSError."""
    paths = parts.paths(model.path)
    headers = [header] if len(paths) == 1 else parts.read_headers(model.path)
    for path, part in zip(paths, headers, strict=True):
        for tensor in part.tensors:
            if tensor.name == name:
                with open(path, "rb") as file:
                    file.seek(part.data_start + tensor.offset)
                    return file.read(tensor.size or 0)
    return b""


def _begin_token(model: Model) -> int | None:
    """The token that the tokenizer puts before a text; None if it puts none."""
    return lib.llama_vocab_bos(model.vocab) if lib.llama_vocab_get_add_bos(model.vocab) else None


def _end_token(model: Model) -> int | None:
    """The token that the tokenizer puts after a text; None if it puts none."""
    return lib.llama_vocab_eos(model.vocab) if lib.llama_vocab_get_add_eos(model.vocab) else None
