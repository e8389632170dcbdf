"""A local language model as a child process.

The way of a request: stdin → message_handler → worker (router) → (pipe) core (engine) → message_handler → (pipe) worker
→ stdout. __main__ picks the role; options reads the command line that a program writes, arguments
all others.

It holds nothing but the version: the first thing that runs must be `message_handler.stdio.claim`.
"""

__version__ = "0.1.0"
