// A limit is a line of text in a file of the group. The kernel judges each write by itself, and a
// limit only holds for processes that are in the group: so all of it is written before there is
// one. Linux, Documentation/admin-guide/cgroup-v2.rst, "Controllers"
#include <fmt/format.h>

#include "tenon/cgroup.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// "max" is the kernel's word for no limit.
std::string text_of(std::uint64_t value) {
    return value == no_limit ? "max" : std::to_string(value);
}

// `8:0 rbps=1048576 wiops=max`: only the keys that were asked for.
std::string text_of(const IoMax& limit) {
    std::string text = fmt::format("{}:{}", limit.device.major, limit.device.minor);
    const auto add = [&](const char* key, const std::optional<std::uint64_t>& value) {
        if (value) text += fmt::format(" {}={}", key, text_of(*value));
    };
    add("rbps", limit.read_bytes);
    add("wbps", limit.write_bytes);
    add("riops", limit.read_operations);
    add("wiops", limit.write_operations);
    return text;
}

// A list of settings that grows by what is there.
class Settings {
  public:
    void add(std::string file, std::string value) {
        list_.push_back({std::move(file), std::move(value)});
    }
    void add(const char* file, const std::optional<std::uint64_t>& value) {
        if (value) add(file, text_of(*value));
    }
    void add_flag(const char* file, const std::optional<bool>& value) {
        if (value) add(file, std::string{*value ? "1" : "0"});
    }
    void add_text(const char* file, const std::string& value) {
        if (!value.empty()) add(file, value);
    }
    [[nodiscard]] std::vector<CgroupSetting> take() { return std::move(list_); }

  private:
    std::vector<CgroupSetting> list_;
};

void add_memory(Settings& settings, const CgroupLimits& limits) {
    // BEGIN SOLUTION 03.2
    settings.add("memory.max", limits.memory_max);
    settings.add("memory.high", limits.memory_high);
    settings.add("memory.low", limits.memory_low);
    settings.add("memory.min", limits.memory_min);
    settings.add("memory.swap.max", limits.swap_max);
    settings.add_flag("memory.oom.group", limits.oom_group);
    // END SOLUTION
}

void add_cpu(Settings& settings, const CgroupLimits& limits) {
    // BEGIN SOLUTION 03.2
    if (limits.cpu_max) {
        const auto& [quota, period] = *limits.cpu_max;
        settings.add("cpu.max", fmt::format("{} {}", quota ? std::to_string(quota->count()) : "max",
                                            period.count()));
    }
    settings.add("cpu.weight", limits.cpu_weight);
    // An idle group has no weight of its own any more: EINVAL for whoever sets one afterwards.
    settings.add_flag("cpu.idle", limits.cpu_idle);
    settings.add_text("cpuset.cpus", limits.cpuset_cpus);
    settings.add_text("cpuset.mems", limits.cpuset_mems);
    // END SOLUTION
}

void add_io(Settings& settings, const CgroupLimits& limits) {
    // BEGIN SOLUTION 03.2
    for (const IoMax& limit : limits.io_max) settings.add("io.max", text_of(limit));
    if (limits.io_weight) settings.add("io.weight", fmt::format("default {}", *limits.io_weight));
    for (const auto& [device, weight] : limits.io_weights) {
        settings.add("io.weight", fmt::format("{}:{} {}", device.major, device.minor, weight));
    }
    // END SOLUTION
}

// What a config.json may ask for as well. The burst after the quota: it cannot be more (EINVAL).
void add_rest(Settings& settings, const CgroupLimits& limits) {
    if (limits.cpu_burst) settings.add("cpu.max.burst", std::to_string(limits.cpu_burst->count()));
    for (const auto& [device, text] : limits.rdma_max) {
        settings.add("rdma.max", fmt::format("{} {}", device, text));
    }
}

}  // namespace

std::vector<CgroupSetting> settings_for(const CgroupLimits& limits) {
    Settings settings;
    add_memory(settings, limits);
    add_cpu(settings, limits);
    settings.add("pids.max", limits.pids_max);
    add_io(settings, limits);
    for (const auto& [size, bytes] : limits.hugetlb_max) {
        settings.add(fmt::format("hugetlb.{}.max", size), text_of(bytes));
    }
    add_rest(settings, limits);
    for (const auto& [file, value] : limits.unified) settings.add(file, value);
    return settings.take();
}

void apply_limits(FdRef group, const CgroupLimits& limits) {
    const trace::Step step{3, "write the limits", "before there is a process that they bind"};
    // BEGIN SOLUTION 03.2
    for (const auto& [file, value] : settings_for(limits)) write_kernel_file(group, file, value);
    // END SOLUTION
}

}  // namespace tenon
