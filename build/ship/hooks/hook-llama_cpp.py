"""PyInstaller: the low-level bindings of llama_cpp and its shared libraries.

The libraries find each other beside themselves. Nothing names the CPU variants, and a GPU's backend if
there is one: they are looked up in the folder when the program runs.
"""

from pathlib import Path

from PyInstaller.utils.hooks import copy_metadata, get_package_paths

# The package's __init__ imports this, and with it numpy and diskcache; the program never runs it.
excludedimports = ["llama_cpp.llama"]

datas = copy_metadata("llama-cpp-python")  # its version is part of the answer to `init`

_package = Path(get_package_paths("llama_cpp")[1])
_libraries = (file for file in (_package / "lib").iterdir() if file.suffix in (".so", ".dylib", ".dll"))
binaries = [(str(file), "llama_cpp/lib") for file in sorted(_libraries)]
