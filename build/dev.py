"""The one command for working on llama-sidecar: `python build/dev.py TASK`, or `--help`.

Needs nothing but Python 3.10 and, once, a C++ compiler. This file must parse on every older
Python, so that it can say so; everything else is in tasks.py.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    version = ".".join(map(str, sys.version_info[:3]))
    sys.exit("dev.py needs Python 3.10 or newer; this is " + version + ": " + sys.executable)

from tasks import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
