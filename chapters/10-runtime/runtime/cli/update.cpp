// update: other limits for a container that there is.
#include <fcntl.h>
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "changed_limits.hpp"
#include "devices.hpp"
#include "intel_rdt.hpp"
#include "systemd_group.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/syscalls.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

// `resources` alone is no config: it is read as the part of one that it would be.
oci::Resources read_resources(const std::string& path) {
    const std::string text =
        read_kernel_file(FdRef::working_directory(), path == "-" ? "/dev/stdin" : path);
    const std::string config =
        fmt::format(R"({{"ociVersion":"1.0.0","linux":{{"resources":{}}}}})", text);
    oci::ParsedSpec parsed = oci::parse_spec(config);
    if (!parsed.violations.empty()) throw oci::InvalidSpec(std::move(parsed.violations));
    return parsed.spec.linux && parsed.spec.linux->resources ? *parsed.spec.linux->resources
                                                             : oci::Resources{};
}

// A row for a number of the config.
template <typename Number>
Option into(std::string_view name, std::optional<Number>& field, std::string_view what) {
    return {name, 0, "N", what, [name, &field](std::string_view value) {
                const long number = parse_number(name, value);
                if (!std::in_range<Number>(number)) {
                    throw UsageError(fmt::format("--{} {}: out of range", name, value));
                }
                field = static_cast<Number>(number);
            }};
}

// Bytes, as people type them: 64m. -1 is no limit, and 0 is not given, as in a config.
Option bytes_into(std::string_view name, std::optional<std::int64_t>& field,
                  std::string_view what) {
    return {name, 0, "BYTES", what, [&field](std::string_view value) {
                const std::uint64_t bytes = value == "0" ? 0 : parse_bytes(value);
                field = bytes == no_limit ? -1 : static_cast<std::int64_t>(bytes);
            }};
}

struct Changes {
    oci::Memory memory;
    oci::Cpu cpu;
    oci::Pids pids;
    oci::BlockIo block_io;
    oci::IntelRdt class_of_service;
    std::string file;
};

std::vector<Option> table_for(Changes& changes) {
    oci::Memory& memory = changes.memory;
    oci::Cpu& cpu = changes.cpu;
    constexpr std::string_view shares = "its part where CPUs are short: 2 to 262144";
    return {text("resources", changes.file, "FILE", "`resources` of a config, in place of options",
                 'r'),
            bytes_into("memory", memory.limit, "64m; -1 is no limit"),
            bytes_into("memory-reservation", memory.reservation, "kept from reclaim"),
            bytes_into("memory-swap", memory.swap, "memory and swap together"),
            into("cpu-quota", cpu.quota, "microseconds in each period; -1 is no limit"),
            into("cpu-period", cpu.period, "microseconds"),
            into("cpu-burst", cpu.burst, "microseconds saved up in earlier periods"),
            into("cpu-share", cpu.shares, shares), into("cpu-shares", cpu.shares, shares),
            into("cpu-idle", cpu.idle, "1: only what nobody else wants"),
            text("cpuset-cpus", cpu.cpus, "LIST", "0-2,7"),
            text("cpuset-mems", cpu.mems, "LIST", "nodes of memory, likewise"),
            into("pids-limit", changes.pids.limit, "processes and threads; -1 is no limit"),
            into("blkio-weight", changes.block_io.weight, "10 to 1000"),
            into("cpu-rt-period", cpu.realtime_period, "refused: cgroup v2 has none"),
            into("cpu-rt-runtime", cpu.realtime_runtime, "refused: cgroup v2 has none"),
            text("l3-cache-schema", changes.class_of_service.l3_cache_schema, "TEXT", "of resctrl"),
            text("mem-bw-schema", changes.class_of_service.mem_bw_schema, "TEXT", "of resctrl"),
            // Of cgroup v1, and without effect for years.
            ignored("kernel-memory", "BYTES"), ignored("kernel-memory-tcp", "BYTES")};
}

oci::Resources resources_of(const Changes& changes) {
    if (!changes.file.empty()) return read_resources(changes.file);
    return {.memory = changes.memory,
            .cpu = changes.cpu,
            .pids = changes.pids,
            .block_io = changes.block_io};
}

// By the rules of a config, of which they would be a part.
void require_valid(const oci::Resources& resources) {
    oci::Spec config = oci::template_spec();
    config.linux->resources = resources;
    std::vector<oci::Violation> violations = oci::validate(config);
    if (!violations.empty()) throw oci::InvalidSpec(std::move(violations));
}

// ENOENT would be taken for a program that is not there.
void require_controllers(FdRef root, const ControllerSet& wanted) {
    const ControllerSet there = read_controllers(root, "cgroup.controllers");
    for (const std::string& each : wanted) {
        if (there.contains(each)) continue;
        throw std::runtime_error(
            fmt::format("cannot update: the {} controller is not part of cgroup v2 on this machine "
                        "(cgroup.controllers does not list it): leave that limit out",
                        each));
    }
}

// Those that the container was made without.
void bring_controllers(const ContainerRecord& record, const std::string& group,
                       const CgroupLimits& limits) {
    const ControllerSet wanted = controllers_for(settings_for(limits));
    if (wanted.empty()) return;
    const UniqueFd root =
        sys::openat(FdRef::working_directory(), record.cgroup_mount, O_RDONLY | O_DIRECTORY);
    require_controllers(root, wanted);
    enable_controllers(root, group, wanted);
}

void change_class(const Container& container, const oci::IntelRdt& wanted) {
    if (wanted == oci::IntelRdt{}) return;
    const oci::Spec spec = container.spec();
    ext::change_class(ext::open_resctrl(), spec.linux ? spec.linux->intel_rdt : std::nullopt,
                      wanted, container.record().id);
}

}  // namespace

int update(const Global& global, Words words) {
    Changes changes;
    const std::string id =
        only_id("update", take_options(words, table_for(changes), Where::Anywhere));
    const Container container = load(global, id);
    require(container.status(), Operation::Update, id);
    const oci::Resources resources = resources_of(changes);
    require_valid(resources);
    const CgroupManager group = container.cgroup();
    // All of it is judged before anything is written.
    const CgroupLimits limits = ext::changed_limits(resources, group.directory());
    bring_controllers(container.record(), group.path(), limits);
    change_class(container, changes.class_of_service);
    if (!resources.devices.empty()) {
        ext::replace_device_rules(resources.devices, group.directory());
    }
    if (const auto unit = ext::noted_unit(global.root + "/" + id)) ext::change_unit(*unit, limits);
    group.apply(limits);
    return 0;
}

}  // namespace tenon::cli
