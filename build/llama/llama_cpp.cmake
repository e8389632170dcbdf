# Injected after every project() of the llama-cpp-python build by CMAKE_PROJECT_INCLUDE.
# It changes how the same libraries are compiled, and leaves out one that the bindings never load.

# llama-common serves llama.cpp's own command line tools only.
set(LLAMA_BUILD_COMMON OFF)

# libllama has some 170 small sources, one per model family; merged, they compile in a fraction of the
# time. ggml has few and large ones, and two of its AMX sources define the same names.
if(PROJECT_NAME STREQUAL "ggml")
  set(CMAKE_UNITY_BUILD OFF)
else()
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 16)
endif()

# libmtmd's helpers refuse to be compiled together with its own headers. Windows' headers have M_PI only if this is
# defined before the first of them, and each source defines it for itself.
if(PROJECT_NAME STREQUAL "llama_cpp")
  if(WIN32)
    add_compile_definitions(_USE_MATH_DEFINES)
  endif()
  set(mtmd "${CMAKE_CURRENT_SOURCE_DIR}/vendor/llama.cpp/tools/mtmd")
  cmake_language(DEFER CALL set_source_files_properties "${mtmd}/mtmd-helper.cpp" "${mtmd}/mtmd-helper-gen.cpp"
    DIRECTORY "${mtmd}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endif()

# One file per library, without copies under versioned names: the wheel cannot hold links, and a copy under
# another name, once loaded, is a second ggml with its own backend registry.
set(CMAKE_PLATFORM_NO_VERSIONED_SONAME ON)
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
if(APPLE)
  set(CMAKE_INSTALL_RPATH "@loader_path")
elseif(UNIX)
  set(CMAKE_INSTALL_RPATH "$ORIGIN")
endif()

# GGML_CPU_ALL_VARIANTS compiles the CPU backend 14 times. Six variants are left out: hardly any desktop
# processor gains by them, and each costs 20 seconds and 1.5 MB (.github/decisions/002). Their machines use the next older
# variant. There is no option for it, so this edits the list in the unpacked source.
# LLAMA_SIDECAR_VARIANT names the only variant to compile (processors.py). The same folder, configured again
# without it, compiles the others as well.
if(PROJECT_NAME STREQUAL "ggml")
  set(variants "${CMAKE_CURRENT_SOURCE_DIR}/src/CMakeLists.txt")
  if(NOT EXISTS "${variants}.upstream")
    file(COPY_FILE "${variants}" "${variants}.upstream")
  endif()
  file(READ "${variants}.upstream" listed)
  string(REGEX REPLACE
    "ggml_add_cpu_backend_variant\\((ivybridge|piledriver|skylakex|cannonlake|cascadelake|cooperlake) [^)]*\\)" ""
    chosen "${listed}")
  if(LLAMA_SIDECAR_VARIANT)
    string(REGEX REPLACE "ggml_add_cpu_backend_variant\\((${LLAMA_SIDECAR_VARIANT}[ )])" "chosen(\\1"
      chosen "${chosen}")
    string(REGEX REPLACE "ggml_add_cpu_backend_variant\\([^)]*\\)" "" chosen "${chosen}")
    string(REPLACE "chosen(" "ggml_add_cpu_backend_variant(" chosen "${chosen}")
  endif()
  file(WRITE "${variants}" "${chosen}")
endif()

# ggml's assertions contain the path of their source file. Without the folder in it, all builds give the same bytes.
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
endif()

# GCC declares that _tile_loadconfig reads 8 bytes, but the instruction reads 64. So the optimiser never writes
# the rest of the tile configuration, and the first AMX product ends the process (seen with GCC 12;
# ggml-org/llama.cpp#20824). With the right size, AMX makes prompts 3.5 times as fast.
if(PROJECT_NAME STREQUAL "ggml" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/amx_tileconfig.h" @ONLY CONTENT [[
#if defined(__AMX_TILE__)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg\t%X0" : : "m"(*(const char (*)[64])(config)))
#endif
]])
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include ${CMAKE_BINARY_DIR}/amx_tileconfig.h>")
endif()
