// The race for a name, lost every time: a process is held at the system call that asks for a new
// device, and somebody else's is there before it goes on.
#pragma once

#include <functional>

namespace tenon::test {

/// How the process of `body` ended, as waitpid(2) tells it, and whether it was held at all.
struct Overtaken {
    bool asked = false;
    int wait_status = 0;
};

/// Runs `body` in a child; once, before the kernel gets its RTM_NEWLINK that makes a device, runs
/// `meanwhile` here.
Overtaken overtake(const std::function<int()>& body, const std::function<void()>& meanwhile);

}  // namespace tenon::test
