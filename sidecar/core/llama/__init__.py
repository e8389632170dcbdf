"""llama.cpp itself: nothing else in the program imports llama_cpp.

bindings (the C functions), backends (the libraries of GPUs and processors), devices (which of them are
used), rpc (devices of other machines), log (its messages), time_slice (short turns of the compute threads).
"""
