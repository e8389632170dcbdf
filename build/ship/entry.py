"""What PyInstaller freezes: the console script llama-sidecar, as a file."""

from sidecar.__main__ import main

raise SystemExit(main())
