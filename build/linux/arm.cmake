# Injected after project(ggml) by CMAKE_PROJECT_ggml_INCLUDE, for AArch64.

# Three variants are left out: the processors that they are for are rare, and the one before serves them.
set(variants "${CMAKE_CURRENT_SOURCE_DIR}/src/CMakeLists.txt")
file(READ "${variants}" listed)
string(REGEX REPLACE "ggml_add_cpu_backend_variant\\((armv8[.]2_1|armv8[.]2_3|armv9[.]2_1) [^)]*\\)" ""
  chosen "${listed}")
file(WRITE "${variants}" "${chosen}")

# Zig names processors as LLVM does, not by -march. So this writes the flags of the variants anew.
set(flags "${CMAKE_CURRENT_SOURCE_DIR}/src/ggml-cpu/CMakeLists.txt")
file(READ "${flags}" text)
string(REPLACE "list(APPEND ARCH_FLAGS \"-march=\${ARM_MCPU}\${ARCH_TAGS}\")" [[
                    string(REGEX REPLACE "^armv([0-9]+)[.]([0-9]+)-a$" "generic+v\\1_\\2a" processor "${ARM_MCPU}")
                    string(REPLACE "armv8-a" "generic" processor "${processor}")
                    string(REPLACE "+fp16" "+fullfp16" tags "${ARCH_TAGS}")
                    list(APPEND ARCH_FLAGS "-mcpu=${processor}${tags}")]] text "${text}")
file(WRITE "${flags}" "${text}")
