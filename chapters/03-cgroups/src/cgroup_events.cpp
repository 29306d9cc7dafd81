// cgroup.events is the file that speaks: each change of it wakes whoever polls for POLLPRI.
// cgroup-v2.rst, "[Un]populated Notification"
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr const char* events_file = "cgroup.events";
constexpr std::size_t events_size = 4096;

using Clock = std::chrono::steady_clock;

bool says(std::string_view events, std::string_view key) {
    const auto values = parse_flat_keyed(events);
    const auto found = values.find(key);
    return found != values.end() && found->second != 0;
}

std::chrono::milliseconds left_until(Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    return std::max(left, std::chrono::milliseconds{0});
}

// Who is still there tells more than that somebody is. The list of a threaded group cannot be read.
std::string processes_in(FdRef group) {
    try {
        std::string pids = read_kernel_file(group, "cgroup.procs");
        if (!pids.empty()) pids.pop_back();
        std::replace(pids.begin(), pids.end(), '\n', ' ');
        return pids;
    } catch (const SysError&) {
        return {};
    }
}

std::string what_was_waited_for(FdRef group, std::string_view key, bool value) {
    const std::string pids = processes_in(group);
    return fmt::format("{} {} (processes there: {})", key, value ? 1 : 0,
                       pids.empty() ? "none, but in groups below" : pids);
}

void write_freeze(FdRef group, bool frozen) {
    write_kernel_file(group, "cgroup.freeze", frozen ? "1" : "0");
}

// On the way of another error, which must not be lost over this one.
void thaw_quietly(FdRef group) noexcept {
    try {
        write_freeze(group, false);
    } catch (const SysError&) {
        return;
    }
}

}  // namespace

bool is_populated(FdRef group) {
    return says(read_kernel_file(group, events_file), "populated");
}

void wait_for_event(FdRef group, std::string_view key, bool value,
                    std::chrono::milliseconds timeout) {
    const trace::Step step{3, "wait for the group", "the kernel tells, nobody has to ask again"};
    // One descriptor for all looks: the kernel remembers what was read through it last, so that no
    // change falls between a look and the wait after it.
    const UniqueFd events = sys::openat(group, events_file, O_RDONLY);
    const Clock::time_point deadline = Clock::now() + timeout;
    while (says(sys::pread_start(events, events_size), key) != value) {
        if (left_until(deadline).count() == 0) {
            throw SysError(ETIMEDOUT, "wait for cgroup", what_was_waited_for(group, key, value));
        }
        sys::poll_for_change(events, left_until(deadline));
    }
}

void freeze(FdRef group) {
    const trace::Step step{3, "freeze the group", "every process stops where it stands"};
    write_freeze(group, true);
    try {
        wait_for_event(group, "frozen", true);
    } catch (...) {
        thaw_quietly(group);
        throw;
    }
}

void thaw(FdRef group) {
    const trace::Step step{3, "thaw the group", "and they go on as if nothing had been"};
    write_freeze(group, false);
    wait_for_event(group, "frozen", false);
}

}  // namespace tenon
