"""A local language model as a child process.

The data's way: stdin → message_handler.reader → worker.router → (pipe) core.engine → core.scheduler
→ message_handler.notifier → (pipe) worker.router → message_handler.writer → stdout.

Kept empty but for the version: the first thing that runs must be `message_handler.stdio.claim`.
"""

__version__ = "0.1.0"
