// Which features take part in a launch: only those that its config asks for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "systemd_unit.hpp"
#include "tenon/extension.hpp"
#include "tenon/oci_spec.hpp"
#include "undoable.hpp"

namespace tenon::ext {

// What a launch is asked for by words and by its caller's environment.
struct Wishes {
    std::string root;  // of --root
    std::string id;
    std::string pidfd_socket;        // --pidfd-socket; empty: none
    std::string notify_socket;       // NOTIFY_SOCKET; empty: none
    std::optional<ScopeName> scope;  // --systemd-cgroup: the group is made by systemd
};

class Extensions {
  public:
    Extensions(const oci::Spec& spec, const Wishes& wishes);
    // The launch has succeeded: what it changed on the host stays, until the container goes.
    void keep() const;
    [[nodiscard]] tenon::Extensions all() const { return pointers_; }

  private:
    void add(std::unique_ptr<LaunchExtension> extension);
    void add_undoable(std::unique_ptr<Undoable> extension);

    std::vector<std::unique_ptr<LaunchExtension>> owned_;
    std::vector<LaunchExtension*> pointers_;
    std::vector<Undoable*> undoable_;
};

}  // namespace tenon::ext
