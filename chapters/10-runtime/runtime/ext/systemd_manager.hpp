// A conversation with systemd: the machine's, or an ordinary user's.
//
// A static program cannot have libsystemd, which is shared only (libsystemd-dev has no archive),
// and of D-Bus it would need what busctl(1) does. So it is asked, and only by who wants it. What
// busctl cannot do is wait for a job: systemctl does, when it is told to start what is being
// started, or to stop it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "systemd_unit.hpp"

namespace tenon::ext {

// The two programs, by absolute paths.
struct SystemdTools {
    std::string busctl;
    std::string systemctl;
    std::chrono::milliseconds patience{30'000};  // for each answer, as other runtimes have it
};
// Where distributions have them; never by PATH, which is our caller's.
// Throws std::runtime_error  one is missing
SystemdTools find_systemd_tools();

// Whose systemd: without root's rights over the machine it is the user's own.
bool asks_user_manager();

struct ManagerFacts {
    unsigned version = 0;  // 252
    std::string group;  // that it runs the machine in, from the hierarchy's root; empty: the root
};
// Of the two lines that busctl prints. Throws std::runtime_error  it is another text
ManagerFacts facts_from(const std::string& answer);

// All throw std::runtime_error  no systemd answers, or not in time, or it refuses: with its words
class SystemdManager {
  public:
    SystemdManager(SystemdTools tools, bool of_user)
        : tools_(std::move(tools)), of_user_(of_user) {}

    [[nodiscard]] bool of_user() const { return of_user_; }
    [[nodiscard]] ManagerFacts ask() const;
    // Has it made and its start begun. One of that name that has failed is forgotten first.
    void make(const std::string& unit, const std::vector<UnitProperty>& properties) const;
    // Returns when it has been started.
    void wait_for_start(const std::string& unit) const;
    void set(const std::string& unit, const std::vector<UnitProperty>& properties) const;
    // Returns when it is gone. One that is not there is no error.
    void stop(const std::string& unit) const;

  private:
    struct Answer;
    [[nodiscard]] Answer run(const std::string& program, std::vector<std::string> words) const;
    [[nodiscard]] Answer call(const std::string& method, std::vector<std::string> words) const;

    SystemdTools tools_;
    bool of_user_;
};

}  // namespace tenon::ext
