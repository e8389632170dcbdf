"""PyInstaller: the low-level bindings of llama_cpp and its shared libraries.

The libraries find each other beside themselves. No code names the CPU variants or a GPU's backend: the
program looks them up in the folder at run time.
"""

from pathlib import Path

from PyInstaller.utils.hooks import copy_metadata, get_package_paths

# The package's __init__ imports this, and with it numpy and diskcache; the program never runs it.
excludedimports = ["llama_cpp.llama"]

datas = copy_metadata("llama-cpp-python")  # its version is part of the answer to `init`

_package = Path(get_package_paths("llama_cpp")[1])
_libraries = (file for file in (_package / "lib").iterdir() if file.suffix in (".so", ".dylib", ".dll"))
binaries = [(str(file), "llama_cpp/lib") for file in sorted(_libraries)]
