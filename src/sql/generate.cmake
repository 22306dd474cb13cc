# The table of scalar functions, and the page docs/functions.md as it should be (sql_test compares).
set(made ${CMAKE_BINARY_DIR}/generated/sql)
file(MAKE_DIRECTORY ${made})
add_custom_command(
  OUTPUT ${made}/functions_table.cc ${made}/functions.md
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/generate_functions.py ${CMAKE_SOURCE_DIR}/spec/functions.toml ${made}/functions_table.cc ${made}/functions.md
  DEPENDS ${CMAKE_SOURCE_DIR}/tools/generate_functions.py ${CMAKE_SOURCE_DIR}/spec/functions.toml)
target_sources(tm_sql PRIVATE ${made}/functions_table.cc)
