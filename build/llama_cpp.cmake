# Injected after every project() of the llama-cpp-python build by CMAKE_PROJECT_INCLUDE.
# It changes how the same libraries are compiled, and leaves out two that the bindings never load.

# llama-common serves llama.cpp's own command line tools only.
set(LLAMA_BUILD_COMMON OFF)

# libllama has some 170 small sources, one a model family; merged, they compile in a fraction of the
# time. ggml has few and large ones, and its AMX sources define the same names twice when merged.
if(PROJECT_NAME STREQUAL "ggml")
  set(CMAKE_UNITY_BUILD OFF)
else()
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 16)
endif()

# GCC's _tile_loadconfig tells the optimiser that it reads 8 bytes of the 64 that the instruction reads,
# so the rest of the tile configuration is never written, and the first AMX product ends the process
# (seen with GCC 12; ggml-org/llama.cpp#20824). Said right, AMX makes prompts 3.5 times as fast.
if(PROJECT_NAME STREQUAL "ggml" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  file(WRITE "${CMAKE_BINARY_DIR}/amx_tileconfig.h" [[
#if defined(__AMX_TILE__)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg\t%X0" : : "m"(*(const char (*)[64])(config)))
#endif
]])
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include ${CMAKE_BINARY_DIR}/amx_tileconfig.h>")
endif()
