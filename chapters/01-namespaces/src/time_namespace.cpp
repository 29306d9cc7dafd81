// A time namespace takes its offsets only while nobody is in it, and a child that clone3 makes with
// CLONE_NEWTIME is in it at once. So the child makes it by unshare(2), which moves only children
// made later; writes the offsets; and then enters what it has made. time_namespaces(7)
#include "time_namespace.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <stdexcept>

#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr auto time_flag = static_cast<std::uint64_t>(Namespace::Time);

std::string text_of(const std::vector<ClockOffset>& offsets) {
    std::string lines;
    for (const auto& [clock, seconds, nanoseconds] : offsets) {
        lines += fmt::format("{} {} {}\n", clock, seconds, nanoseconds);
    }
    return lines;
}

void make_time_namespace(const std::vector<ClockOffset>& offsets) {
    const trace::Step step{1, "make the time namespace", "its clocks are set before anyone enters"};
    const FdRef here = FdRef::working_directory();
    sys::unshare(time_flag);
    write_kernel_file(here, "/proc/self/timens_offsets", text_of(offsets));
    const UniqueFd made = sys::openat(here, "/proc/self/ns/time_for_children", O_RDONLY);
    sys::setns(made, time_flag, "time");
}

}  // namespace

ChildMain with_clocks_first(const NamespaceOptions& options, CloneArgs& args,
                            const ChildMain& child_main) {
    if (options.clock_offsets.empty()) return child_main;
    if (!args.create.contains(Namespace::Time)) {
        throw std::invalid_argument("offsets of clocks need a new time namespace");
    }
    NamespaceSet others;
    for (const Namespace kind : args.create) {
        if (kind != Namespace::Time) others.insert(kind);
    }
    args.create = others;
    return [offsets = options.clock_offsets, child_main](SyncSocket& to_parent) {
        make_time_namespace(offsets);
        return child_main(to_parent);
    };
}

}  // namespace tenon
