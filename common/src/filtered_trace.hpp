// The trace of a process that is about to have a filter: telling is a system call as well, and a
// strict filter kills for it. What happens behind the filter is recorded in memory alone; the other
// side, which has none, prints it. Internal to common.
#pragma once

namespace tenon::trace {

// The story so far is printed, while it may be.
void expect_filter() noexcept;
// From here on this process makes no system call for the trace.
void obey_filter() noexcept;

}  // namespace tenon::trace
