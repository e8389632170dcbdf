"""The router: the process that the app spawns. It checks, keeps the ledger, routes and supervises.

reader → router (intake → ledger → methods, or pool → process) → writer. No llama.cpp and no HTTP in it.
"""
