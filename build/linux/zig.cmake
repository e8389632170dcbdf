# CMake's toolchain file: Linux of another processor or with an older glibc, by Zig's C and C++ compiler.
# LLAMA_SIDECAR_ZIG is the compiler's program, LLAMA_SIDECAR_TARGET what it compiles for.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LLAMA_SIDECAR_ZIG LLAMA_SIDECAR_TARGET)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${LLAMA_SIDECAR_TARGET}")
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER "${LLAMA_SIDECAR_ZIG}" cc)
set(CMAKE_CXX_COMPILER "${LLAMA_SIDECAR_ZIG}" c++)
set(CMAKE_ASM_COMPILER "${LLAMA_SIDECAR_ZIG}" cc)
# -O2, which the build's own -O3 follows: without it, CMake's first test makes Zig compile a C++ library for debugging.
foreach(language C CXX ASM)
  set(CMAKE_${language}_FLAGS_INIT "-target ${LLAMA_SIDECAR_TARGET} -O2")
endforeach()
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-Wl,--strip-all")
