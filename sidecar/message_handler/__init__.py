"""What every role speaks: newline-delimited JSON-RPC 2.0 over a pair of private descriptors.

stdio (claims them) → reader (bytes to lines) → framing (lines to objects) → acceptance, validation
(what fits the schema) … notifier and errors (objects) → writer (objects to lines). Nothing
here knows models or processes.
"""
