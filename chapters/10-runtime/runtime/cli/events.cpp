// events: what a container uses, once (--stats) or every few seconds; and at once, when the kernel
// killed somebody in it for want of memory.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "stats_json.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/error.hpp"
#include "tenon/signal_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

using Clock = std::chrono::steady_clock;
using Duration = std::chrono::duration<double>;

struct Unit {
    std::string_view name;
    Duration length;
};
// As Go writes durations: 1m30s, 500ms, 1.5s.
constexpr std::array units{
    Unit{"ms", Duration{1e-3}}, Unit{"us", Duration{1e-6}}, Unit{"ns", Duration{1e-9}},
    Unit{"s", Duration{1}},     Unit{"m", Duration{60}},    Unit{"h", Duration{3600}},
};

[[noreturn]] void refuse_duration(const std::string& text) {
    throw UsageError(fmt::format("--interval '{}': write a duration, as 5s, 500ms or 1m30s", text));
}

Duration take_unit(std::string_view& rest, const std::string& whole) {
    for (const Unit& unit : units) {
        if (!rest.starts_with(unit.name)) continue;
        rest.remove_prefix(unit.name.size());
        return unit.length;
    }
    refuse_duration(whole);
}

std::chrono::milliseconds interval_from(const std::string& text) {
    Duration sum{};
    std::string_view rest = text;
    if (rest.empty()) refuse_duration(text);
    while (!rest.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number,
                                                  std::chars_format::fixed);
        if (error != std::errc{} || !(number >= 0 && number < 1e9)) refuse_duration(text);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        sum += number * take_unit(rest, text);
    }
    const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(sum);
    if (interval.count() <= 0) throw UsageError("duration interval must be greater than 0");
    return interval;
}

UniqueFd open_if_present(FdRef group, const char* file) {
    try {
        return sys::openat(group, file, O_RDONLY);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return {};  // without a memory controller nobody counts
    }
}

// How often the kernel killed somebody in a group. Its file reports each change itself.
// Documentation/admin-guide/cgroup-v2.rst, memory.events
class Kills {
  public:
    explicit Kills(FdRef group) : file_(open_if_present(group, "memory.events")), seen_(count()) {}
    // Whether there were some since the last time it was asked.
    bool more() {
        const std::uint64_t before = std::exchange(seen_, count());
        return seen_ > before;
    }
    [[nodiscard]] FdRef file() const { return file_; }

  private:
    [[nodiscard]] std::uint64_t count() const {
        if (!file_.valid()) return 0;
        try {
            const auto counters = parse_flat_keyed(sys::pread_start(file_, 4096));
            const auto found = counters.find("oom_kill");
            return found == counters.end() ? 0 : found->second;
        } catch (const SysError& error) {
            if (error.error() != ENODEV) throw;
            return 0;  // the group has been removed
        }
    }
    UniqueFd file_;
    std::uint64_t seen_ = 0;
};

// Until the first process has ended, somebody was killed, or `time` is up. Whether it has ended:
// its pidfd can be read then.
bool wait_for_end(FdRef first, const Kills& kills, Clock::duration time) {
    std::vector<sys::Watched> files{{.file = first}};
    if (kills.file().valid()) files.push_back({.file = kills.file(), .events = POLLPRI});
    const auto rounded_up = std::chrono::ceil<std::chrono::milliseconds>(time);
    return sys::poll(files, std::max(rounded_up, std::chrono::milliseconds{0})) &&
           files.front().ready != 0;
}

// Nothing any more where the group goes while we read: the container has ended.
void tell_stats(const std::string& id, const CgroupManager& group, FdRef first) {
    try {
        print(stats_line(id, group.stats(), group.directory()));
    } catch (const SysError& error) {
        const bool gone = error.error() == ENODEV || error.error() == ENOENT;
        if (!gone || !sys::poll_for_input(first, std::chrono::milliseconds{0})) throw;
    }
}

void watch(const Container& container, FdRef first, std::chrono::milliseconds interval) {
    const std::string& id = container.record().id;
    const CgroupManager group = container.cgroup();
    Kills kills{group.directory()};
    Clock::time_point next = Clock::now();
    for (bool ended = false; !ended;) {
        if (Clock::now() >= next) {
            tell_stats(id, group, first);
            next += interval;
        }
        ended = wait_for_end(first, kills, next - Clock::now());
        if (kills.more()) print(fmt::format("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", id));
    }
}

[[noreturn]] void not_running(const std::string& id) {
    throw ContainerError(fmt::format("container with id {} is not running", id));
}

UniqueFd open_first(const Container& container) {
    try {
        return sys::pidfd_open(container.record().pid);
    } catch (const SysError& error) {
        if (error.error() != ESRCH && error.error() != EINVAL) throw;
        not_running(container.record().id);
    }
}

}  // namespace

int events(const Global& global, Words words) {
    bool once = false;
    std::string interval = "5s";
    const std::vector<Option> table{
        flag("stats", once, "once, and no more"),
        text("interval", interval, "TIME", "between two of them: 500ms, 1m30s (5s)")};
    const std::string id = only_id("events", take_options(words, table, Where::Anywhere));
    const std::chrono::milliseconds pause = interval_from(interval);
    const Container container = load(global, id);
    // First the descriptor, then the look at who it is.
    const UniqueFd first = open_first(container);
    if (container.status() == ContainerStatus::Stopped) not_running(id);
    if (!once) {
        watch(container, first, pause);
        return 0;
    }
    const CgroupManager group = container.cgroup();
    print(stats_line(id, group.stats(), group.directory()));
    return 0;
}

}  // namespace tenon::cli
