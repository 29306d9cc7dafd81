#include "launch_options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "refusals.hpp"
#include "seccomp_tree.hpp"
#include "systemd_manager.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::cli {

namespace {

// Sockets that somebody opened for us: they become the container's. sd_listen_fds(3)
unsigned listen_descriptors() {
    const char* const count = std::getenv("LISTEN_FDS");
    const char* const pid = std::getenv("LISTEN_PID");
    if (count == nullptr) return 0;
    if (pid != nullptr && parse_number("LISTEN_PID", pid) != ::getpid()) return 0;
    const long parsed = parse_number("LISTEN_FDS", count);
    return parsed > 0 && parsed < 1024 ? static_cast<unsigned>(parsed) : 0;
}

// cgroupsPath is a unit's name then, and no path for who makes groups by cgroupfs.
std::optional<ext::ScopeName> take_scope(const Global& global, const std::string& id,
                                         oci::Spec& spec) {
    if (!wants_systemd(global)) return std::nullopt;
    std::string path;
    if (spec.linux) path = std::exchange(spec.linux->cgroups_path, {});
    if (global.cgroup_manager == "disabled") return std::nullopt;
    return ext::scope_from(path, id, ext::asks_user_manager());
}

Console console_of(const LaunchOptions& options) {
    return options.console_socket.empty() ? Console::None : Console::Socket;
}

}  // namespace

Option bundle_option(LaunchOptions& options) {
    return text("bundle", options.bundle, "DIR", "the folder of config.json (.)", 'b');
}

Option pid_file_option(LaunchOptions& options) {
    return text("pid-file", options.pid_file, "FILE", "is given the first process's number");
}

Option console_socket_option(LaunchOptions& options) {
    return text("console-socket", options.console_socket, "SOCKET",
                "who listens there is sent the terminal's master");
}

Option detach_option(LaunchOptions& options) {
    return flag("detach", options.detach, "return when it runs, and let it run on", 'd');
}

std::vector<Option> create_table(LaunchOptions& options) {
    return {bundle_option(options),
            text("config", options.config, "FILE", "instead of the bundle's config.json", 'f'),
            pid_file_option(options),
            console_socket_option(options),
            text("pidfd-socket", options.pidfd_socket, "SOCKET",
                 "who listens there is sent a pidfd of the first process"),
            number("preserve-fds", options.preserve_fds,
                   "that many descriptors from 3 on are the container's"),
            flag("no-pivot", options.no_pivot, "move the root: for a host on a ramdisk"),
            flag("no-new-keyring", options.no_new_keyring, "keep the caller's session keyring")};
}

std::vector<Option> run_table(LaunchOptions& options) {
    std::vector<Option> table = create_table(options);
    table.push_back(detach_option(options));
    table.push_back(flag("keep", options.keep, "do not delete it when it has ended"));
    // Whose child the container becomes when we end is for our caller to say.
    table.push_back(ignored("no-subreaper"));
    return table;
}

LaunchRequest request_from(const Global& global, const LaunchOptions& options,
                           const std::string& id) {
    refuse_cgroup_manager(global);
    LaunchRequest request{.id = id,
                          .preserved_descriptors = options.preserve_fds,
                          .own_group = global.cgroup_manager != "disabled",
                          .new_keyring = !options.no_new_keyring,
                          .rootless = global.rootless,
                          .moved_root = options.no_pivot,
                          .pid_file = options.pid_file,
                          .console = console_of(options),
                          .console_socket = options.console_socket,
                          .filter_compiler = ext::by_tree};
    const unsigned listening = listen_descriptors();
    if (listening == 0) return request;
    request.preserved_descriptors += listening;
    request.environment.push_back(fmt::format("LISTEN_FDS={}", listening));
    request.environment.emplace_back("LISTEN_PID=1");
    if (const char* const names = std::getenv("LISTEN_FDNAMES")) {
        request.environment.push_back(fmt::format("LISTEN_FDNAMES={}", names));
    }
    return request;
}

void stay_at_terminal(LaunchRequest& request, const LaunchOptions& options, const oci::Spec& spec) {
    const bool terminal = spec.process && spec.process->terminal;
    if (terminal && !options.detach && options.console_socket.empty()) {
        request.console = Console::Relay;
    }
}

Bundle bundle_from(const Global& global, const LaunchOptions& options) {
    Bundle bundle =
        open_bundle(absolute_path(options.bundle.empty() ? "." : options.bundle), options.config);
    if (!wants_systemd(global)) refuse_unsupported(bundle.spec);
    return bundle;
}

ext::Wishes wishes_from(const Global& global, const LaunchOptions& options, const std::string& id,
                        oci::Spec& spec) {
    return {.root = std::filesystem::absolute(global.root).native(),
            .id = id,
            .pidfd_socket = options.pidfd_socket,
            .notify_socket = notify_socket_of_caller(),
            .scope = take_scope(global, id, spec)};
}

std::string notify_socket_of_caller() {
    const char* const name = std::getenv("NOTIFY_SOCKET");
    return name == nullptr ? "" : name;
}

void close_leaked_descriptors(const LaunchRequest& request) {
    sys::close_range_cloexec(STDERR_FILENO + 1 + request.preserved_descriptors);
}

}  // namespace tenon::cli
