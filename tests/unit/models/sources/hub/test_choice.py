"""Which files of a repository are chosen for what `model` names."""

from __future__ import annotations

import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf.splits import quantization_of
from sidecar.models.sources.hub.choice import RemoteFile, choose, near
from sidecar.models.sources.model_reference import HubSource

MB = 1_000_000


def files(*sizes: tuple[str, int]) -> list[RemoteFile]:
    return [RemoteFile(path, size, "0" * 64) for path, size in sizes]


TINY = files(
    ("README.md", 10),
    ("mmproj-F32.gguf", 9 * MB),
    ("mmproj-F16.gguf", 5 * MB),
    ("tiny.imatrix.gguf", 1 * MB),
    ("tiny-Q2_K.gguf", 30 * MB),
    ("tiny-Q4_K_M.gguf", 60 * MB),
    ("tiny-Q8_0-00001-of-00002.gguf", 50 * MB),
    ("tiny-Q8_0-00002-of-00002.gguf", 50 * MB),
    ("BF16/tiny-BF16.gguf", 200 * MB),
    ("tiny-Q6_K-00001-of-00002.gguf", 40 * MB),  # its second part is not there
)


@pytest.mark.parametrize(
    ("path", "quantization"),
    [
        ("tiny-Q4_K_M.gguf", "Q4_K_M"),
        ("tiny.q4_k_m.gguf", "Q4_K_M"),
        ("Q8_0/tiny-Q8_0-00001-of-00002.gguf", "Q8_0"),
        ("tiny-IQ2_XXS.gguf", "IQ2_XXS"),
        ("tiny-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("tiny-F16.gguf", "F16"),
        ("gpt-mxfp4.gguf", "MXFP4"),
        ("model.gguf", None),
        ("Qwen2-7B.gguf", None),
    ],
)
def test_a_quantisation_is_reported_by_the_name(path: str, quantization: str | None) -> None:
    assert quantization_of(path) == quantization


@pytest.mark.parametrize(
    ("budget", "parts"),
    [
        (None, ["tiny-Q8_0-00001-of-00002.gguf", "tiny-Q8_0-00002-of-00002.gguf"]),
        (100 * MB, ["tiny-Q8_0-00001-of-00002.gguf", "tiny-Q8_0-00002-of-00002.gguf"]),
        (99 * MB, ["tiny-Q4_K_M.gguf"]),
        (30 * MB, ["tiny-Q2_K.gguf"]),
    ],
)
def test_the_best_that_fits_is_the_largest_quantised_one(budget: int | None, parts: list[str]) -> None:
    assert [file.path for file in choose(HubSource("me/tiny"), TINY, False, budget).parts] == parts


def test_when_none_fits_that_is_said_with_what_the_smallest_takes() -> None:
    with pytest.raises(SidecarError) as caught:
        choose(HubSource("me/tiny"), TINY, False, 29 * MB)
    assert caught.value.kind == "outOfMemory"
    assert caught.value.details["value"] == 30 * MB


def test_full_precision_is_taken_where_there_is_nothing_else() -> None:
    only = files(("tiny-F16.gguf", 100), ("tiny-F32.gguf", 200))
    assert choose(HubSource("me/tiny"), only, False, None).parts[0].path == "tiny-F32.gguf"


def test_a_part_of_a_split_model_stands_for_all_of_them() -> None:
    source = HubSource("me/tiny", "tiny-Q8_0-00002-of-00002.gguf")
    assert [file.path[-20:-5] for file in choose(source, TINY, False, None).parts] == [
        "-00001-of-00002",
        "-00002-of-00002",
    ]


def test_a_split_model_that_is_not_whole_is_refused() -> None:
    with pytest.raises(SidecarError, match="not its other parts"):
        choose(HubSource("me/tiny", "tiny-Q6_K-00001-of-00002.gguf"), TINY, False, None)
    with pytest.raises(SidecarError) as caught:
        choose(HubSource("me/tiny", None, "Q6_K"), TINY, False, None)
    assert caught.value.details["allowed"] == ["BF16", "Q2_K", "Q4_K_M", "Q8_0"]


def test_the_projector_comes_when_asked_in_f16_if_there_is_a_choice() -> None:
    assert choose(HubSource("me/tiny"), TINY, False, None).projector is None
    chosen = choose(HubSource("me/tiny"), TINY, True, None).projector
    assert chosen is not None
    assert chosen.path == "mmproj-F16.gguf"
    with pytest.raises(SidecarError, match="no projector"):
        choose(HubSource("me/tiny"), files(("tiny-Q2_K.gguf", 1)), True, None)


def test_near_names_are_offered() -> None:
    assert near("tiny-q4km.gguf", [file.path for file in TINY])[0] == "tiny-Q4_K_M.gguf"
    with pytest.raises(SidecarError) as caught:
        choose(HubSource("me/tiny", "tiny-Q4_KM.gguf"), TINY, False, None)
    assert caught.value.kind == "remoteFileNotFound"
    assert caught.value.details["allowed"][0] == "tiny-Q4_K_M.gguf"


# ---- files beside the model --------------------------------------------------------------------------


def chosen(name: str, listed: list[RemoteFile], budget: int | None = None) -> str:
    """The path that `owner/repo` or `owner/repo:Q4_K_M` means."""
    repository, _, quantization = name.partition(":")
    return choose(HubSource(repository, None, quantization or None), listed, False, budget).parts[0].path


MODEL = files(("M-Q4_K_M.gguf", 5000 * MB), ("M-Q8_0.gguf", 9000 * MB))


@pytest.mark.parametrize(
    "companion",
    [
        "A-MTP-Q4_K_M.gguf",
        "draft/dflash-Q4_K_M.gguf",
        "MTP/M-Q4_K_M-MTP.gguf",
        "eagle3-M-Q4_K_M.gguf",
        "A/mmproj/vision-Q4_K_M.gguf",
        "mmproj-Q4_K_M.gguf",
        "A-imatrix-Q4_K_M.gguf",
        "A-imatrix.gguf",
        "A-lora-Q4_K_M.gguf",
        "A-Q4_K_M-draft.gguf",
        "A-assistant-Q4_K_M.gguf",
        "A-embeddings-Q4_K_M.gguf",
        "A-vision-encoder.Q4_K_M.gguf",
        "mtp/A.gguf",
        "A-nextn-Q4_K_M-00001-of-00001.gguf",
    ],
)
def test_a_file_that_goes_with_a_model_is_not_taken_for_it(companion: str) -> None:
    listed = files((companion, 300 * MB)) + MODEL
    assert chosen("me/M-GGUF:Q4_K_M", listed) == "M-Q4_K_M.gguf"
    assert chosen("me/M-GGUF", listed, 6000 * MB) == "M-Q4_K_M.gguf"
    with pytest.raises(SidecarError) as caught:
        chosen("me/M-GGUF", listed, 1000 * MB)
    assert caught.value.kind == "outOfMemory", "it fits, but it is not the model"
    named = choose(HubSource("me/M-GGUF", companion), listed, False, None)
    assert [part.path for part in named.parts] == [companion], "who names it, wants it"


def test_a_quantisation_that_only_a_companion_has() -> None:
    """As in a repository whose model is in MXFP4, with heads for drafts beside it."""
    listed = files(
        ("eagle3-gpt-BF16.gguf", 1600 * MB),
        ("eagle3-gpt-Q8_0.gguf", 850 * MB),
        ("gpt-mxfp4-00001-of-00002.gguf", 32_000 * MB),
        ("gpt-mxfp4-00002-of-00002.gguf", 31_000 * MB),
    )
    with pytest.raises(SidecarError, match="is not the model") as caught:
        chosen("org/gpt-GGUF:Q8_0", listed)
    assert (caught.value.kind, caught.value.details["allowed"]) == ("remoteFileNotFound", ["MXFP4"])
    assert chosen("org/gpt-GGUF", listed) == "gpt-mxfp4-00001-of-00002.gguf"


@pytest.mark.parametrize("name", ["me/M-MTP-GGUF", "me/M-GGUF"])
def test_a_model_whose_own_name_has_the_word(name: str) -> None:
    """A model with its heads inside, and the same heads alone."""
    listed = files(
        ("mtp-m-mtp-Q8_0.gguf", 2300 * MB),
        ("m-mtp-Q8_0.gguf", 9100 * MB),
        ("m-mtp-IQ3_M.gguf", 5600 * MB),
        ("mmproj-m-F16.gguf", 900 * MB),
    )
    assert chosen(f"{name}:Q8_0", listed) == "m-mtp-Q8_0.gguf"
    assert chosen(f"{name}:IQ3_M", listed) == "m-mtp-IQ3_M.gguf"
    with pytest.raises(SidecarError, match="has no quantisation F16"):
        chosen(f"{name}:F16", listed)


def test_a_model_and_the_same_with_its_heads_inside() -> None:
    listed = files(("M-MTP-Q4_K_M.gguf", 5300 * MB), ("M-MTP-Q8_0.gguf", 9500 * MB)) + MODEL
    assert chosen("me/M-GGUF:Q4_K_M", listed) == "M-Q4_K_M.gguf"
    with pytest.raises(SidecarError) as caught:
        chosen("me/M-MTP-GGUF:Q4_K_M", listed)
    assert caught.value.kind == "ambiguousModel"


def test_a_repository_of_drafts_has_them_as_its_models() -> None:
    listed = files(("M-eagle3-Q4_K_M.gguf", 300 * MB), ("M-eagle3-Q8_0.gguf", 600 * MB))
    assert chosen("me/anything:Q4_K_M", listed) == "M-eagle3-Q4_K_M.gguf"


def test_one_model_may_lie_there_whole_split_and_in_folders() -> None:
    copies = files(
        ("Q4_K_M/M-Q4_K_M-00001-of-00002.gguf", 2500 * MB),
        ("Q4_K_M/M-Q4_K_M-00002-of-00002.gguf", 2500 * MB),
        ("BF16/M-BF16-00001-of-00001.gguf", 16_000 * MB),
        ("M-BF16.gguf", 16_000 * MB),
        ("M-UD-Q4_K_XL.gguf", 5100 * MB),
    )
    assert chosen("me/M-GGUF:Q4_K_M", copies + MODEL) == "M-Q4_K_M.gguf", "fewest parts"
    assert chosen("me/M-GGUF:Q4_K_M", copies) == "Q4_K_M/M-Q4_K_M-00001-of-00002.gguf"
    assert chosen("me/M-GGUF:BF16", copies) == "BF16/M-BF16-00001-of-00001.gguf"
    assert chosen("me/M-GGUF:UD-Q4_K_XL", copies) == "M-UD-Q4_K_XL.gguf"


@pytest.mark.parametrize("name", ["org/models:Q8_0", "org/models"])
def test_several_models_are_offered_with_their_names(name: str) -> None:
    listed = files(
        ("tiny-Q8_0.gguf", 600 * MB), ("base/large-Q8_0.gguf", 9000 * MB), ("chat/large-Q8_0.gguf", 9000 * MB)
    )
    with pytest.raises(SidecarError) as caught:
        chosen(name, listed)
    error = caught.value
    assert (error.kind, error.details["pointer"]) == ("ambiguousModel", "/model")
    assert "hf:org/models/base/large-Q8_0.gguf" in error.details["allowed"]  # type: ignore[operator]
    assert "chat/large-Q8_0.gguf (9000 MB)" in error.problem


def test_a_small_file_is_not_taken_because_only_it_fits() -> None:
    listed = files(("unknown-Q8_0.gguf", 100 * MB)) + MODEL
    assert chosen("me/M-GGUF", listed, 6000 * MB) == "M-Q4_K_M.gguf"
    with pytest.raises(SidecarError) as caught:
        chosen("me/M-GGUF", listed, 1000 * MB)
    assert caught.value.kind == "ambiguousModel"


def test_without_the_whole_list_a_draft_is_not_taken() -> None:
    """Without a network, only what is on this disk can be chosen from."""
    draft = files(("M-MTP-Q4_K_M.gguf", 300 * MB))
    source = HubSource("me/M-GGUF", None, "Q4_K_M")
    assert choose(source, draft, False, None).parts == draft
    with pytest.raises(SidecarError):
        choose(source, draft, False, None, complete=False)
    assert choose(HubSource("me/M-MTP", None, "Q4_K_M"), draft, False, None, complete=False).parts == draft
    assert choose(source, draft + MODEL, False, None, complete=False).parts == MODEL[:1]
