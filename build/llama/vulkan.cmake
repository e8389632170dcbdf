# For the Vulkan pack: injected after project(ggml) by CMAKE_PROJECT_ggml_INCLUDE.

# ggml-vulkan sets up a validation layer's settings, which needs Vulkan headers of 1.3.272; that is all it needs
# of them, and nothing here validates. Without it, those of Debian 12 (1.3.239) will do.
set(source "${CMAKE_CURRENT_SOURCE_DIR}/src/ggml-vulkan/ggml-vulkan.cpp")
file(READ "${source}" text)
string(REGEX REPLACE "VkBool32 enable_best_practice.*layer_setting_info\\(settings\\);" "" text "${text}")
string(REPLACE "layers, extensions, &layer_setting_info)" "layers, extensions)" text "${text}")
file(WRITE "${source}" "${text}")
