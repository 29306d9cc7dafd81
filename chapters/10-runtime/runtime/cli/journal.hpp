// Where errors, warnings and what --debug asks for go: --log, --log-format.
#pragma once

#include <string_view>

#include "verbs.hpp"

namespace tenon::cli {

// From here on. A create's standard error is the container's, too: whoever names a file finds
// warnings there, and only there.
// Throws SysError  --debug, and the file cannot be opened
void open_journal(const Global& global);

// What ended a command: in the file, and on standard error for who reads that.
void report(const Global& global, std::string_view message);

}  // namespace tenon::cli
