/// @file
/// config.json as plain structs: the object `linux`, but for its resources and its seccomp.
/// @see runtime-spec config-linux.md
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tenon/oci_resources.hpp"
#include "tenon/oci_seccomp.hpp"

namespace tenon::oci {

/// A range of ids: what is `container_id` inside is `host_id` outside.
/// @see \man{user_namespaces,7}, "User and group ID mappings"
struct IdMapping {
    std::uint32_t container_id = 0;
    std::uint32_t host_id = 0;
    std::uint32_t size = 0;
    bool operator==(const IdMapping&) const = default;
};

/// A namespace: new, or with a path an existing one. A kind that is not listed is inherited.
struct LinuxNamespace {
    std::string type;  ///< pid network mount ipc uts user cgroup time
    std::string path;
    bool operator==(const LinuxNamespace&) const = default;
};

/// A device node to be made. @see \man{mknod,2}
struct Device {
    std::string path;
    std::string type;  ///< c u b p
    std::optional<std::int64_t> major;
    std::optional<std::int64_t> minor;
    std::optional<std::uint32_t> file_mode;
    std::optional<std::uint32_t> uid;
    std::optional<std::uint32_t> gid;
    bool operator==(const Device&) const = default;
};

/// A network interface of the host that moves into the container.
struct NetDevice {
    std::string name;  ///< there; empty: the same
    bool operator==(const NetDevice&) const = default;
};

/// @see \man{time_namespaces,7}
struct TimeOffset {
    std::int64_t secs = 0;
    std::uint32_t nanosecs = 0;
    bool operator==(const TimeOffset&) const = default;
};

/// @see \man{personality,2}
struct Personality {
    std::string domain;  ///< LINUX LINUX32
    std::vector<std::string> flags;
    bool operator==(const Personality&) const = default;
};

/// @see Linux, Documentation/arch/x86/resctrl.rst
struct IntelRdt {
    std::string clos_id;  ///< `closID`
    std::vector<std::string> schemata;
    std::string l3_cache_schema;
    std::string mem_bw_schema;
    bool enable_monitoring = false;
    bool operator==(const IntelRdt&) const = default;
};

/// @see \man{set_mempolicy,2}
struct MemoryPolicy {
    std::string mode;   ///< MPOL_BIND ...
    std::string nodes;  ///< `0-1,3`
    std::vector<std::string> flags;
    bool operator==(const MemoryPolicy&) const = default;
};

/// config-linux.md
struct Linux {
    std::vector<IdMapping> uid_mappings;
    std::vector<IdMapping> gid_mappings;
    std::map<std::string, std::string> sysctl;
    std::optional<Resources> resources;
    std::string cgroups_path;
    std::vector<LinuxNamespace> namespaces;
    std::vector<Device> devices;
    std::map<std::string, NetDevice> net_devices;
    std::optional<Seccomp> seccomp;
    std::string rootfs_propagation;  ///< shared slave private unbindable, r... of each
    std::vector<std::string> masked_paths;
    std::vector<std::string> readonly_paths;
    std::string mount_label;
    std::optional<IntelRdt> intel_rdt;
    std::optional<MemoryPolicy> memory_policy;
    std::optional<Personality> personality;
    std::map<std::string, TimeOffset> time_offsets;  ///< `monotonic`, `boottime`
    bool operator==(const Linux&) const = default;
};

}  // namespace tenon::oci
