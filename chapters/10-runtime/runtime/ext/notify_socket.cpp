#include "notify_socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/launch.hpp"
#include "tenon/process_syscalls.hpp"
#include "tenon/signal_syscalls.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/unfinished_file.hpp"
#include "tenon/unix_socket.hpp"

namespace tenon::ext {

namespace {

constexpr const char* folder_name = "notify";
constexpr const char* socket_name = "notify.sock";
constexpr const char* folder_inside = "/run/notify";
constexpr std::string_view variable = "NOTIFY_SOCKET=";
constexpr std::chrono::milliseconds manager_patience{30'000};
constexpr std::size_t largest_message = 4096;

std::optional<UniqueFd> open_folder(const std::string& root, const std::string& id) {
    try {
        return sys::openat(FdRef::working_directory(), root + "/" + id + "/" + folder_name,
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return std::nullopt;
    }
}

// `@name` is one without a file: unix(7), "Abstract sockets".
UniqueFd connect_to_manager(const std::string& name) {
    if (!name.starts_with('@')) return connect_to(name, SOCK_DGRAM);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (name.size() > sizeof address.sun_path) throw SysError(ENAMETOOLONG, "connect", name);
    name.copy(address.sun_path, name.size());
    address.sun_path[0] = '\0';
    UniqueFd connection = sys::socket(AF_UNIX, SOCK_DGRAM, 0);
    const std::size_t size = offsetof(sockaddr_un, sun_path) + name.size();
    sys::connect(connection, reinterpret_cast<const sockaddr&>(address),
                 static_cast<socklen_t>(size), name);
    return connection;
}

// Whoever the container is may write to it: managers' own sockets are like that. One that is there
// is that of a start that was killed.
UniqueFd bind_inside(FdRef folder) {
    remove_file(folder, socket_name);
    UniqueFd socket = bind_at(folder, socket_name);
    sys::fchmodat(folder, socket_name, 0777);
    return socket;
}

}  // namespace

std::string_view ready_line(std::string_view message) {
    while (!message.empty()) {
        const std::string_view line = message.substr(0, message.find('\n'));
        if (line.starts_with("READY=")) return line;
        message.remove_prefix(std::min(line.size() + 1, message.size()));
    }
    return {};
}

void NotifyFolder::extend_plan(LaunchPlan& plan) {
    MountStep step{.kind = MountKind::Bind,
                   .source = root_ + "/" + id_ + "/" + folder_name,
                   .target = folder_inside,
                   .origin = "NOTIFY_SOCKET"};
    step.attributes.set =
        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    plan.parts.mounts.steps.push_back(std::move(step));
    std::vector<std::string>& environment = plan.process.env;
    std::erase_if(environment, [](const std::string& text) { return text.starts_with(variable); });
    environment.push_back(fmt::format("{}{}/{}", variable, folder_inside, socket_name));
}

void NotifyFolder::on_child_created(const Child& /*child*/) {
    const UniqueFd folder = sys::openat(FdRef::working_directory(), root_ + "/" + id_,
                                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const sys::UmaskAside whole_mode;
    sys::mkdirat(folder, folder_name, 0755);
}

std::optional<NotifyProxy> NotifyProxy::open(const std::string& root, const std::string& id,
                                             const std::string& manager) {
    if (manager.empty()) return std::nullopt;
    const std::optional<UniqueFd> folder = open_folder(root, id);
    if (!folder) return std::nullopt;
    return NotifyProxy{bind_inside(*folder), connect_to_manager(manager), manager};
}

void NotifyProxy::forward(FdRef first, pid_t pid) const {
    std::array<std::byte, largest_message> buffer{};
    while (true) {
        std::array files{sys::Watched{inside_}, sys::Watched{first}};
        sys::poll(files, std::nullopt);
        if (files[0].ready != 0) {
            const std::size_t size = sys::read(inside_, buffer, socket_name);
            const std::string_view message{reinterpret_cast<const char*>(buffer.data()), size};
            const std::string_view ready = ready_line(message);
            if (!ready.empty()) return tell(ready, pid);
        } else if (files[1].ready != 0) {
            return;
        }
    }
}

// A manager that reads it after our end does not know any more who sent it. So we wait until it has
// got so far: it closes the descriptor that comes with BARRIER=1. sd_notify_barrier(3)
void NotifyProxy::tell(std::string_view ready, pid_t pid) const {
    sys::send_with_descriptor(manager_, fmt::format("{}\n", ready), {}, name_);
    sys::send_with_descriptor(manager_, fmt::format("MAINPID={}\n", pid), {}, name_);
    auto [end, given] = sys::socketpair(SOCK_STREAM);
    sys::send_with_descriptor(manager_, "BARRIER=1", given, name_);
    given.reset();
    sys::poll_for_input(end, manager_patience);
}

}  // namespace tenon::ext
