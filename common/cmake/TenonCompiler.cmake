# Compiler settings, in one place: target tenon_warnings carries them.
add_library(tenon_warnings INTERFACE)
target_compile_options(tenon_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror
    # Fields left out of a designated initializer keep their defaults: that is the point of them.
    -Wno-missing-field-initializers)

if(TENON_SANITIZE)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()

# Coverage is what libFuzzer steers by; the sanitizers are what it waits for.
if(TENON_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
endif()
