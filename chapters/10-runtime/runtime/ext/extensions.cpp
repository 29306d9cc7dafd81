#include "extensions.hpp"

#include "devices.hpp"
#include "intel_rdt.hpp"
#include "net_devices.hpp"
#include "notify_socket.hpp"
#include "pidfd_socket.hpp"
#include "systemd_group.hpp"

namespace tenon::ext {

Extensions::Extensions(const oci::Spec& spec, const Wishes& wishes) {
    if (wishes.scope) {
        add_undoable(std::make_unique<SystemdGroup>(
            *wishes.scope, wishes.id, wishes.root + "/" + wishes.id,
            SystemdManager{find_systemd_tools(), asks_user_manager()}));
    }
    if (!wishes.pidfd_socket.empty()) add(std::make_unique<PidfdSocket>(wishes.pidfd_socket));
    if (!wishes.notify_socket.empty()) {
        add(std::make_unique<NotifyFolder>(wishes.root, wishes.id));
    }
    if (!spec.linux) return;
    if (!spec.linux->net_devices.empty()) add_undoable(std::make_unique<NetDevices>(*spec.linux));
    if (spec.linux->intel_rdt) {
        add_undoable(std::make_unique<IntelRdt>(*spec.linux->intel_rdt, wishes.id,
                                                wishes.root + "/" + wishes.id));
    }
    if (!spec.linux->resources) return;
    const std::vector<oci::DeviceRule>& rules = spec.linux->resources->devices;
    if (!rules.empty()) add(std::make_unique<DeviceRules>(rules));
}

void Extensions::keep() const {
    for (Undoable* each : undoable_) each->keep();
}

void Extensions::add_undoable(std::unique_ptr<Undoable> extension) {
    undoable_.push_back(extension.get());
    add(std::move(extension));
}

void Extensions::add(std::unique_ptr<LaunchExtension> extension) {
    pointers_.push_back(extension.get());
    owned_.push_back(std::move(extension));
}

}  // namespace tenon::ext
