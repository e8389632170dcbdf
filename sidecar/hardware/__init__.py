"""This machine: machine (memory and processors), rpc_servers (devices that other machines lend)."""
