# A room is one folder below src/, one namespace, one CMake target. Its line says all that it may include;
# scripts/check_rooms.py compares that with the real #includes, since the linker lets a wrong arrow pass.

add_library(berth_options INTERFACE)
target_compile_options(berth_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -Wno-c99-extensions
  -Wno-gnu-zero-variadic-macro-arguments -ffunction-sections -fdata-sections)
target_include_directories(berth_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
# One thread runs the event loop; Asio's handler tracking and its thread-local caches stay on.
target_compile_definitions(berth_options INTERFACE _GNU_SOURCE BOOST_ASIO_SEPARATE_COMPILATION
  BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ASIO_NO_DEPRECATED
  BERTH_VERSION="${PROJECT_VERSION}")
target_link_options(berth_options INTERFACE -fuse-ld=lld -Wl,--gc-sections)
if(BERTH_SANITIZE)
  set(checked $<NOT:$<BOOL:$<TARGET_PROPERTY:BERTH_UNCHECKED>>>)
  target_compile_options(berth_options INTERFACE "$<${checked}:-fsanitize=${BERTH_SANITIZE};-fno-omit-frame-pointer>")
  target_link_options(berth_options INTERFACE "$<${checked}:-fsanitize=${BERTH_SANITIZE}>")
  set(BERTH_STATIC OFF)
  if(BERTH_FUZZ)
    # Every room tells the fuzzer where it has been; what the sanitizers find ends the program.
    target_compile_options(berth_options INTERFACE "$<${checked}:-fsanitize=fuzzer-no-link;-fno-sanitize-recover=all>")
  endif()
else()
  set(BERTH_STATIC ON)
endif()

# Precompiled headers, each made once for all rooms that use it: the standard library's, with JSON, with the event loop,
# and that of the tests. They save half of a build.
option(BERTH_PCH "Precompile the headers of cmake/pch" ON)

# berth_precompile(TARGET [test] [room...]): by the highest of the rooms that the target uses.
function(berth_precompile target)
  if(NOT BERTH_PCH)
    return()
  endif()
  set(level standard)
  if("base/json" IN_LIST ARGN)
    set(level json)
  endif()
  if("base/async" IN_LIST ARGN)
    set(level async)
  endif()
  if("test" IN_LIST ARGN AND level STREQUAL "async")
    set(level async_test)
  elseif("test" IN_LIST ARGN)
    set(level test)
  endif()
  if(NOT TARGET berth_pch_${level})
    file(WRITE ${CMAKE_BINARY_DIR}/pch/${level}.cc "")
    add_library(berth_pch_${level} OBJECT ${CMAKE_BINARY_DIR}/pch/${level}.cc)
    target_link_libraries(berth_pch_${level} PRIVATE berth_options)
    target_precompile_headers(berth_pch_${level} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch/${level}.h)
  endif()
  target_precompile_headers(${target} REUSE_FROM berth_pch_${level})
endfunction()

# berth_room(NAME [PATH folder] [EXCLUDE folder...] USES room... [LINKS library...])
# EXCLUDE names folders inside the room's that are rooms of their own.
# Every .cc of the folder that is not a test belongs to the room; each *_test.cc joins the room's test program.
function(berth_room name)
  cmake_parse_arguments(ROOM "" "PATH" "EXCLUDE;USES;LINKS" ${ARGN})
  if(NOT ROOM_PATH)
    set(ROOM_PATH ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${ROOM_PATH}/*.cc)
  foreach(excluded ${ROOM_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "^${PROJECT_SOURCE_DIR}/src/${ROOM_PATH}/${excluded}/")
  endforeach()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  string(REPLACE "/" "_" target berth_${name})
  set(links ${ROOM_LINKS})
  foreach(used ${ROOM_USES})
    string(REPLACE "/" "_" used_target berth_${used})
    list(APPEND links ${used_target})
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC berth_options ${links})
    berth_precompile(${target} ${name} ${ROOM_USES})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE berth_options ${links})
  endif()
  if(BERTH_TESTS AND tests)
    add_executable(${target}_test ${tests})
    target_link_libraries(${target}_test PRIVATE ${target} gtest gtest_main)
    set_target_properties(${target}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    berth_precompile(${target}_test test ${name} ${ROOM_USES})
    add_test(NAME ${name} COMMAND ${target}_test)
  endif()
endfunction()

# berth_app(NAME [INSIDE] USES room...): src/apps/NAME.cc (or the folder src/apps/NAME/) becomes
# build/<preset>/bin/NAME. INSIDE: it runs inside of containers, so it is static in every preset, without sanitizers.
function(berth_app name)
  cmake_parse_arguments(APP "INSIDE" "" "USES;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/apps/${name}.cc
       ${PROJECT_SOURCE_DIR}/src/apps/${name}/*.cc)
  add_executable(${name} ${sources})
  set(links ${APP_LINKS})
  foreach(used ${APP_USES})
    string(REPLACE "/" "_" used_target berth_${used})
    list(APPEND links ${used_target})
  endforeach()
  target_link_libraries(${name} PRIVATE berth_options ${links})
  if(APP_INSIDE)
    set_target_properties(${name} PROPERTIES BERTH_UNCHECKED ON)
  else()
    berth_precompile(${name} ${APP_USES})
  endif()
  if(BERTH_STATIC OR APP_INSIDE)
    # A static program's start-up code registers its unwind tables the old way, and the first exception then sorts all of
    # them (3 ms and 1 MiB in berthd). Without that, the unwinder uses the sorted table that the linker has made.
    target_link_options(${name} PRIVATE -static
      -Wl,--wrap=__register_frame_info,--defsym=__wrap___register_frame_info=0
      -Wl,--wrap=__deregister_frame_info,--defsym=__wrap___deregister_frame_info=0)
  endif()
endfunction()
