/// @file
/// Becoming another program where there is no C++ library: for the init of chapter 07.
///
/// exec() of process.hpp throws, and somebody else finds the words and the exit code. Here the last
/// one to know is the process itself.
#pragma once

// NOLINTBEGIN(modernize-deprecated-headers): tenon-init has no C++ library
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
// NOLINTEND(modernize-deprecated-headers)

namespace tenon {

/// Becomes @p argv, found in PATH as execvp(3) does. Never returns: on failure one line on standard
/// error, `program: word: why`, and the exit code of shells: 127 for what is not there, 126 for
/// what cannot be executed.
[[noreturn]] inline void exec_or_exit(const char* program, char* const* argv) {
    execvp(argv[0], argv);
    const int error = errno;
    dprintf(STDERR_FILENO, "%s: %s: %s\n", program, argv[0], strerror(error));
    _exit(error == ENOENT || error == ENOTDIR ? 127 : 126);
}

}  // namespace tenon
