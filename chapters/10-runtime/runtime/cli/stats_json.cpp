#include "stats_json.hpp"

#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"

namespace tenon::cli {

namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t nanoseconds_per_microsecond = 1000;

std::uint64_t nanoseconds(std::chrono::microseconds time) {
    return static_cast<std::uint64_t>(time.count()) * nanoseconds_per_microsecond;
}

template <typename Number>
void add_number(Json& value, const char* begin, const char* end) {
    Number number{};
    std::from_chars(begin, end, number);
    value = number;
}

// `avg10=0.12 avg60=0.00 avg300=0.00 total=345`
Json pressure_line(std::istream& words) {
    Json values = Json::object();
    for (std::string word; words >> word;) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos) continue;
        const char* const end = word.data() + word.size();
        const char* const begin = word.data() + equals + 1;
        const std::string name = word.substr(0, equals);
        name == "total" ? add_number<std::uint64_t>(values[name], begin, end)
                        : add_number<double>(values[name], begin, end);
    }
    return values;
}

// Left out where the kernel does not measure it: the file is missing, or refuses to be read.
void add_pressure(Json& part, FdRef group, const char* file) {
    std::optional<std::string> text;
    try {
        text = read_kernel_file_if_present(group, file);
    } catch (const SysError& error) {
        if (error.error() != EOPNOTSUPP) throw;
    }
    if (!text) return;
    std::istringstream lines{*text};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string who;
        words >> who;
        part["psi"][who] = pressure_line(words);
    }
}

Json cpu_of(const CpuStats& cpu) {
    return {{"usage",
             {{"total", nanoseconds(cpu.usage)},
              {"kernel", nanoseconds(cpu.system)},
              {"user", nanoseconds(cpu.user)}}},
            {"throttling",
             {{"periods", cpu.periods},
              {"throttledPeriods", cpu.throttled_periods},
              {"throttledTime", nanoseconds(cpu.throttled)}}}};
}

// The readers' word for it is v1's: memory and swap together.
Json swap_of(const MemoryStats& memory, FdRef group) {
    const std::optional<std::string> text = read_kernel_file_if_present(group, "memory.swap.max");
    const std::uint64_t limit = text ? parse_kernel_value(*text) : no_limit;
    const bool endless = limit == no_limit || memory.max == no_limit;
    return {{"limit", endless ? no_limit : limit + memory.max},
            {"usage", memory.swap_current + memory.current},
            {"failcnt", 0}};
}

Json memory_of(const MemoryStats& memory, FdRef group) {
    const auto raw =
        parse_flat_keyed(read_kernel_file_if_present(group, "memory.stat").value_or(""));
    const auto cache = raw.find("file");
    return {{"cache", cache == raw.end() ? 0 : cache->second},
            {"usage",
             {{"limit", memory.max},
              {"usage", memory.current},
              {"max", memory.peak.value_or(0)},
              {"failcnt", memory.max_events}}},
            {"swap", swap_of(memory, group)},
            {"kernel", {{"limit", 0}, {"failcnt", 0}}},
            {"kernelTCP", {{"limit", 0}, {"failcnt", 0}}},
            {"raw", raw}};
}

void add_io(Json& list, const BlockDevice& device, const char* operation, std::uint64_t value) {
    list.push_back(
        {{"major", device.major}, {"minor", device.minor}, {"op", operation}, {"value", value}});
}

Json io_of(const std::map<BlockDevice, IoStats>& io) {
    Json bytes = Json::array();
    Json operations = Json::array();
    for (const auto& [device, used] : io) {
        add_io(bytes, device, "Read", used.read_bytes);
        add_io(bytes, device, "Write", used.write_bytes);
        add_io(operations, device, "Read", used.read_operations);
        add_io(operations, device, "Write", used.write_operations);
    }
    return {{"ioServiceBytesRecursive", bytes}, {"ioServicedRecursive", operations}};
}

// hugetlb.2MB.current, and how often hugetlb.2MB.max was met.
Json huge_pages_of(FdRef group) {
    const std::string front = "hugetlb.";
    const std::string back = ".current";
    Json sizes = Json::object();
    for (const std::string& file : sys::names_in(group)) {
        if (!file.starts_with(front) || !file.ends_with(back) ||
            file.find(".rsvd.") != std::string::npos) {
            continue;
        }
        const std::string stem = file.substr(0, file.size() - back.size());
        const auto events =
            parse_flat_keyed(read_kernel_file_if_present(group, stem + ".events").value_or(""));
        const auto met = events.find("max");
        sizes[stem.substr(front.size())] = {
            {"usage", parse_kernel_value(read_kernel_file(group, file))},
            {"failcnt", met == events.end() ? 0 : met->second}};
    }
    return sizes;
}

}  // namespace

std::string stats_line(const std::string& id, const CgroupStats& stats, FdRef group) {
    Json data{{"cpu", cpu_of(stats.cpu)}, {"cpuset", Json::object()}};
    add_pressure(data["cpu"], group, "cpu.pressure");
    data["memory"] = stats.memory ? memory_of(*stats.memory, group) : Json::object();
    if (stats.memory) add_pressure(data["memory"], group, "memory.pressure");
    data["pids"] = Json::object();
    if (stats.pids) {
        data["pids"] = {{"current", stats.pids->current},
                        {"limit", stats.pids->max == no_limit ? 0 : stats.pids->max}};
    }
    data["blkio"] = stats.io ? io_of(*stats.io) : Json::object();
    if (stats.io) add_pressure(data["blkio"], group, "io.pressure");
    data["hugetlb"] = huge_pages_of(group);
    data["intel_rdt"] = Json::object();
    data["network_interfaces"] = nullptr;
    return Json{{"type", "stats"}, {"id", id}, {"data", data}}.dump() + "\n";
}

}  // namespace tenon::cli
