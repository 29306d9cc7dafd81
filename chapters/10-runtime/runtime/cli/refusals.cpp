#include "refusals.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace tenon::cli {

namespace {

bool is_systemd_path(const std::string& path) {
    return std::count(path.begin(), path.end(), ':') == 2 && path.find('/') == std::string::npos;
}

}  // namespace

void refuse(const std::string& what) {
    throw std::invalid_argument(what);
}

bool wants_systemd(const Global& global) {
    return global.systemd_cgroup || global.cgroup_manager == "systemd";
}

void refuse_cgroup_manager(const Global& global) {
    for (const std::string_view known : {"cgroupfs", "systemd", "disabled"}) {
        if (global.cgroup_manager == known) return;
    }
    refuse("--cgroup-manager " + global.cgroup_manager + ": use cgroupfs, systemd or disabled");
}

void refuse_unsupported(const oci::Spec& spec) {
    if (!spec.linux) return;
    const oci::Linux& config = *spec.linux;
    if (is_systemd_path(config.cgroups_path)) {
        refuse("/linux/cgroupsPath: '" + config.cgroups_path +
               "' is a unit of systemd: run with --systemd-cgroup, or write a path of cgroupfs");
    }
}

}  // namespace tenon::cli
