// 02.1: what is mounted inside stays inside.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/rootfs.hpp"

namespace tenon::test {

namespace {

void mount_tmpfs(const std::filesystem::path& where) {
    check(::mount("tmpfs", where.c_str(), "tmpfs", 0, nullptr), "mount", where.native());
}

// Removed from this host with the object, whatever became of it.
struct HostMount {
    explicit HostMount(std::filesystem::path path) : where(std::move(path)) { mount_tmpfs(where); }
    HostMount(const HostMount&) = delete;
    HostMount& operator=(const HostMount&) = delete;
    ~HostMount() { ::umount2(where.c_str(), MNT_DETACH); }
    std::filesystem::path where;
};

// The first mount of the process that is still connected to another; empty when none is.
std::string connected_mount(pid_t pid) {
    std::string connected;
    bool top_is_private = false;
    for (const MountInfo& mount : mounts_of(pid)) {
        if (mount.mount_point == "/" && mount.propagation.empty()) top_is_private = true;
        if (!mount.propagation.empty() && connected.empty()) {
            connected = mount.mount_point + " is " + mount.propagation;
        }
    }
    fact("only_top_private", top_is_private && !connected.empty());
    fact("still_slave", connected.find("master:") != std::string::npos);
    return connected;
}

}  // namespace

TEST_CASE("make_mounts_private keeps a mount made inside off the host", "[02.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory place;
    const Inside container(CLONE_NEWNS, [&] {
        make_mounts_private();
        mount_tmpfs(place.path());
    });
    connected_mount(container.pid());
    const bool inside = has_mount_at(mounts_of(container.pid()), place.path());
    const bool leaked = has_mount_at(mounts_of("self"), place.path());
    if (leaked) ::umount2(place.path().c_str(), MNT_DETACH);
    step("on a host with shared mounts, a process makes a new mount namespace");
    step("it calls make_mounts_private(), then mounts a tmpfs");
    fact("leaked_to_host", leaked);
    TENON_EXPECT(inside, "the tmpfs is mounted inside", "it is not in the process's mountinfo");
    TENON_EXPECT(!leaked, "the host's mountinfo does not list it", "the host has it as well");
}

TEST_CASE("make_mounts_private reaches every mount, not only the top one", "[02.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Inside container(CLONE_NEWNS, [] { make_mounts_private(); });
    const std::string connected = connected_mount(container.pid());
    step("the optional fields of /proc/PID/mountinfo say how each mount is connected");
    TENON_EXPECT(connected.empty(), "no mount is shared or a slave", connected);
}

TEST_CASE("make_mounts_private keeps a later mount of the host out", "[02.1]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory place;
    const Inside container(CLONE_NEWNS, [] { make_mounts_private(); });
    const HostMount later{place.path()};
    const bool arrived = has_mount_at(mounts_of(container.pid()), place.path());
    step("after make_mounts_private() in the container, the host mounts a tmpfs");
    fact("still_slave", arrived);
    TENON_EXPECT(!arrived, "the container does not see it", "it appeared inside");
}

}  // namespace tenon::test
