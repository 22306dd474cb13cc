# Kafka's messages: C++ from the tables in spec/kafka.
set(kafka_generator ${CMAKE_SOURCE_DIR}/tools/generate_kafka.py)
set(kafka_generated ${CMAKE_BINARY_DIR}/generated/wire/kafka)
file(GLOB kafka_specs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/spec/kafka/*.toml)
set(kafka_inputs ${kafka_specs} ${kafka_generator} ${CMAKE_SOURCE_DIR}/tools/kafka_spec.py ${CMAKE_SOURCE_DIR}/tools/kafka_golden.py)
# Made while configuring, so that every room finds the headers; made again when a table changes.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${kafka_inputs})
execute_process(COMMAND ${Python3_EXECUTABLE} -B ${kafka_generator} --list --cpp ${kafka_generated}
  OUTPUT_VARIABLE kafka_apis COMMAND_ERROR_IS_FATAL ANY)
foreach(api IN LISTS kafka_apis)
  target_sources(tm_wire PRIVATE ${kafka_generated}/${api}.cc)
endforeach()
