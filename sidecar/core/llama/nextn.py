"""The functions of libllama that hand out hidden states, for what guesses further tokens (MTP, EAGLE-3).

llama.cpp exports them under C++ names (llama-ext.h). The names follow from the types of the arguments: by the rules of
the Itanium ABI with GCC, Clang, MinGW and Zig, by those of Visual C++ with its compiler.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from sidecar.core.llama import ggml
from sidecar.core.llama.ggml import CType


def _function(names: tuple[str, str], result: CType, *arguments: CType) -> Callable[..., CType]:
    """`names`: of Itanium and of Visual C++."""
    itanium, visual = names
    try:
        return ggml.function(itanium, result, *arguments)
    except ImportError:
        return ggml.function(visual, result, *arguments)


set_hidden_states = _function(
    (
        "_Z26llama_set_embeddings_nextnP13llama_contextbb",
        "?llama_set_embeddings_nextn@@YAXPEAUllama_context@@_N1@Z",
    ),
    None,
    *(ctypes.c_void_p, ctypes.c_bool, ctypes.c_bool),
)
"""Context, whether to keep the hidden states, and whether only of tokens with logits."""

hidden_state = _function(
    (
        "_Z30llama_get_embeddings_nextn_ithP13llama_contexti",
        "?llama_get_embeddings_nextn_ith@@YAPEAMPEAUllama_context@@H@Z",
    ),
    ctypes.c_void_p,
    *(ctypes.c_void_p, ctypes.c_int32),
)
"""The address of the state of one place in the last batch."""

set_layer_inputs = _function(
    (
        "_Z30llama_set_embeddings_layer_inpP13llama_contextjb",
        "?llama_set_embeddings_layer_inp@@YAXPEAUllama_context@@I_N@Z",
    ),
    None,
    *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_bool),
)
"""Context, layer, and whether to keep what comes into it."""

layer_inputs = _function(
    (
        "_Z30llama_get_embeddings_layer_inpP13llama_contextj",
        "?llama_get_embeddings_layer_inp@@YAPEAMPEAUllama_context@@I@Z",
    ),
    ctypes.c_void_p,
    *(ctypes.c_void_p, ctypes.c_uint32),
)
"""The address of what came into a layer: a row for each place in the last batch."""
