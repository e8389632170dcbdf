"""A local language model as a child process.

The way of a request: stdin → message_handler → worker (router) → (pipe) core (engine) → message_handler → (pipe) worker
→ stdout. __main__ picks the role; options reads a program's command line, arguments a person's.

It holds nothing but the version: the first thing that runs must be `message_handler.stdio.claim`.
"""

__version__ = "0.1.0"
