"""The hardware: machine (memory, GPUs and CPU of this machine), rpc_servers (GPUs of other machines)."""
