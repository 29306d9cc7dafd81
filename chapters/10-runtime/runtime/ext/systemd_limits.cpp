// Limits as properties. They are translated from what is written into the group, not from what was
// asked for: so an entry of `unified` is treated as the limit that it stands for, and what is
// neither known here nor to systemd is passed over.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <sstream>

#include "systemd_unit.hpp"

namespace tenon::ext {

namespace {

// Which systemd knows it first.
constexpr unsigned knows_cpusets = 244;
constexpr unsigned knows_idle = 252;
constexpr unsigned knows_scope_oom = 253;
constexpr unsigned knows_zswap = 253;

constexpr std::uint64_t default_period = 100'000;
constexpr std::uint64_t second = 1'000'000;
constexpr std::uint64_t one_percent = 10'000;  // of a second
constexpr unsigned most_cpus = 8192;           // the kernel's largest NR_CPUS

struct Plain {
    std::string_view file;
    const char* property;
    unsigned since = 0;
};
constexpr std::array plain{Plain{"memory.max", "MemoryMax"},
                           Plain{"memory.high", "MemoryHigh"},
                           Plain{"memory.low", "MemoryLow"},
                           Plain{"memory.min", "MemoryMin"},
                           Plain{"memory.swap.max", "MemorySwapMax"},
                           Plain{"memory.zswap.max", "MemoryZSwapMax", knows_zswap},
                           Plain{"pids.max", "TasksMax"},
                           Plain{"cpu.weight", "CPUWeight"}};
constexpr std::array disk_keys{Plain{"rbps", "IOReadBandwidthMax"},
                               Plain{"wbps", "IOWriteBandwidthMax"},
                               Plain{"riops", "IOReadIOPSMax"}, Plain{"wiops", "IOWriteIOPSMax"}};

std::vector<std::string> words_in(const std::string& text) {
    std::istringstream stream{text};
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

// `max` is systemd's largest number, too.
std::optional<std::uint64_t> number_in(std::string_view text) {
    if (text == "max") return no_limit;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// `0-2,7` as bits, the lowest first.
std::optional<std::vector<unsigned>> bits_in(const std::string& list) {
    std::vector<unsigned> bytes;
    std::istringstream ranges{list};
    for (std::string range; std::getline(ranges, range, ',');) {
        const std::size_t dash = range.find('-');
        const auto first = number_in(range.substr(0, dash));
        const auto last = dash == std::string::npos ? first : number_in(range.substr(dash + 1));
        if (!first || !last || *first > *last || *last >= most_cpus) return std::nullopt;
        bytes.resize(std::max<std::size_t>(bytes.size(), *last / 8 + 1));
        for (std::uint64_t bit = *first; bit <= *last; ++bit) bytes[bit / 8] |= 1U << (bit % 8);
    }
    return bytes;
}

// Properties of which a later one replaces or completes an earlier one.
class Collected {
  public:
    explicit Collected(unsigned version) : version_(version) {}

    void add(const CgroupSetting& setting) {
        const std::vector<std::string> words = words_in(setting.value);
        if (words.empty()) return;
        add_plain(setting.file, words);
        if (setting.file == "cpu.max") add_quota(words);
        if (setting.file == "cpu.idle" && words[0] == "1" && version_ >= knows_idle) {
            set("CPUWeight", 0);  // its word for idle
        }
        if (setting.file == "cpuset.cpus") add_bits("AllowedCPUs", words[0]);
        if (setting.file == "cpuset.mems") add_bits("AllowedMemoryNodes", words[0]);
        if (setting.file == "io.weight") add_io_weight(words);
        if (setting.file == "io.max") add_io_max(words);
    }
    [[nodiscard]] std::vector<UnitProperty> take() { return std::move(list_); }

  private:
    UnitProperty& named(const char* name, const char* type) {
        const auto there = std::ranges::find_if(
            list_, [&](const UnitProperty& each) { return each.name == name; });
        if (there != list_.end()) return *there;
        return list_.emplace_back(UnitProperty{name, type, {}});
    }
    void set(const char* name, std::uint64_t value) {
        named(name, "t").values = {std::to_string(value)};
    }
    // An array of (disk, value), which begins with how many there are.
    void append(const char* name, const std::string& disk, std::uint64_t value) {
        std::vector<std::string>& values = named(name, "a(st)").values;
        if (values.empty()) values.emplace_back();
        values.insert(values.end(), {"/dev/block/" + disk, std::to_string(value)});
        values.front() = std::to_string(values.size() / 2);
    }

    void add_plain(std::string_view file, const std::vector<std::string>& words) {
        const auto known =
            std::ranges::find_if(plain, [&](const Plain& each) { return each.file == file; });
        if (known == plain.end() || version_ < known->since || words.size() != 1) return;
        if (const auto value = number_in(words[0])) set(known->property, *value);
    }

    // Time in each second; systemd counts it in percent, so the group gets no less than was asked.
    void add_quota(const std::vector<std::string>& words) {
        const auto quota = number_in(words[0]);
        const auto period = words.size() > 1 ? number_in(words[1]) : default_period;
        if (!quota || !period || *period == 0) return;
        set("CPUQuotaPeriodUSec", *period);
        if (*quota > no_limit / second) return set("CPUQuotaPerSecUSec", no_limit);
        const std::uint64_t each_second = *quota * second / *period;
        set("CPUQuotaPerSecUSec", (each_second + one_percent - 1) / one_percent * one_percent);
    }

    void add_bits(const char* name, const std::string& list) {
        const auto bytes = bits_in(list);
        if (!bytes || version_ < knows_cpusets) return;
        std::vector<std::string>& values = named(name, "ay").values;
        values = {std::to_string(bytes->size())};
        for (const unsigned byte : *bytes) values.push_back(std::to_string(byte));
    }

    void add_io_weight(const std::vector<std::string>& words) {
        const auto weight = number_in(words.back());
        if (!weight || words.size() > 2) return;
        if (words.size() == 1 || words[0] == "default") return set("IOWeight", *weight);
        if (parse_device_number(words[0])) append("IODeviceWeight", words[0], *weight);
    }

    void add_io_max(const std::vector<std::string>& words) {
        if (!parse_device_number(words[0])) return;
        for (const std::string& word : words) {
            for (const auto& [key, property, since] : disk_keys) {
                if (!word.starts_with(std::string{key} + "=")) continue;
                const auto value = number_in(std::string_view{word}.substr(key.size() + 1));
                if (value) append(property, words[0], *value);
            }
        }
    }

    unsigned version_;
    std::vector<UnitProperty> list_;
};

}  // namespace

std::vector<UnitProperty> limit_properties(const CgroupLimits& limits, unsigned version) {
    Collected properties{version};
    for (const CgroupSetting& setting : settings_for(limits)) properties.add(setting);
    return properties.take();
}

std::vector<UnitProperty> oom_properties(const CgroupLimits& limits, unsigned version) {
    if (version < knows_scope_oom) return {};
    std::vector<UnitProperty> properties;
    for (const auto& [file, value] : settings_for(limits)) {
        if (file != "memory.oom.group") continue;
        properties = {{"OOMPolicy", "s", {value == "1" ? "kill" : "continue"}}};
    }
    return properties;
}

}  // namespace tenon::ext
