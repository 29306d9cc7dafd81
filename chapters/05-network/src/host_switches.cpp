// net.ipv4.ip_forward is more than it says: it sets the switch of each device, and turns off the
// acceptance of redirects for all. net.ipv6.conf.all.forwarding makes the host a router, which no
// longer listens to other routers: where accept_ra is 1 it would lose its default route. So the
// state before is more than one number. Linux, Documentation/networking/ip-sysctl.rst
#include "host_switches.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/log.hpp"
#include "tenon/trace.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

namespace {

constexpr const char* file_name = "forwarding";

struct Switch {
    std::string path;
    std::string before;
    std::string during;
};

UniqueFd open_switches() {
    UniqueFd folder = sys::openat(FdRef::working_directory(), "/proc/sys", O_RDONLY | O_DIRECTORY);
    // Whoever mounts something else there would have us write into it.
    if (sys::file_system_type(folder) != PROC_SUPER_MAGIC) {
        throw std::runtime_error("/proc/sys is no procfs: nothing is switched there");
    }
    return folder;
}

std::optional<std::string> read_switch(FdRef switches, const std::string& path) {
    std::optional<std::string> text = read_kernel_file_if_present(switches, path);
    if (text && text->ends_with('\n')) text->pop_back();
    return text;
}

void write_switch(FdRef switches, const std::string& path, const std::string& value) {
    if (read_switch(switches, path) != value) write_kernel_file(switches, path, value);
}

// `folder`/DEVICE/`name` of each device that has `value` there; `default` counts as one.
std::vector<std::string> devices_with(FdRef switches, const std::string& folder,
                                      const std::string& name, const std::string& value) {
    std::vector<std::string> paths;
    const UniqueFd devices = sys::openat(switches, folder, O_RDONLY | O_DIRECTORY);
    for (const std::string& device : sys::directories_in(devices)) {
        const std::string path = fmt::format("{}/{}/{}", folder, device, name);
        if (device != "all" && read_switch(switches, path) == value) paths.push_back(path);
    }
    return paths;
}

std::vector<Switch> needed_for_ipv4(FdRef switches) {
    const std::string forward = "net/ipv4/ip_forward";
    if (read_switch(switches, forward) == "1") return {};
    const std::string redirects = "net/ipv4/conf/all/accept_redirects";
    std::vector<Switch> needed{{forward, "0", "1"},
                               {redirects, read_switch(switches, redirects).value_or("1"), "0"}};
    for (const std::string& path : devices_with(switches, "net/ipv4/conf", "forwarding", "1")) {
        needed.push_back({path, "1", "1"});
    }
    return needed;
}

std::vector<Switch> needed_for_ipv6(FdRef switches) {
    const std::string folder = "net/ipv6/conf";
    const std::string forward = folder + "/all/forwarding";
    if (read_switch(switches, forward) != "0") return {};
    std::vector<Switch> needed;
    // Before the host becomes a router, or its default route is gone already.
    for (const std::string& path : devices_with(switches, folder, "accept_ra", "1")) {
        needed.push_back({path, "1", "2"});
    }
    needed.push_back({forward, "0", "1"});
    for (const std::string& path : devices_with(switches, folder, "forwarding", "1")) {
        needed.push_back({path, "1", "1"});
    }
    return needed;
}

std::vector<Switch> read_record(FdRef state) {
    std::vector<Switch> switches;
    std::istringstream lines{read_kernel_file_if_present(state, file_name).value_or("")};
    Switch line;
    while (lines >> line.path >> line.before >> line.during) switches.push_back(line);
    return switches;
}

void write_record(FdRef state, const std::vector<Switch>& switches) {
    std::string text;
    for (const Switch& one : switches) {
        text += fmt::format("{} {} {}\n", one.path, one.before, one.during);
    }
    replace_file(state, file_name, text);
}

// Somebody may have switched it back meanwhile: what it was before us is what we found first.
void remember(std::vector<Switch>& known, const Switch& one) {
    const auto same = [&](const Switch& other) { return other.path == one.path; };
    if (std::none_of(known.begin(), known.end(), same)) known.push_back(one);
}

void tell(const std::vector<Switch>& switched) {
    std::string text;
    for (const Switch& one : switched) {
        if (one.before == one.during) continue;
        text += fmt::format("{}{} {} -> {}", text.empty() ? "" : ", ", one.path, one.before,
                            one.during);
    }
    Log{FdRef{STDERR_FILENO}}.info(
        fmt::format("this host forwards packets until its last container ends: {}", text));
}

// A network device may be gone by now, and its switches with it.
void restore(FdRef switches, const Switch& one) {
    try {
        write_switch(switches, one.path, one.before);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
    }
}

}  // namespace

void allow_forwarding(FdRef state, bool ipv6) {
    const trace::Step step{5, "let the host forward", "else it keeps what is not for itself"};
    const UniqueFd switches = open_switches();
    std::vector<Switch> needed = needed_for_ipv4(switches);
    if (ipv6) {
        const std::vector<Switch> more = needed_for_ipv6(switches);
        needed.insert(needed.end(), more.begin(), more.end());
    }
    if (needed.empty()) return;
    std::vector<Switch> known = read_record(state);
    for (const Switch& one : needed) remember(known, one);
    write_record(state, known);
    for (const Switch& one : needed) write_switch(switches, one.path, one.during);
    tell(needed);
}

void restore_forwarding(FdRef state) {
    const trace::Step step{5, "restore the host's switches", "nothing of ours is left to forward"};
    const std::vector<Switch> known = read_record(state);
    if (known.empty()) return;
    const UniqueFd switches = open_switches();
    for (const Switch& one : known) restore(switches, one);
    remove_file(state, file_name);
}

void prepare_bridge_switches(const std::string& bridge) {
    const trace::Step step{5, "let 127.0.0.1 reach the bridge", "ports are published there"};
    const UniqueFd switches = open_switches();
    write_switch(switches, fmt::format("net/ipv4/conf/{}/route_localnet", bridge), "1");
    // No router is on it, and nobody with its address: else the first containers would wait.
    for (const char* name : {"accept_ra", "accept_dad"}) {
        const std::string path = fmt::format("net/ipv6/conf/{}/{}", bridge, name);
        if (read_switch(switches, path)) write_switch(switches, path, "0");
    }
}

}  // namespace tenon
