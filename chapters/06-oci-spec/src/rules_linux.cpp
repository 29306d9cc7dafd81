// Rules for `linux`, but for namespaces, resources and seccomp. runtime-spec config-linux.md
#include <algorithm>
#include <cctype>

#include "rules.hpp"

namespace tenon::oci {

namespace {

bool has_namespace(const Linux& linux, std::string_view type) {
    return std::any_of(linux.namespaces.begin(), linux.namespaces.end(),
                       [&](const LinuxNamespace& ns) { return ns.type == type; });
}

// What is said of a kind of namespace is said of the container's own, never of the host's.
void expect_namespace(Findings& findings, const Place& at, const Linux& linux,
                      std::string_view type) {
    if (has_namespace(linux, type)) return;
    findings.add(at, fmt::format("needs a namespace of type {}, and none is listed", type));
}

void judge_mappings(Findings& findings, const Place& at, const Linux& linux) {
    const auto judge = [&](const char* key, const std::vector<IdMapping>& list) {
        const Place place{at, key, "config-linux.md, User namespace mappings"};
        if (!list.empty()) expect_namespace(findings, place, linux, "user");
        expect_mappings(findings, place, list);
    };
    judge("uidMappings", linux.uid_mappings);
    judge("gidMappings", linux.gid_mappings);
}

void judge_time_offsets(Findings& findings, const Place& at, const Linux& linux) {
    const Place offsets{at, "timeOffsets", "config-linux.md, Offset for Time Namespace"};
    if (!linux.time_offsets.empty()) expect_namespace(findings, offsets, linux, "time");
    for (const auto& [clock, offset] : linux.time_offsets) {
        const Place place{offsets, clock};
        expect_one_of(findings, place, clock, {"monotonic", "boottime"});
        expect_range(findings, Place{place, "nanosecs"}, offset.nanosecs, 0, 999'999'999);
    }
}

void judge_device(Findings& findings, const Place& at, const Device& device) {
    expect_absolute(findings, Place{at, "path"}, device.path);
    expect_one_of(findings, Place{at, "type"}, device.type, {"c", "b", "u", "p"});
    const auto judge_number = [&](const char* key, std::optional<std::int64_t> number,
                                  std::int64_t highest) {
        const Place place{at, key};
        if (number) {
            expect_range(findings, place, *number, 0, highest);
        } else if (device.type != "p") {
            findings.add(place, "is missing, and required but for a FIFO");
        }
    };
    judge_number("major", device.major, 4095);  // 12 and 20 bits: makedev(3)
    judge_number("minor", device.minor, 1048575);
}

// What the kernel takes as a name: dev_valid_name() in net/core/dev.c.
bool is_interface_name(std::string_view name) {
    constexpr std::size_t longest = 15;  // IFNAMSIZ, with the NUL
    if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
    return std::none_of(name.begin(), name.end(), [](char c) {
        return c == '/' || c == ':' || std::isspace(static_cast<unsigned char>(c)) != 0;
    });
}

void judge_net_devices(Findings& findings, const Place& at, const Linux& linux) {
    const Place devices{at, "netDevices", "config-linux.md, Network Devices"};
    if (!linux.net_devices.empty()) expect_namespace(findings, devices, linux, "network");
    for (const auto& [name, device] : linux.net_devices) {
        const Place place{devices, name};
        if (!is_interface_name(name)) {
            findings.add(place, fmt::format("{} is no name of an interface", shown(name)));
        }
        if (!device.name.empty() && !is_interface_name(device.name)) {
            findings.add(Place{place, "name"},
                         fmt::format("{} is no name of an interface", shown(device.name)));
        }
    }
}

// CVE-2022-0811: a sysctl's name or value that says more than one thing. Which of them are the
// container's own is decided where they are written.
void judge_sysctl(Findings& findings, const Place& at, const Linux& linux) {
    const Place sysctls{at, "sysctl", "config-linux.md, Sysctl"};
    for (const auto& [name, value] : linux.sysctl) {
        const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
            return std::isgraph(static_cast<unsigned char>(c)) != 0 && c != '+' && c != '=';
        });
        if (!plain || name.empty() || name.find("..") != std::string::npos) {
            findings.add(Place{sysctls, name},
                         fmt::format("{} is no name of a sysctl", shown(name)));
        }
        if (value.find('\n') != std::string::npos) {
            findings.add(Place{sysctls, name}, "a value of more than one line");
        }
    }
}

void judge_paths(Findings& findings, const Place& at, const Linux& linux) {
    const auto judge = [&](const Place& list, const std::vector<std::string>& paths) {
        each(paths, list, [&](const std::string& path, const Place& place) {
            expect_absolute(findings, place, path);
        });
    };
    judge(Place{at, "maskedPaths", "config-linux.md, Masked Paths"}, linux.masked_paths);
    judge(Place{at, "readonlyPaths", "config-linux.md, Readonly Paths"}, linux.readonly_paths);
    if (linux.rootfs_propagation.empty()) return;
    expect_one_of(findings,
                  Place{at, "rootfsPropagation", "config-linux.md, Rootfs Mount Propagation"},
                  linux.rootfs_propagation,
                  {"shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate",
                   "runbindable"});
}

// Whatever names the cgroup must not lead out of where cgroups are made.
void judge_cgroups_path(Findings& findings, const Place& at, const std::string& path) {
    const std::string bounded = "/" + path + "/";
    if (bounded.find("/../") == std::string::npos) return;
    findings.add(Place{at, "cgroupsPath", "config-linux.md, Cgroups Path"},
                 fmt::format("{} climbs with ..", shown(path)));
}

void expect_one_line(Findings& findings, const Place& at, const std::string& text) {
    if (text.find('\n') != std::string::npos) findings.add(at, "more than one line");
}

void judge_intel_rdt(Findings& findings, const Place& at, const IntelRdt& rdt) {
    // A directory below the mount point of resctrl; / is that itself.
    const std::string& id = rdt.clos_id;
    if (id == "." || id == ".." || (id != "/" && id.find('/') != std::string::npos)) {
        findings.add(Place{at, "closID"}, fmt::format("{} is no name of a directory", shown(id)));
    }
    each(rdt.schemata, Place{at, "schemata"}, [&](const std::string& line, const Place& place) {
        expect_one_line(findings, place, line);
    });
    const Place bandwidth{at, "memBwSchema"};
    expect_one_line(findings, bandwidth, rdt.mem_bw_schema);
    if (!rdt.mem_bw_schema.empty() && !rdt.mem_bw_schema.starts_with("MB:")) {
        findings.add(bandwidth,
                     fmt::format("{} does not begin with MB:", shown(rdt.mem_bw_schema)));
    }
}

// set_mempolicy(2): which modes have nodes, and which must not have any.
void judge_memory_policy(Findings& findings, const Place& at, const MemoryPolicy& policy) {
    const Place nodes{at, "nodes"};
    expect_one_of(findings, Place{at, "mode"}, policy.mode,
                  {"MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
                   "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL"});
    each(policy.flags, Place{at, "flags"}, [&](const std::string& flag, const Place& place) {
        expect_one_of(findings, place, flag,
                      {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES", "MPOL_F_NUMA_BALANCING"});
    });
    expect_number_list(findings, nodes, policy.nodes);
    const bool takes_none = is_one_of(policy.mode, {"MPOL_DEFAULT", "MPOL_LOCAL"});
    const bool may_have_none = takes_none || policy.mode == "MPOL_PREFERRED";
    if (takes_none && !policy.nodes.empty()) {
        findings.add(nodes, fmt::format("{} has no nodes", policy.mode));
    }
    if (!may_have_none && policy.nodes.empty()) {
        findings.add(nodes, fmt::format("is missing: {} needs nodes", shown(policy.mode)));
    }
}

void judge_personality(Findings& findings, const Place& at, const Personality& personality) {
    expect_one_of(findings, Place{at, "domain"}, personality.domain, {"LINUX", "LINUX32"});
    each(personality.flags, Place{at, "flags"}, [&](const std::string& flag, const Place& place) {
        findings.add(place, fmt::format("{}: no flag is defined", shown(flag)));
    });
}

}  // namespace

void judge_linux(Findings& findings, const Place& at, const Linux& linux) {
    judge_mappings(findings, at, linux);
    judge_time_offsets(findings, at, linux);
    each(linux.devices, Place{at, "devices", "config-linux.md, Devices"},
         [&](const Device& device, const Place& place) { judge_device(findings, place, device); });
    judge_net_devices(findings, at, linux);
    judge_sysctl(findings, at, linux);
    judge_cgroups_path(findings, at, linux.cgroups_path);
    judge_paths(findings, at, linux);
    const Place resources{at, "resources", "config-linux.md, Control groups"};
    if (linux.resources) judge_resources(findings, resources, *linux.resources);
    const Place seccomp{at, "seccomp", "config-linux.md, Seccomp"};
    if (linux.seccomp) judge_seccomp(findings, seccomp, *linux.seccomp);
    const Place rdt{at, "intelRdt", "config-linux.md, IntelRdt"};
    if (linux.intel_rdt) judge_intel_rdt(findings, rdt, *linux.intel_rdt);
    const Place policy{at, "memoryPolicy", "config-linux.md, Memory Policy"};
    if (linux.memory_policy) judge_memory_policy(findings, policy, *linux.memory_policy);
    const Place personality{at, "personality", "config-linux.md, Personality"};
    if (linux.personality) judge_personality(findings, personality, *linux.personality);
}

}  // namespace tenon::oci
