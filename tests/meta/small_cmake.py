"""A CMake project around the small course: it builds in seconds, without Catch2.

Its test program is written by hand, but speaks as tests/support does: selected by
tag or names, one JSON line per test in TENON_REPORT.
"""

CMAKE = """\
cmake_minimum_required(VERSION 3.22)
project(small LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(exercises ${CMAKE_SOURCE_DIR}/solutions)
if(TENON_IMPL_01 STREQUAL lab)
    set(exercises ${TENON_LAB_DIR})
endif()
add_library(tenon_ch01 STATIC ${exercises}/01-boxes/open.cpp ${exercises}/01-boxes/close.cpp)
target_include_directories(tenon_ch01 PUBLIC common/include chapters/01-boxes/include)
add_executable(test_ch01 tests/test_ch01.cpp)
target_link_libraries(test_ch01 PRIVATE tenon_ch01)
add_custom_target(unit_tests DEPENDS test_ch01)
add_executable(ch01 EXCLUDE_FROM_ALL chapters/01-boxes/main.cpp)
target_link_libraries(ch01 PRIVATE tenon_ch01)
add_custom_target(programs_ch01 DEPENDS ch01)
"""

# One that holds the chapter's library, as a later chapter's does; one that takes nothing but the
# second file out of it; one that does not have it; and one that makes an object of its own of the
# first file, by a command that is none for the library.
MORE_PROGRAMS = """\
add_executable(test_ch02 tests/test_ch01.cpp)
target_link_libraries(test_ch02 PRIVATE tenon_ch01)
file(WRITE ${CMAKE_BINARY_DIR}/close.cpp
     "namespace tenon { int close_box(int); }\nint main() { return tenon::close_box(1); }")
add_executable(test_ch03 ${CMAKE_BINARY_DIR}/close.cpp)
target_link_libraries(test_ch03 PRIVATE tenon_ch01)
file(WRITE ${CMAKE_BINARY_DIR}/alone.cpp "int main() {}")
add_executable(test_common ${CMAKE_BINARY_DIR}/alone.cpp)
add_dependencies(unit_tests test_ch02 test_ch03 test_common)
add_executable(lone-lid EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/alone.cpp
               ${exercises}/01-boxes/open.cpp)
target_compile_options(lone-lid PRIVATE -fno-such-thing)
"""

PRESETS = """\
{"version": 3, "configurePresets": [{"name": "dev", "generator": "Ninja",
 "binaryDir": "${sourceDir}/build/dev", "cacheVariables": {"CMAKE_BUILD_TYPE": "Debug"}}]}
"""

TODO = """\
#pragma once
struct NotImplemented { const char* id; };
#define TENON_TODO(id) throw NotImplemented{id}
"""

TEST = r"""
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tenon/box.hpp"
#include "tenon/todo.hpp"

static std::string wanted = ",,";
static bool names_only = false;
static bool listing = false;

static void say(const std::string& line) {
    FILE* out = fopen(getenv("TENON_REPORT"), "a");
    fputs(line.c_str(), out);
    fclose(out);
}

static void run(const char* id, const char* name, const char* more, int (*function)(int), int want,
                bool in_vm = false) {
    std::string one = "," + std::string(name) + ",", tag = ",[" + std::string(id) + "],";
    if (wanted != ",," && wanted.find(one) == wanted.npos && wanted != tag) return;
    if (names_only) { puts(name); return; }
    if (listing) { printf("  %s\n      [%s]\n", name, id); return; }
    if (in_vm && !getenv("TENON_LAB_VM")) {
        return say("{\"test\":\"" + std::string(name) + "\",\"tags\":[\"" + id + "\"],"
                   "\"status\":\"not_run\",\"reason\":\"lab VM: needs a lid\"}\n");
    }
    std::string todo;
    int got = -99;
    try { got = function(1); } catch (const NotImplemented& error) { todo = error.id; }
    if (got == 77) abort();
    FILE* out = fopen(getenv("TENON_REPORT"), "a");
    fprintf(out, "{\"test\":\"%s\",\"tags\":[\"%s\"%s],\"status\":\"%s\",\"expected\":\"%d\","
            "\"observed\":\"%d\",\"steps\":[\"lift\"],\"facts\":{\"lid\":\"%s\"},"
            "\"not_implemented\":\"%s\"}\n", name, id, more, got == want ? "passed" : "failed",
            want, got, got == 1 ? "shut" : "up", todo.c_str());
    fclose(out);
}

int main(int argc, char** argv) {
    if (argc > 1 && argv[1] != std::string("~[.]")) wanted = "," + std::string(argv[1]) + ",";
    if (argc > 2 && argv[2] == std::string("--list-test-names-only")) names_only = true;
    listing = argc > 2;
    run("01.1", "a box opens when asked", "", tenon::open_box, 2);
    run("01.2", "a box closes when asked", "", tenon::close_box, 0);
}
"""

# 01.2 needs the lab VM.
TEST_IN_VM = TEST.replace("close_box, 0)", "close_box, 0, true)")

FILES = {"CMakeLists.txt": CMAKE, "CMakePresets.json": PRESETS,
         "common/include/tenon/todo.hpp": TODO, "tests/test_ch01.cpp": TEST}
