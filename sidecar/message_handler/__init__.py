"""What every role speaks: JSON-RPC 2.0, one message per line, over two private descriptors.

In: stdio (claims the descriptors) → reader (bytes to lines) → framing (lines to objects) → fast_check, validation
(valid for the schema?). Out: notifier and errors (build messages) → writer (queues and writes). Also: log (stderr) and
document (the OpenRPC document). _wire and _types are generated from schema/: the tables that the program reads, and
the types of params and results for a type checker. Nothing here knows models or processes.
"""
