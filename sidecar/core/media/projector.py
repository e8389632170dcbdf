"""A projector: the part of a model that turns pictures and sound into rows of numbers. It has a file of its own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from sidecar.core.llama.bindings import lib
from sidecar.core.llama.mtmd import IMAGE, TEXT, log_to, mtmd
from sidecar.core.media import media_id
from sidecar.core.media.orientation import SIDEWAYS, UPRIGHT, turned
from sidecar.core.media.projector_file import check, unsuitable
from sidecar.core.media.source import Media
from sidecar.core.media.stop_flag import StopFlag
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf.fingerprint import fingerprint

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import ModelPointer
    from sidecar.core.llama.log import LlamaLog
    from sidecar.core.llama.mtmd_api import BitmapPointer, ChunkPointer, ChunksPointer, ProjectorPointer

PIXELS_PER_SIDE: Final = 4096
"""Of the picture that shows how many rows a chunk may have."""

SMALL_BYTES: Final = 32 * 1024 * 1024
"""A projector whose file has fewer bytes encodes with one thread, within a few milliseconds. ggml starts all others
anew with each encoding; one that gets no processor at once makes the first one wait for 10 ms."""


class Chunk(NamedTuple):
    """Rows that are computed together: a picture, a tile of one, or up to half a minute of sound."""

    id: int
    media: Media
    number: int
    """Which chunk of the media it is."""
    causal: bool
    """Whether its rows may be evaluated in several steps, each of which sees only the rows before."""
    grid: Sequence[tuple[int, int]]
    """With M-RoPE: column and row of each row of numbers in the picture."""


class Pieces(NamedTuple):
    """What stands in a prompt for a picture or a sound."""

    tokens: list[int]
    """Tokens of the vocabulary, and the ids of chunks."""
    chunks: list[Chunk]

    @property
    def rows(self) -> int:
        """How many rows all chunks have."""
        return sum(media_id.rows_of(chunk.id) for chunk in self.chunks)


class Projector:
    """Owns a mtmd_context. `pieces` is thread-safe; only one thread may call `encode`."""

    def __init__(self, handle: ProjectorPointer, path: str, row_floats: int, stop: StopFlag) -> None:
        self._handle = handle
        self.path = path
        self.stop = stop
        self._row_bytes = row_floats * ctypes.sizeof(ctypes.c_float)
        self.modalities: list[Literal["text", "image", "audio"]] = ["text"]
        if mtmd.mtmd_support_vision(handle):
            self.modalities.append("image")
        if mtmd.mtmd_support_audio(handle):
            self.modalities.append("audio")
        self.has_grid: bool = mtmd.mtmd_decode_use_mrope(handle)
        """Whether rows have several positions (M-RoPE)."""
        self._opened: tuple[str, ChunksPointer] | None = None

    @classmethod
    def load(
        cls,
        model: ModelPointer,
        path: str,
        device: int | None,
        threads: int,
        image_tokens: tuple[int, int],
        on_progress: Callable[[float], bool],
        log: LlamaLog,
    ) -> Projector:
        """Load a projector for a model. `device`: of ggml, None for the CPU; `image_tokens`: bounds, 0 for its own.

        Raises SidecarError `unsuitableProjector`, `aborted`, and those of `gguf.reader.read_header`.
        """
        check(path)
        log.clear()
        log_to(log)
        stopped: list[bool] = []

        def progressed(share: float, _: object) -> bool:
            if not on_progress(share):
                stopped.append(True)
            return not stopped

        options = mtmd.mtmd_context_params_default()
        options.use_gpu, options.device = device is not None, ctypes.c_void_p(device)
        small = os.path.getsize(path) < SMALL_BYTES
        options.n_threads, options.print_timings = 1 if small else threads, False
        options.image_min_tokens, options.image_max_tokens = (bound or -1 for bound in image_tokens)
        stop = StopFlag()
        options.cb_eval, options.progress_callback = stop.callback, mtmd.mtmd_progress_callback(progressed)
        handle = mtmd.mtmd_init_from_file(os.fsencode(path), model, options)
        if stopped:
            if handle is not None:
                mtmd.mtmd_free(handle)
            raise SidecarError("aborted", "loadModel was aborted")
        if handle is None:
            raise unsuitable(path, log.first_error())
        return cls(handle, path, lib.llama_model_n_embd_inp(model), stop)

    def free(self) -> None:
        """Give the memory back. The projector must not be used afterwards."""
        mtmd.mtmd_free(self._handle)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights."""
        return fingerprint([self.path])

    @cached_property
    def largest_whole_chunk(self) -> int:
        """How many rows a chunk may have that must be evaluated in one step; 0: none must."""
        if "image" not in self.modalities or not mtmd.mtmd_decode_use_non_causal(self._handle, None):
            return 0
        picture = Media(b"", "image", "", "0", PIXELS_PER_SIDE, PIXELS_PER_SIDE)
        try:
            return max(media_id.rows_of(chunk.id) for chunk in self.pieces(picture).chunks)
        except SidecarError:  # it wants the pixels; PromptMedia.check_batch looks at each picture
            return 0

    # ---- what stands in a prompt -----------------------------------------------------------------

    def pieces(self, media: Media) -> Pieces:
        """What stands in a prompt for a picture or a sound. A picture is not decoded: its size is enough.

        Raises SidecarError `mediaDamaged`, `unsupportedContent`.
        """
        pieces = Pieces([], [])
        with self._bitmap(media, empty=True) as bitmap:
            chunks = self._chunks(media, bitmap)
        try:
            for chunk in _all(chunks):
                if _is_text(chunk):
                    pieces.tokens.extend(_text(chunk))
                    continue
                pieces.chunks.append(self._described(media, len(pieces.chunks), chunk))
                own = pieces.chunks[-1].id
                pieces.tokens.extend([own] * media_id.rows_of(own))
        finally:
            mtmd.mtmd_input_chunks_free(chunks)
        return pieces

    def _described(self, media: Media, number: int, chunk: ChunkPointer) -> Chunk:
        rows: int = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        positions: int = mtmd.mtmd_input_chunk_get_n_pos(chunk)
        flat = self.has_grid and mtmd.mtmd_input_chunk_get_type(chunk) == IMAGE
        grid = []
        if flat:
            image = mtmd.mtmd_input_chunk_get_tokens_image(chunk)
            places = (mtmd.mtmd_image_tokens_get_decoder_pos(image, 0, index) for index in range(rows))
            grid = [(place.x, place.y) for place in places]
        causal = not mtmd.mtmd_decode_use_non_causal(self._handle, chunk)
        own = media_id.make(media.sha256, number, rows, positions, flat)
        return Chunk(own, media, number, causal, grid)

    @contextmanager
    def _bitmap(self, media: Media, *, empty: bool) -> Iterator[BitmapPointer]:
        """libmtmd's form of a picture or a sound. `empty`: only as many pixels or samples as it has count."""
        if empty and media.kind == "image":
            bitmap = mtmd.mtmd_bitmap_init(media.width, media.height, None)
        else:
            data = (ctypes.c_uint8 * len(media.data)).from_buffer_copy(media.data)
            bitmap = mtmd.mtmd_helper_bitmap_init_from_buf(self._handle, data, len(data), empty)
        if bitmap is None:
            cause = "llama.cpp cannot decode it"
            raise SidecarError("mediaDamaged", f"the {media.format.upper()} is damaged: {cause}", cause=cause)
        try:
            if media.orientation != UPRIGHT and not empty:
                upright = _upright(bitmap, media.orientation)
                mtmd.mtmd_bitmap_free(bitmap)
                bitmap = upright
            yield bitmap
        finally:
            mtmd.mtmd_bitmap_free(bitmap)

    def _chunks(self, media: Media, bitmap: BitmapPointer) -> ChunksPointer:
        """The chunks of a picture or a sound; the caller frees them."""
        part = mtmd.mtmd_input_part(None, bitmap)
        parts = (ctypes.POINTER(mtmd.mtmd_input_part) * 1)(ctypes.pointer(part))
        chunks = mtmd.mtmd_input_chunks_init()
        if mtmd.mtmd_tokenize_from_parts(self._handle, chunks, parts, 1, False) != 0:
            mtmd.mtmd_input_chunks_free(chunks)
            problem = f"the projector {os.path.basename(self.path)!r} can make nothing of this {media.kind}"
            raise SidecarError("unsupportedContent", problem)
        return chunks

    # ---- rows ------------------------------------------------------------------------------------

    def encode(self, chunk: Chunk) -> bytearray | None:
        """Compute the rows of a chunk; None if the stop flag was set.

        Raises SidecarError `mediaDamaged`, `unsupportedContent`, `decodeFailed`.
        """
        media = chunk.media
        made = [pointer for pointer in _all(self._open(media)) if not _is_text(pointer)]
        try:
            if [self._described(media, *each).id for each in enumerate(made)][chunk.number :][:1] != [
                chunk.id
            ]:
                cause = "it is not as large as its header says"
                raise SidecarError("mediaDamaged", f"the {media.format.upper()}: {cause}", cause=cause)
            self.stop.begin()
            failed = mtmd.mtmd_encode_chunk(self._handle, made[chunk.number])
            if self.stop.is_set:
                return None
            if failed:
                raise SidecarError("decodeFailed", f"the {media.kind} could not be encoded")
        finally:
            if self.stop.is_set or chunk.number + 1 >= len(made):
                self._close()
        size = media_id.rows_of(chunk.id) * self._row_bytes
        return bytearray(ctypes.string_at(mtmd.mtmd_get_output_embd(self._handle), size))

    def _open(self, media: Media) -> ChunksPointer:
        """The chunks of a picture or a sound with their pixels or samples. They stay open until the last is encoded."""
        if self._opened is not None and self._opened[0] != media.sha256:
            self._close()
        if self._opened is None:
            with self._bitmap(media, empty=False) as bitmap:
                self._opened = media.sha256, self._chunks(media, bitmap)
        return self._opened[1]

    def _close(self) -> None:
        if self._opened is not None:
            mtmd.mtmd_input_chunks_free(self._opened[1])
            self._opened = None


def _upright(bitmap: BitmapPointer, orientation: int) -> BitmapPointer:
    """A bitmap of its own with the same pixels, turned."""
    width, height = mtmd.mtmd_bitmap_get_nx(bitmap), mtmd.mtmd_bitmap_get_ny(bitmap)
    size = mtmd.mtmd_bitmap_get_n_bytes(bitmap)
    pixels = turned(ctypes.string_at(mtmd.mtmd_bitmap_get_data(bitmap), size), width, height, orientation)
    if orientation >= SIDEWAYS:
        width, height = height, width
    upright = mtmd.mtmd_bitmap_init(width, height, (ctypes.c_uint8 * size).from_buffer(pixels))
    assert upright is not None, "libmtmd makes any bitmap or throws"
    return upright


def _all(chunks: ChunksPointer) -> Iterator[ChunkPointer]:
    for index in range(mtmd.mtmd_input_chunks_size(chunks)):
        yield mtmd.mtmd_input_chunks_get(chunks, index)


def _is_text(chunk: ChunkPointer) -> bool:
    return mtmd.mtmd_input_chunk_get_type(chunk) == TEXT


def _text(chunk: ChunkPointer) -> list[int]:
    count = ctypes.c_size_t()
    tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
    return [tokens[index] for index in range(count.value)]
