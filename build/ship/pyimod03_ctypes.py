"""Takes the place of PyInstaller's own module of this name, which imports ctypes at every start.

With it come subprocess and shutil on Windows: all before a router needs any of them. PyInstaller's module makes ctypes
look for a library beside the program if there is none with its name. The program names its libraries by their paths.
"""


def install() -> None:
    """Called by PyInstaller's start; there is nothing to do."""
