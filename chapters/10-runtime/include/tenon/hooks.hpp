/// @file
/// Chapter 10: programs that the config has run at points of a container's life.
///
/// Six lists, in this order: prestart, createRuntime (outside, before the root changes),
/// createContainer (in the container's namespaces, then), startContainer (in its root, before its
/// program), poststart, poststop (outside). Each is told the state on its standard input, and has
/// its own environment and nothing else.
/// @see runtime-spec config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle"
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ending.hpp"
#include "tenon/fd.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon {

/// A hook that failed, could not be run, or took too long.
class HookFailed : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A hook that names no environment has the one around it, as with runc and crun.
std::vector<oci::Hook> with_environment(std::vector<oci::Hook> hooks,
                                        const std::vector<std::string>& environment);

/// Runs @p hooks one after the other, and stops at the first that fails.
/// @param list  its name in the config: `prestart`. @param state  JSON, on standard input
/// @param folder  their working directory; invalid: ours
/// @param signals  whoever asks us to end meanwhile ends them; null: has to wait
/// @throws HookFailed  says which one, how it ended, and the end of what it wrote to standard error
/// @throws EndedBySignal
void run_hooks(std::string_view list, const std::vector<oci::Hook>& hooks, std::string_view state,
               FdRef folder = {}, const EndingSignals* signals = nullptr);

/// The same for hooks whose failure changes nothing: each is told as a warning, and the next one
/// runs.
void run_hooks_anyway(std::string_view list, const std::vector<oci::Hook>& hooks,
                      std::string_view state);

}  // namespace tenon
