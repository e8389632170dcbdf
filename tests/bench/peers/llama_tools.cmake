# llama.cpp's tools with the wheel's settings, and with the library that they need and the wheel leaves out.
include("${CMAKE_CURRENT_LIST_DIR}/../../../build/llama/llama_cpp.cmake")
set(LLAMA_BUILD_COMMON ON)
set(CMAKE_UNITY_BUILD OFF)
