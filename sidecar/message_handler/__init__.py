"""What every role speaks: JSON-RPC 2.0, one message per line, over a pair of private descriptors.

In: stdio (claims them) → reader (bytes to lines) → framing (lines to objects) → acceptance, validation (does it
fit the schema). Out: notifier and errors (make messages) → writer (queue and send). Beside them: log (stderr),
document (the OpenRPC document). _wire and _types are generated from schema/: the tables that the program reads, and
the types of params and results for a type checker. Nothing here knows models or processes.
"""
