# The struct and the table of settings, from spec/settings.toml. Made while configuring, so that every room finds the header;
# made again when the file changes.
set(settings_generator ${CMAKE_SOURCE_DIR}/tools/generate_settings.py)
set(settings_generated ${CMAKE_BINARY_DIR}/generated/settings)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${settings_generator} ${CMAKE_SOURCE_DIR}/spec/settings.toml)
execute_process(COMMAND ${Python3_EXECUTABLE} -B ${settings_generator} --cpp ${settings_generated} COMMAND_ERROR_IS_FATAL ANY)
target_sources(tm_settings PRIVATE ${settings_generated}/table.cc)
