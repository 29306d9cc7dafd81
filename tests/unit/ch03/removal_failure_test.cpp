// A group that cannot be removed is told, and changes nothing about how the command ended; a tree
// of any depth can be.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "cgroup_view.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/cgroup_options.hpp"
#include "tenon/error.hpp"
#include "tenon/program.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

#define USES_ALL "[uses-03.1][uses-03.2][uses-03.3][uses-03.4][uses-03.5][uses-01.1][uses-01.2]"

// As somebody may find it who left it to a program that knew less: groups in groups, with some
// beside the way at every level. Returns the lowest.
fs::path make_deep_tree(const fs::path& top, int levels) {
    fs::create_directory(top);
    fs::path here = top;
    for (int level = 0; level < levels; ++level) {
        for (std::uint64_t beside = random_below(3); beside > 0; --beside) {
            fs::create_directories(here / random_name(4) / random_name(2));
        }
        here /= fmt::format("{}{}", random_name(2), level);
        fs::create_directory(here);
    }
    return here;
}

// Runs `body` where no more than `most` descriptors may be open.
Forked with_few_descriptors(rlim_t most, const std::function<void()>& body) {
    return run_forked([&] {
        const rlimit limit{most, most};
        check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
        body();
        return 0;
    });
}

// Every change by way of this mount is refused from now on: EROFS. Only in our own mount namespace.
void make_hierarchy_read_only(bool read_only) {
    const std::string point = open_cgroup_hierarchy().mount_point;
    const unsigned long flags = MS_REMOUNT | MS_BIND | (read_only ? MS_RDONLY : 0UL);
    check(::mount(nullptr, point.c_str(), nullptr, flags, nullptr), "mount", point);
}

struct ReadOnlyUntilTheEnd {
    ReadOnlyUntilTheEnd() = default;
    ReadOnlyUntilTheEnd(const ReadOnlyUntilTheEnd&) = delete;
    ReadOnlyUntilTheEnd& operator=(const ReadOnlyUntilTheEnd&) = delete;
    ~ReadOnlyUntilTheEnd() { make_hierarchy_read_only(false); }
};

constexpr const char* no_mounts = "lab VM: needs root to make a mount read-only";

}  // namespace

TEST_CASE("remove_cgroup needs no descriptor for each level", "[uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const Member member(make_deep_tree(above.path() / "one", 60));
    step("60 groups, one in the other, and some beside them; at most 32 open descriptors");
    const Forked process = with_few_descriptors(32, [&] { remove_cgroup(above.fd(), "one"); });
    TENON_EXPECT(process.out.empty(), "removed", process.out);
    TENON_EXPECT(!fs::exists(above.path() / "one"), "the group is gone", "it is still there");
}

TEST_CASE("a manager removes a tree deeper than there are descriptors", "[uses-03.2][uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    const Forked process = with_few_descriptors(32, [&] {
        const auto group =
            CgroupManager::create(open_cgroup_hierarchy(), above.name() + "/one", {});
        for (const char* name : {"a", "b"}) {
            make_deep_tree(above.path() / "one" / name, 40 + static_cast<int>(random_below(30)));
        }
    });
    CHECK(process.status == ExitStatus::exited(0));
    CHECK(process.out.empty());
    CHECK(process.err.empty());
    CHECK_FALSE(fs::exists(above.path() / "one"));
}

TEST_CASE("a manager whose group cannot be removed says so", "[uses-03.2][uses-03.5]") {
    const TemporaryDirectory directory;  // no cgroup: nobody can tell who is in it
    const std::string name = random_name(8);
    const Forked process = run_forked([&] {
        CgroupHierarchy hierarchy;
        hierarchy.root =
            sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY | O_DIRECTORY);
        static_cast<void>(CgroupManager::create(hierarchy, name, {}));
        return 4;
    });
    CHECK(process.status == ExitStatus::exited(4));
    CHECK(
        process.err.starts_with(fmt::format("warning: remove cgroup /{} (cgroup.events): ", name)));
    CHECK(process.err.find('\n') == process.err.size() - 1);
}

TEST_CASE("a manager warns when the kernel refuses to remove its group", "[uses-03.2][uses-03.5]") {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    TENON_NEED(is_real_root(), no_mounts);
    const TestCgroup above;
    const ReadOnlyUntilTheEnd guard;
    const std::string path = above.name() + "/one";
    const Forked process = run_forked([&] {
        const auto group = CgroupManager::create(open_cgroup_hierarchy(), path, {});
        make_hierarchy_read_only(true);
        return 4;
    });
    CHECK(process.status == ExitStatus::exited(4));
    CHECK(process.err.starts_with(fmt::format("warning: remove cgroup /{} (one): ", path)));
    CHECK(process.err.find("Read-only file system") != std::string::npos);
    CHECK(fs::exists(above.path() / "one"));
}

TEST_CASE("a group that stays does not change how the command ended", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    TENON_NEED(is_real_root(), no_mounts);
    const TestCgroup above;
    const ReadOnlyUntilTheEnd guard;
    CgroupOptions options;
    options.path = above.proc_name() + "/one";
    const int code = static_cast<int>(random_below(120));
    const Forked process = run_forked([&] {
        return run_program("test", [&] {
            return run_in_cgroup({}, options, [&](SyncSocket&) {
                make_hierarchy_read_only(true);
                return code;
            });
        });
    });
    CHECK(process.status == ExitStatus::exited(code));
    CHECK(process.err.starts_with(fmt::format("warning: remove cgroup {} (one): ", options.path)));
    CHECK(process.err.find('\n') == process.err.size() - 1);  // once, not by the destructor again
}

TEST_CASE("statistics that cannot be written change nothing either", USES_ALL) {
    TENON_NEED(missing_cgroups().empty(), missing_cgroups());
    const TestCgroup above;
    CgroupOptions options;
    options.path = above.proc_name() + "/one";
    options.stats = true;
    const bool closed = GENERATE(false, true);
    const Forked process = run_forked([&] {
        const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
        if (closed) ::close(STDERR_FILENO);
        if (!closed) ::dup2(full, STDERR_FILENO);
        return run_program(
            "test", [&] { return run_in_cgroup({}, options, [](SyncSocket&) { return 3; }); });
    });
    CHECK(process.status == ExitStatus::exited(3));
    CHECK_FALSE(fs::exists(above.path() / "one"));
}

}  // namespace tenon::test
