# CMake's toolchain file: Windows on x86-64, by Debian's mingw-w64 with POSIX threads.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

# GCC aligns the stack to 16 bytes only on Windows, and yet moves 32 and 64 bytes there as if they were aligned. So
# the assembler writes the unaligned instructions, which are as fast on aligned data.
# power_throttling.h declares what the headers of mingw-w64 10 lack.
set(flags "-Wa,-muse-unaligned-vector-move -include ${CMAKE_CURRENT_LIST_DIR}/power_throttling.h")
set(CMAKE_C_FLAGS_INIT "${flags}")
set(CMAKE_CXX_FLAGS_INIT "${flags}")
# No time stamp in the libraries: two builds give the same bytes.
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-Wl,--no-insert-timestamp")
