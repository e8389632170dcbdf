"""The programs we compare ourselves with, and how each is read.

install        builds and installs them, and finds them
script         a process that answers one line of JSON per line
llama_tools    llama-bench and llama-batched-bench
llama_server   llama-server: the process and a small client
server         readings of llama-server
node_llama_cpp node-llama-cpp: the process (node_llama_cpp.mjs) and its readings
bare_loop      a loop over the bindings and nothing else
"""
