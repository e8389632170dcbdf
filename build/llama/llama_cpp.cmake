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

# One file a library, without copies under versioned names: the wheel cannot hold links, and a copy under
# another name, once loaded, is a second ggml with a backend registry of its own.
set(CMAKE_PLATFORM_NO_VERSIONED_SONAME ON)
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
if(APPLE)
  set(CMAKE_INSTALL_RPATH "@loader_path")
elseif(UNIX)
  set(CMAKE_INSTALL_RPATH "$ORIGIN")
endif()

# GGML_CPU_ALL_VARIANTS compiles the CPU backend 14 times. Five of them are left out: no desktop processor
# gains by them, and each costs 20 seconds and 1.5 MB (.github/decisions/002). Their machines fall back to the
# next older variant. There is no option for it, so the lists' lines go from this throw-away copy.
if(PROJECT_NAME STREQUAL "ggml")
  set(variants "${CMAKE_CURRENT_SOURCE_DIR}/src/CMakeLists.txt")
  file(READ "${variants}" listed)
  string(REGEX REPLACE
    "ggml_add_cpu_backend_variant\\((ivybridge|piledriver|cannonlake|cascadelake|cooperlake) [^)]*\\)" ""
    chosen "${listed}")
  file(WRITE "${variants}" "${chosen}")
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
