"""llama.cpp itself: no other package imports llama_cpp.

bindings (the C functions, typed by c_api.pyi), mtmd (those for pictures and sound, typed by mtmd_api.pyi), ggml
(functions that the bindings lack), nextn (those for hidden states), backends (starts llama.cpp, loads the libraries of
GPUs), cpu_backend (the library for this processor), devices (which ones a model uses), rpc (devices of other machines),
log (its messages), thread_pool, abort_flag, time_slice (short turns of the compute threads).
"""
