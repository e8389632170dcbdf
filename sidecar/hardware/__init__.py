"""The hardware.

machine (memory, GPUs and CPU of this machine), heap (the C library's), rpc_servers (GPUs of other machines),
device_choice (which of them hold a model).
"""
