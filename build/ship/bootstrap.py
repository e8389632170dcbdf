"""Takes the place of PyInstaller's own bootstrap script, which Python runs before the program.

PyInstaller's looks at each entry of the program's folder, and imports ctypes, on Windows with subprocess and shutil, to
make it look for libraries beside the program. The program names its libraries by their paths.
"""

import _thread
import os
import sys
import zipimport

import pyimod01_archive
import pyimod02_importers

LAST_STANDARD = 2
"""The descriptor of stderr."""

SHARED = 7
"""Windows' FILE_SHARE_READ, FILE_SHARE_WRITE and FILE_SHARE_DELETE."""

LIBRARY = "base_library.zip"

_descriptors: dict[str, int] = {}
_lock = _thread.allocate_lock()


class Plain:
    """Reads a file that stays open until the process ends.

    PyInstaller and zipimport use `open` for each module, which also asks for the file's size and its drive. For a
    module, which is small, that takes longer than to read it: in Wine, whose every question goes to another process,
    and on Windows where a virus scanner listens. A file that stays open may be renamed and deleted, as others may.
    """

    def __init__(self, path: str, _mode: str = "rb") -> None:
        with _lock:
            if path not in _descriptors:
                _descriptors[path] = opened(path)
        self._descriptor = _descriptors[path]
        self._position = 0

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        with _lock:
            self._position = os.lseek(self._descriptor, position, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        data = b""
        with _lock:
            os.lseek(self._descriptor, self._position, os.SEEK_SET)
            while len(data) < size and (more := os.read(self._descriptor, size - len(data))):
                data += more
        self._position += len(data)
        return data

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


def opened(path: str) -> int:
    """A new descriptor of a file. Not one of the first three: a program that is started without these says so."""
    if sys.platform == "win32":
        import _winapi
        import msvcrt

        handle = _winapi.CreateFile(path, _winapi.GENERIC_READ, SHARED, 0, _winapi.OPEN_EXISTING, 0, 0)
        descriptor = msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)
    else:
        descriptor = os.open(path, os.O_RDONLY)
    if descriptor > LAST_STANDARD:
        return descriptor
    try:
        return opened(path)
    finally:
        os.close(descriptor)


def in_zip_file(path: str) -> zipimport.zipimporter:
    """The finder of a folder in base_library.zip. zipimport's own looks on the disk for each package of the program."""
    if LIBRARY not in path:
        raise ImportError
    return zipimport.zipimporter(path)


class Io:
    """What zipimport uses of `_io`."""

    open_code = Plain


pyimod02_importers.install()
pyimod01_archive.open = Plain  # for the modules of the program
zipimport._io = Io  # for base_library.zip, which has those that every Python imports
sys.path_hooks[sys.path_hooks.index(zipimport.zipimporter)] = in_zip_file
sys.frozen = True
