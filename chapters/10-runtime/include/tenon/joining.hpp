/// @file
/// Chapter 10: one more process in a container that create() made, with what its config allows.
#pragma once

#include <string>

#include "tenon/attend.hpp"
#include "tenon/container.hpp"
#include "tenon/launch.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon {

/// Stays with @p child until it has ended. Signals are passed on as they are, for as long as it
/// takes: engines have a grace period of their own.
/// @param terminal  its master, carried to and from standard input and output; invalid: none
ExitStatus stay_with(Child& child, Attention& attention, UniqueFd terminal);

/// What is to run in it, and how.
struct JoinRequest {
    oci::Process process;
    unsigned preserved_descriptors = 0;
    Console console = Console::None;
    std::string console_socket;
    std::string pid_file;
    std::string cgroup;        ///< a group within the container's; empty: that one itself
    std::string pidfd_socket;  ///< who listens there is sent a pidfd; empty: nobody
    bool detach = false;       ///< it runs on when we end; else we stay with it
    seccomp::Compiler filter_compiler = seccomp::by_libseccomp;
};

/// Runs request.process in @p container, whose config is @p spec: in all its namespaces, its group,
/// its root, and behind its filter.
/// @return the exit code, as shells count; 0 with `detach` as soon as the program runs
/// @throws SysError, std::invalid_argument, std::runtime_error  as open_container() and launch()
int join(const Container& container, const oci::Spec& spec, const JoinRequest& request);

}  // namespace tenon
