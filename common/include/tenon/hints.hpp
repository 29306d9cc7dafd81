/// @file
/// What to do about an error: the table from (call, errno) to advice.
///
/// Libraries report facts; advice is added once, at the command line's boundary.
#pragma once

#include <string>
#include <string_view>

namespace tenon {

class SysError;

/// One sentence that says what to do, or an empty view when we know nothing better than the
/// kernel's own words. Prefers an entry for (call, errno) over one for the errno alone.
std::string_view hint_for(const SysError& error);

/// `what on what: why: what to do`: the error's own words, and the advice where there is one.
std::string with_advice(const SysError& error);

}  // namespace tenon
