// linux.netDevices: a network device of the host moves into the container. The kernel takes its
// addresses away when it moves; they are given back, and it is up in the end, as the specification
// asks for. It goes back to the host when the container's network ends, or, if there is no hardware
// behind it, it ends as well. runtime-spec config-linux.md, "Network Devices"
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "route_socket.hpp"
#include "tenon/oci_linux.hpp"
#include "undoable.hpp"

namespace tenon::ext {

class NetDevices : public Undoable {
  public:
    // Throws std::invalid_argument  a name that the kernel would read as a pattern
    explicit NetDevices(const oci::Linux& config);
    NetDevices(const NetDevices&) = delete;
    NetDevices& operator=(const NetDevices&) = delete;
    ~NetDevices() override;
    // The container's network is not held any longer than it lives.
    void keep() override;
    // Throws SysError  find network device: ENODEV; move network device: EEXIST (the container has
    // one of that name), EINVAL (it is bound to its namespace), EPERM
    void on_child_created(const Child& child) override;

  private:
    std::map<std::string, oci::NetDevice> devices_;
    struct Move;  // what it takes to bring them back
    std::unique_ptr<Move> move_;
};

}  // namespace tenon::ext
