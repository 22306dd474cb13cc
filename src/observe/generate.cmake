# The table of metrics, from spec/metrics.toml.
set(metrics_generator ${CMAKE_SOURCE_DIR}/tools/generate_metrics.py)
set(metrics_generated ${CMAKE_BINARY_DIR}/generated/observe)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${metrics_generator} ${CMAKE_SOURCE_DIR}/spec/metrics.toml)
execute_process(COMMAND ${Python3_EXECUTABLE} -B ${metrics_generator} --cpp ${metrics_generated} COMMAND_ERROR_IS_FATAL ANY)
target_sources(tm_observe PRIVATE ${metrics_generated}/metrics_table.cc)
