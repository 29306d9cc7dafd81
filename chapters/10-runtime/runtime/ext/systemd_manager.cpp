#include "systemd_manager.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "tenon/file_syscalls.hpp"
#include "tenon/helper.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/trace.hpp"

namespace tenon::ext {

namespace {

constexpr std::array folders{"/usr/bin", "/bin", "/run/current-system/sw/bin"};
constexpr const char* instead =
    "configure the engine for cgroupfs (dockerd --exec-opt native.cgroupdriver=cgroupfs, podman "
    "--cgroup-manager=cgroupfs)";
constexpr int not_loaded = 5;  // systemctl(1), "Exit status"

std::string find_tool(const std::string& name) {
    for (const char* const folder : folders) {
        std::string path = fmt::format("{}/{}", folder, name);
        if (sys::fstatat_if_present(FdRef::working_directory(), path)) return path;
    }
    throw std::runtime_error(
        fmt::format("--systemd-cgroup: there is no {} here: install the package systemd, or {}",
                    name, instead));
}

// Where the buses are, and messages in English.
std::vector<std::string> environment_for_tools() {
    std::vector<std::string> environment{"LC_ALL=C", "SYSTEMD_COLORS=0"};
    for (const char* const name :
         {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"}) {
        const char* const value = std::getenv(name);
        if (value != nullptr) environment.push_back(fmt::format("{}={}", name, value));
    }
    return environment;
}

// `Call failed: No such unit` without what is said by us, and in one line.
std::string words_of_answer(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    for (char& c : text) {
        if (c == '\n') c = ' ';
    }
    constexpr std::string_view prefix = "Call failed: ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// `s "/user.slice"`, as busctl prints a text: \ stands before what is special.
std::string text_in(const std::string& line) {
    if (!line.starts_with("s \"") || !line.ends_with('"') || line.size() < 4) {
        throw std::runtime_error("busctl: no text of D-Bus: " + line);
    }
    std::string text;
    for (std::size_t at = 3; at + 1 < line.size(); ++at) {
        if (line[at] == '\\') ++at;
        text += line[at];
    }
    return text;
}

}  // namespace

struct SystemdManager::Answer {
    std::string program;
    HelperResult result;
    std::chrono::milliseconds patience;

    [[nodiscard]] bool good() const { return !result.timed_out && result.status.shell_code() == 0; }
    void require(const std::string& what) const {
        if (good()) return;
        if (result.timed_out) {
            throw std::runtime_error(fmt::format("systemd: {}: no answer within {} ms ({})", what,
                                                 patience.count(), program));
        }
        const std::string said = words_of_answer(result.output);
        throw std::runtime_error(fmt::format("systemd: {}: {}", what,
                                             said.empty() ? "it failed, without a word" : said));
    }
};

SystemdTools find_systemd_tools() {
    return {.busctl = find_tool("busctl"), .systemctl = find_tool("systemctl")};
}

bool asks_user_manager() {
    return ::geteuid() != 0 || !in_initial_user_namespace();
}

ManagerFacts facts_from(const std::string& answer) {
    std::istringstream lines{answer};
    std::string version;
    std::string group;
    std::getline(lines, version);
    std::getline(lines, group);
    ManagerFacts facts{.version = version_from(text_in(version)), .group = text_in(group)};
    while (facts.group.starts_with('/')) facts.group.erase(0, 1);
    return facts;
}

SystemdManager::Answer SystemdManager::run(const std::string& program,
                                           std::vector<std::string> words) const {
    if (of_user_) words.insert(words.begin(), "--user");
    words.insert(words.begin(), program);
    return {program,
            run_helper({.path = program,
                        .argv = std::move(words),
                        .environment = environment_for_tools(),
                        .timeout = tools_.patience}),
            tools_.patience};
}

SystemdManager::Answer SystemdManager::call(const std::string& method,
                                            std::vector<std::string> words) const {
    // Behind "--" nothing is an option: values may begin with a dash.
    words.insert(words.begin(),
                 {"--", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                  "org.freedesktop.systemd1.Manager", method});
    return run(tools_.busctl, std::move(words));
}

ManagerFacts SystemdManager::ask() const {
    const Answer answer =
        run(tools_.busctl,
            {"--", "get-property", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
             "org.freedesktop.systemd1.Manager", "Version", "ControlGroup"});
    if (!answer.good() && !answer.result.timed_out) {
        throw std::runtime_error(fmt::format(
            "--systemd-cgroup: no systemd answers {}: {}: {}",
            of_user_ ? "this user (busctl --user; XDG_RUNTIME_DIR says where it is)" : "here",
            words_of_answer(answer.result.output), instead));
    }
    answer.require("its version");
    return facts_from(answer.result.output);
}

void SystemdManager::make(const std::string& unit,
                          const std::vector<UnitProperty>& properties) const {
    const trace::Step step{10, "ask systemd for the group", "it owns the tree, and makes a scope"};
    std::vector<std::string> words{"ssa(sv)a(sa(sv))", unit, "fail"};
    const std::vector<std::string> told = words_of(properties);
    words.insert(words.end(), told.begin(), told.end());
    words.emplace_back("0");  // no other units
    Answer answer = call("StartTransientUnit", words);
    // Perhaps one that failed, and is remembered until somebody has looked.
    if (!answer.good() && !answer.result.timed_out && call("ResetFailedUnit", {"s", unit}).good()) {
        answer = call("StartTransientUnit", words);
    }
    answer.require("StartTransientUnit of " + unit);
}

void SystemdManager::wait_for_start(const std::string& unit) const {
    run(tools_.systemctl, {"--no-ask-password", "--quiet", "start", "--", unit})
        .require(fmt::format("the start of {0} (journalctl --unit {0})", unit));
}

void SystemdManager::set(const std::string& unit,
                         const std::vector<UnitProperty>& properties) const {
    if (properties.empty()) return;
    std::vector<std::string> words{"sba(sv)", unit, "true"};  // until it ends, not for ever
    const std::vector<std::string> told = words_of(properties);
    words.insert(words.end(), told.begin(), told.end());
    call("SetUnitProperties", words).require("SetUnitProperties of " + unit);
}

void SystemdManager::stop(const std::string& unit) const {
    const Answer answer =
        run(tools_.systemctl, {"--no-ask-password", "--quiet", "stop", "--", unit});
    if (!answer.result.timed_out && answer.result.status.shell_code() == not_loaded) return;
    answer.require("the stop of " + unit);
    // Where it has failed, it is forgotten; where it has not, there is nothing to forget.
    static_cast<void>(call("ResetFailedUnit", {"s", unit}));
}

}  // namespace tenon::ext
