"""PyInstaller: the low-level bindings of llama_cpp and its shared libraries, each of them once.

The wheel holds three copies of a library: libggml.so (for linkers), libggml.so.0 (its soname,
under which the other libraries need it) and libggml.so.0.25.3. The bundle gets the soname only: a
copy under another name, once loaded, is a second ggml with a registry of its own. libllama is the
exception: no library needs it, and the bindings open it by its plain name.
"""

import re
from pathlib import Path

from PyInstaller.utils.hooks import copy_metadata, get_package_paths

# The package's __init__ imports this, and with it numpy and diskcache; the program never runs it.
excludedimports = ["llama_cpp.llama"]

datas = copy_metadata("llama-cpp-python")  # its version is part of the answer to `init`

_LIBRARY = re.compile(r"(?:lib)?(?P<name>[^.]+)(?P<version>[.0-9]*)\.(?:so|dylib|dll)(?P<soversion>[.0-9]*)")


def _shipped(folder: Path) -> list[Path]:
    """Of each library the file that the loader asks for."""
    copies: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir(), key=lambda file: len(file.name)):
        if match := _LIBRARY.fullmatch(file.name):
            copies.setdefault(match["name"], []).append(file)
    return [files[0] if name == "llama" or len(files) == 1 else files[1] for name, files in copies.items()]


_package = Path(get_package_paths("llama_cpp")[1])
binaries = [(str(file), "llama_cpp/lib") for file in _shipped(_package / "lib")]
