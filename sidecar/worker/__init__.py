"""The router process, which the app spawns. It checks, keeps the ledger, routes and supervises.

intake (lines to requests) → ledger (open requests) → router → methods (its own), or pool → process (an engine
or a transfer). outcome (what a worker's end means), idle (engines that nobody uses), lifecycle (the end),
one_file (the unpacked folder of a one-file program). No llama.cpp and no HTTP in it.
"""
