// Where tests run their kernel-touching code: a mount namespace of the test program's own, which
// stands for "the host", and children of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "tenon/fd.hpp"
#include "tenon/sync_socket.hpp"

namespace tenon::test {

// Moves this process into a mount namespace whose mounts are shared with each other, as systemd
// leaves them, but with nothing outside. As an ordinary user first into a user namespace, as its
// root. Returns why that was refused, or an empty text.
std::string enter_test_host();

// Why this process has no privilege over a host of its own; empty when it has.
const std::string& missing_privilege();

// Whether the program was started by real root: uid 0 in the machine's first user namespace.
bool is_real_root();

// A process of the test's own (plain fork, then unshare(flags)) that has run `setup` and waits,
// to be looked at from outside. What setup throws comes out of the constructor. Killed and reaped
// at the end. With CLONE_NEWPID, setup runs as pid 1.
class Inside {
  public:
    explicit Inside(std::uint64_t flags, const std::function<void()>& setup);
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside();
    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    pid_t intermediate_ = -1;
    pid_t pid_ = -1;
    SyncSocket socket_;
};

// Runs `body` in such a process to its end and returns its text; rethrows what it throws.
std::string run_inside(std::uint64_t flags, const std::function<std::string()>& body);

}  // namespace tenon::test
