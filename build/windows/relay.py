"""Runs a Windows program in a folder and passes its output on: `relay.py FOLDER PROGRAM ARGUMENT…`, in Wine.

Node cannot write to a pipe of Linux: it takes it for a pipe of Windows, which it opens in another way.
"""

from __future__ import annotations

import subprocess
import sys

folder, *command = sys.argv[1:]
with subprocess.Popen(
    command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
) as process:
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
sys.exit(process.returncode)
