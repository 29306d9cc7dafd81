/// @file
/// A program that is told something, and given some time.
///
/// run_process() is for programs of the machine that we know. This is for programs that somebody
/// names: by an absolute path, with an environment of its own, and with an end in any case.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ending.hpp"
#include "tenon/fd.hpp"
#include "tenon/process.hpp"

namespace tenon {

/// What is run.
struct Helper {
    std::string path;                                  ///< not looked up in PATH
    std::vector<std::string> argv;                     ///< empty: the path
    std::vector<std::string> environment;              ///< KEY=value, and nothing else
    std::string_view input;                            ///< on its standard input
    FdRef folder;                                      ///< its working directory; invalid: ours
    std::optional<std::chrono::milliseconds> timeout;  ///< none: for ever
    const EndingSignals* signals = nullptr;            ///< null: whoever asks us to end waits
};

/// How it ended.
struct HelperResult {
    ExitStatus status = ExitStatus::exited(0);
    bool timed_out = false;  ///< and so it was killed
    std::string output;      ///< the end of what it wrote to standard output and error
};

/// Runs @p helper and waits until it has ended; not until everybody has who inherited its output.
/// @throws SysError  posix_spawn: ENOENT, EACCES, ENOEXEC; memfd_create, pipe2
/// @throws EndedBySignal  one of helper.signals came first, and so it was killed
HelperResult run_helper(const Helper& helper);

}  // namespace tenon
