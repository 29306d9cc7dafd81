// criu at work: started, asked, answered in the middle of its work, and its failure in one line.
#pragma once

#include <functional>
#include <optional>

#include "criu_request.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/namespaces.hpp"

namespace tenon::ext {

// What it says in the middle of its work. criu(8), --action-script
struct CriuNotice {
    std::string script;
    pid_t pid = 0;
    UniqueFd file;  // with `orphan-pts-master`: a terminal's master
};

struct CriuRun {
    CriuRequest request;      // its folders are opened by the child
    std::string images_path;  // absolute
    std::string work_path;    // where the log goes
    // Child side, before it becomes criu, in a mount namespace of its own: what is mounted there
    // goes with criu.
    std::function<void()> prepare;
    // What it throws makes criu take everything back, and is thrown by run_criu().
    std::function<void(CriuNotice& notice)> on_notice;
    Spawner spawner;  // where criu runs; none: here
};

// Throws std::runtime_error  what is missing for `verb`: root's rights, criu, the kernel's support
void require_criu(const std::string& verb);

// Returns when all is done. A dump that has begun is not interrupted by signals: criu's parasites
// are in the container. Throws std::runtime_error  names the log and what it says
void run_criu(const CriuRun& run);

}  // namespace tenon::ext
