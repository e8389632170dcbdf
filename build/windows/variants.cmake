# For Windows, injected after project(ggml) by CMAKE_PROJECT_ggml_INCLUDE: GCC 12 cannot compile the AMX variant there.
set(variants "${CMAKE_CURRENT_SOURCE_DIR}/src/CMakeLists.txt")
file(READ "${variants}" listed)
string(REGEX REPLACE "ggml_add_cpu_backend_variant\\(sapphirerapids [^)]*\\)" "" chosen "${listed}")
file(WRITE "${variants}" "${chosen}")
