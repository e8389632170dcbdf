"""llama.cpp: how its libraries are built.

wheel builds llama-cpp-python with llama_cpp.cmake; compiler looks for a C++ compiler; progress shows how far a
build is; packs builds a GPU's backend, with vulkan.cmake; templates takes the chat templates out of the source.
"""
