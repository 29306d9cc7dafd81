# Compiler settings, in one place: target tenon_warnings carries them.
add_library(tenon_warnings INTERFACE)
target_compile_options(tenon_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror
    # Fields left out of a designated initializer keep their defaults: that is the point of them.
    -Wno-missing-field-initializers)

# -g1: lines are what a report or a backtrace needs; what variables add takes a fifth of a build. A
# learner's own files have it all.
add_compile_options($<$<CONFIG:RelWithDebInfo>:-g1>)
if(TENON_SANITIZE)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                        -fno-omit-frame-pointer -g1)
    add_link_options(-fsanitize=address,undefined)
endif()

# Coverage is what libFuzzer steers by; the sanitizers are what it waits for.
if(TENON_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
endif()

# The headers that most files include, parsed once. Not CLI11's, nlohmann's: each file that sees
# them pays for their static objects. OWNER has what is parsed; another target takes it over, and
# so must be compiled with the same options. tenon_precompile(NAME OWNER [header ..])
function(tenon_precompile NAME OWNER)
    if(NAME STREQUAL OWNER)
        target_precompile_headers(${NAME} PRIVATE
            <fmt/format.h> <algorithm> <array> <charconv> <functional> <map> <optional> <set> <span>
            <sstream> <stdexcept> <string> <vector> ${ARGN})
    else()
        target_precompile_headers(${NAME} REUSE_FROM ${OWNER})
    endif()
endfunction()
