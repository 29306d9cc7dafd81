// NOTIFY_SOCKET: a service tells its manager that it is ready. A container cannot reach the
// manager's socket, and its messages would come from a process that the manager does not know. So
// it is given a socket of ours, and who starts it passes its READY=1 on, with its pid.
//
//     manager  <- READY=1, MAINPID=pid, BARRIER=1 --  start  <- READY=1 --  /run/notify/notify.sock
//
// See sd_notify(3); runc, notify_socket.go
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tenon/container_state.hpp"
#include "tenon/extension.hpp"
#include "tenon/fd.hpp"

namespace tenon::ext {

// Of a message, the line with `READY=`; empty: none. A container may send us anything.
std::string_view ready_line(std::string_view message);

// create, run: the folder of the socket, and its place in the container.
class NotifyFolder : public LaunchExtension {
  public:
    // root: the folder of --root, by its path.
    NotifyFolder(std::string root, std::string id) : root_(std::move(root)), id_(std::move(id)) {}
    void extend_plan(LaunchPlan& plan) override;
    void on_child_created(const Child& child) override;

  private:
    std::string root_;
    std::string id_;
};

// start, run: between the container and the manager.
class NotifyProxy {
  public:
    // Nothing where there is no manager, or the container was made without one.
    // manager: the caller's NOTIFY_SOCKET, a path or @name
    static std::optional<NotifyProxy> open(const std::string& root, const std::string& id,
                                           const std::string& manager);
    // Returns when the manager has been told, or the process behind `first` has ended.
    void forward(FdRef first, pid_t pid) const;

  private:
    NotifyProxy(UniqueFd inside, UniqueFd manager, std::string name)
        : inside_(std::move(inside)), manager_(std::move(manager)), name_(std::move(name)) {}
    void tell(std::string_view ready, pid_t pid) const;

    UniqueFd inside_;
    UniqueFd manager_;
    std::string name_;
};

}  // namespace tenon::ext
