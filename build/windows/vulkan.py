"""`dev.py pack vulkan --target windows`: the Vulkan pack for the Windows program, cross-compiled by mingw-w64."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Final

from checkout import Failed, quietly
from llama import packs
from windows import libraries, tools

HEADERS: Final = Path("/usr/include")
NEEDED: Final = ("vulkan", "vk_video", "spirv")
"""Folders of HEADERS. The rest belongs to this machine's C library, which the compiler must not see."""

MISSING: Final = "the pack needs more: apt-get install libvulkan-dev spirv-headers glslc"

DLLTOOL: Final = "x86_64-w64-mingw32-dlltool"
FUNCTION: Final = re.compile(r"VKAPI_CALL (vk\w+)\(")
"""A declaration in vulkan_core.h."""

SPIRV_CONFIG: Final = """\
add_library(SPIRV-Headers::SPIRV-Headers INTERFACE IMPORTED)
set_target_properties(SPIRV-Headers::SPIRV-Headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "{headers}")
"""
"""What ggml's find_package(SPIRV-Headers) reads; Debian's own names all of /usr/include."""


def cross() -> packs.Cross:
    """How the pack is compiled. Raises Failed if there is no compiler."""
    tools.require()
    version = quietly([tools.COMPILER, "--version"], "Asking for the compiler's version")
    if (glslc := shutil.which("glslc")) is None:
        raise Failed(MISSING)
    version += quietly([glslc, "--version"], "Asking for glslc's version")
    declared = [file for file in (HEADERS / "vulkan" / "vulkan_core.h",) if file.is_file()]
    recipe = b"".join(file.read_bytes() for file in (Path(__file__), libraries.TOOLCHAIN, *declared))
    recipe += version.encode()
    return packs.Cross(hashlib.sha256(recipe).hexdigest(), _defines)


def _defines(folder: Path) -> list[str]:
    """The CMake arguments; puts into `folder` what they name. Raises Failed if something is missing."""
    headers = folder / "headers"
    for name in NEEDED:
        if not (HEADERS / name).is_dir():
            raise Failed(MISSING)
        shutil.copytree(HEADERS / name, headers / name)
    spirv = folder / "spirv"
    spirv.mkdir()
    config = SPIRV_CONFIG.format(headers=headers.as_posix())
    (spirv / "SPIRV-HeadersConfig.cmake").write_text(config, encoding="utf-8")
    return [
        *("-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_TOOLCHAIN_FILE={libraries.TOOLCHAIN.as_posix()}"),
        *("-DBUILD_SHARED_LIBS=ON", "-DCMAKE_SHARED_LINKER_FLAGS_RELEASE=-s"),
        f"-DVulkan_INCLUDE_DIR={headers}",
        f"-DVulkan_LIBRARY={_loader(folder, headers)}",
        f"-DVulkan_GLSLC_EXECUTABLE={shutil.which('glslc') or 'glslc'}",
        f"-DSPIRV-Headers_DIR={spirv}",
    ]


def _loader(folder: Path, headers: Path) -> Path:
    """An import library of vulkan-1.dll, which graphics drivers bring along."""
    declared = (headers / "vulkan" / "vulkan_core.h").read_text(encoding="utf-8")
    names = sorted(set(FUNCTION.findall(declared)))
    definition, library = folder / "vulkan-1.def", folder / "libvulkan-1.a"
    definition.write_text("\n".join(["LIBRARY vulkan-1.dll", "EXPORTS", *names, ""]), encoding="ascii")
    quietly([DLLTOOL, "--input-def", definition, "--output-lib", library], "Making vulkan-1's import library")
    return library
