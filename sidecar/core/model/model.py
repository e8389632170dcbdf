"""A loaded model: its weights and its vocabulary. Methods that only read them, such as `tokenize`, are thread-safe."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from sidecar.core.llama.bindings import lib
from sidecar.core.model import adapters, memory_plan, page_cache, placement
from sidecar.core.model.adapters import Adapters
from sidecar.core.model.sampler_cache import SamplerCache
from sidecar.core.model.token_table import TokenTable
from sidecar.core.model.tokenizer import Tokenizer
from sidecar.hardware.device_choice import check_range
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import parts
from sidecar.models.gguf.fingerprint import fingerprint
from sidecar.models.gguf.header import Header
from sidecar.models.gguf.splits import part_paths

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import ModelPointer
    from sidecar.core.media.encoder import Encoder
    from sidecar.core.model.placement import LoadParams
    from sidecar.message_handler._types import LoadModelResult


RANK_HEADS: Final = {"cls.weight", "cls.output.weight"}
"""A model that scores texts has one of these tensors."""


PLACEMENT: Final = ("tensorSplit", "expertsOnCpu", "memoryMarginBytes", "mtp")


class Model:
    """Owns a llama_model. `load` makes one."""

    def __init__(
        self, handle: ModelPointer, params: LoadParams, devices: Sequence[int], gpu_layers: int
    ) -> None:
        self.handle = handle
        self.model_id: str = params["modelId"]
        self.path: str = params["path"]
        self.max_threads: int | None = params.get("maxThreads")
        self.media_directories: list[str] | None = params.get("mediaDirectories")
        """Folders whose pictures and sounds requests may name; None: any file."""
        self.devices = devices
        self.gpu_layers = gpu_layers
        self.placement: Mapping[str, object] = {name: params[name] for name in PLACEMENT if name in params}
        """What the memory of its contexts depends on (memory_check.py)."""
        self.vocab = lib.llama_model_get_vocab(handle)
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(self.vocab)
        self.context_length_trained: int = lib.llama_model_n_ctx_train(handle)
        self.has_state_beyond_kv: bool = lib.llama_model_is_recurrent(handle) or lib.llama_model_is_hybrid(
            handle
        )
        """Set for recurrent and hybrid models: their state goes back to a checkpoint or the start only."""
        self.cannot_go_back: bool = self.has_state_beyond_kv or lib.llama_model_n_swa(handle) > 0
        """Whether its cache may go back to checkpoints only: windows do, unless a context keeps all tokens."""
        self._tokenizer = Tokenizer(self.vocab, self.metadata("tokenizer.ggml.pre"))
        self.adapters = Adapters(self.model_id, ())
        self.has_mtp: bool = params.get("mtp", False)
        """Whether the head that guesses the next tokens is loaded (mtp.py)."""
        self.draft: Model | None = None
        """A smaller model that proposes tokens for this one (loading.py)."""
        self.target_layers: list[int] = []
        """The layers of another model that it reads, if it guesses tokens for that one (draft_pair.py)."""
        self.encoder: Encoder | None = None
        """Of its projector, if it has one (loading.py)."""
        self.samplers = SamplerCache()
        self._pieces: dict[int, bytes] = {}
        self._attributes: dict[int, int] = {}
        self._end_tokens: dict[int, bool] = {}
        self._buffer = ctypes.create_string_buffer(256)
        self._piece_lock = threading.Lock()

    @classmethod
    def load(cls, params: LoadParams, on_progress: Callable[[float], bool]) -> Model:
        """Load a model. `on_progress(share)` gets the loaded share (0 to 1) and returns whether to go on.

        Raises SidecarError `aborted` if it does not go on, `backendNotAvailable`, `rpcServerUnavailable`,
        `deviceNotFound`, `invalidParams`, `outOfMemory`, `modelLoadFailed`, and those of `adapters.load`. The caller
        adds the cause that llama.cpp's log has.
        """
        check_range(params.get("gpuLayers"), "/gpuLayers")
        options = lib.llama_model_default_params()
        options.load_mode = placement.load_mode(params)
        placed = placement.place(params)
        kept = placement.fill(options, placed, params)
        layers = options.n_gpu_layers = memory_plan.plan_load(params, placed.handles)
        options.load_mtp = params.get("mtp", False)
        options.check_tensors = params.get("checkTensors", False)
        aborted = False

        def progressed(fraction: float, _: object) -> bool:
            nonlocal aborted
            aborted = aborted or not on_progress(fraction)
            return not aborted

        options.progress_callback = lib.llama_progress_callback(progressed)
        own_before = page_cache.own_bytes()
        handle = lib.llama_model_load_from_file(os.fsencode(params["path"]), options)
        del kept
        if aborted:
            if handle:
                lib.llama_model_free(handle)
            raise SidecarError("aborted", "loadModel was aborted")
        if not handle:
            problem = f"/path: llama.cpp refused {params['path']!r}"
            raise SidecarError("modelLoadFailed", problem, pointer="/path")
        page_cache.release(part_paths(params["path"]), own_before)
        model = cls(handle, params, placed.handles, layers)
        try:
            architecture = model.metadata("general.architecture") or ""
            loaded = adapters.load(handle, architecture, params.get("adapters", []))
        except SidecarError:
            lib.llama_model_free(handle)
            raise
        model.adapters = Adapters(model.model_id, loaded)
        return model

    def free(self) -> None:
        """Give the memory back. The model must not be used afterwards."""
        lib.llama_model_free(self.handle)

    @cached_property
    def header(self) -> Header | None:
        """The header of the file; None if it can no longer be read."""
        return memory_plan.read_header(self.path)

    def metadata(self, key: str) -> str | None:
        """A value of the model's metadata as text; None if the key is not there."""
        name = key.encode()
        length = lib.llama_model_meta_val_str(self.handle, name, None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        lib.llama_model_meta_val_str(self.handle, name, buffer, length + 1)
        return buffer.value.decode("utf-8", "replace")

    @cached_property
    def chat_template(self) -> str | None:
        """The model's chat template, a Jinja source; None if it has none."""
        source = lib.llama_model_chat_template(self.handle, None)
        return source.decode("utf-8", "replace") if source else None

    @cached_property
    def has_rank_head(self) -> bool:
        """Whether it has the weights that score a text. llama.cpp has no function for this."""
        names = {tensor.name for header in parts.read_headers(self.path) for tensor in header.tensors}
        return not names.isdisjoint(RANK_HEADS)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights."""
        return fingerprint(parts.paths(self.path))

    @property
    def modalities(self) -> list[Literal["text", "image", "audio"]]:
        """What messages may have."""
        return ["text"] if self.encoder is None else self.encoder.projector.modalities

    def describe(self, load_ms: float, memory_bytes: int) -> LoadModelResult:
        """The result of loadModel. Only the caller can measure the arguments."""
        buffer = ctypes.create_string_buffer(256)
        lib.llama_model_desc(self.handle, buffer, len(buffer))
        return {
            "modelId": self.model_id,
            "architecture": self.metadata("general.architecture") or "",
            "name": self.metadata("general.name"),
            "description": buffer.value.decode("utf-8", "replace"),
            "parameters": lib.llama_model_n_params(self.handle),
            "sizeBytes": lib.llama_model_size(self.handle),
            "contextLengthTrained": self.context_length_trained,
            "vocabularySize": self.vocabulary_size,
            "embeddingSize": lib.llama_model_n_embd(self.handle),
            "layers": lib.llama_model_n_layer(self.handle),
            "chatTemplate": self.chat_template is not None,
            "modalities": self.modalities,
            "projectorPath": None if self.encoder is None else self.encoder.projector.path,
            "loadMs": load_ms,
            "memoryBytes": memory_bytes,
        }

    # ---- vocabulary ------------------------------------------------------------------------------

    def tokenize(self, text: str, add_special: bool, parse_special: bool) -> list[int]:
        """Text to token ids; see Tokenizer."""
        return self._tokenizer.tokenize(text, add_special, parse_special)

    def prompt_tokens(self, prompt: str) -> list[int]:
        """The tokens of a whole prompt with special tokens in it. A BOS that it begins with is not added again."""
        tokens = self.tokenize(prompt, add_special=True, parse_special=True)
        bos = lib.llama_vocab_bos(self.vocab)
        doubled = lib.llama_vocab_get_add_bos(self.vocab) and tokens[:2] == [bos, bos]
        return tokens[1:] if doubled else tokens

    def detokenize(self, tokens: list[int]) -> str:
        """Token ids to text, special tokens by their names. Raises SidecarError `invalidToken`."""
        self.check_tokens(tokens, "/tokens")
        array = (lib.llama_token * len(tokens))(*tokens)
        room = 16 * len(tokens) + 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = lib.llama_detokenize(self.vocab, array, len(tokens), buffer, room, False, True)
            if count >= 0:
                return buffer.raw[:count].decode("utf-8", "replace")
            room = -count

    def check_tokens(self, tokens: list[int], pointer: str) -> None:
        """Raise SidecarError `invalidToken` if a token is not in the vocabulary. `pointer`: the param they are in."""
        for index, token in enumerate(tokens):
            if token >= self.vocabulary_size:
                where = f"{pointer}/{index}"
                allowed = {"minimum": 0, "maximum": self.vocabulary_size - 1}
                problem = f"{where}: {token} is not in the vocabulary of {self.vocabulary_size} tokens"
                raise SidecarError("invalidToken", problem, pointer=where, value=token, allowed=allowed)

    def piece(self, token: int) -> bytes:
        """The bytes of a token in generated text; empty for control tokens."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._read_piece(token, special=False)
        return piece

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Each token with its `piece`. They are not kept: those of a large vocabulary take 20 MB."""
        return ((token, self._read_piece(token, special=False)) for token in range(self.vocabulary_size))

    def token_text(self, token: int) -> str:
        """A special token as templates write it; "" for -1, which means that the model has none."""
        return self._read_piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def token_name(self, token: int) -> str:
        """The text that the tokenizer takes for this special token."""
        return lib.llama_vocab_get_text(self.vocab, token).decode("utf-8", "replace")

    def attributes(self, token: int) -> int:
        """What kind of token it is, as flags (llama_token_attr)."""
        attributes = self._attributes.get(token)
        if attributes is None:
            attributes = self._attributes[token] = lib.llama_vocab_get_attr(self.vocab, token)
        return attributes

    def ends(self, token: int) -> bool:
        """Whether a token ends a generation (end of text, end of turn)."""
        end = self._end_tokens.get(token)
        if end is None:
            end = self._end_tokens[token] = bool(lib.llama_vocab_is_eog(self.vocab, token))
        return end

    @cached_property
    def end_tokens(self) -> list[int]:
        """All tokens for which `ends` is true."""
        return [t for t in range(self.vocabulary_size) if lib.llama_vocab_is_eog(self.vocab, t)]

    @cached_property
    def token_table(self) -> TokenTable:
        """The vocabulary by first bytes. The first use takes at least 0.1 s."""
        return TokenTable([self.piece(token) for token in range(self.vocabulary_size)], self.end_tokens)

    @cached_property
    def suppressed_tokens(self) -> list[int]:
        """Tokens that must never be generated, by the model's file."""
        count = ctypes.c_int32()
        tokens = lib.llama_vocab_get_suppress_tokens(self.vocab, ctypes.byref(count))
        return [tokens[i] for i in range(count.value)]

    def _read_piece(self, token: int, special: bool) -> bytes:
        with self._piece_lock:
            size = lib.llama_token_to_piece(self.vocab, token, self._buffer, len(self._buffer), 0, special)
            if size < 0:
                self._buffer = ctypes.create_string_buffer(-size)
                size = lib.llama_token_to_piece(self.vocab, token, self._buffer, -size, 0, special)
            return self._buffer.raw[:size]
