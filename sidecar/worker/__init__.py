"""The router process, which the app spawns. It validates and routes requests and supervises the other processes.

router (reads and routes) → intake (parses a line), methods (those that the router serves), outcome (answers and
deaths of processes) → supervisor (shared state, abort, end) → ledger (open requests), pool (models and their
engines) → process (one child), exit_status (what ended one). idle (`keepAliveMs`), lifecycle (parent process,
signals), one_file (the folder of the one-file program). No llama.cpp and no HTTP here.
"""
