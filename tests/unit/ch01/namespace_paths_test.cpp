// A namespace by the path of its file, and a time namespace with clocks of its own.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>

#include <stdexcept>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

// How opening ended: the call, the errno and the subject.
std::string refusal(Namespace kind, const std::string& path) {
    try {
        return open_namespace(kind, path) ? "opened" : "ours";
    } catch (const SysError& error) {
        return fmt::format("{} {} {}", error.call(), errno_name(error.error()), error.subject());
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

}  // namespace

TEST_CASE("a namespace is opened by its path, and ours is nothing to join") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const Inside other(CLONE_NEWUTS, [] {});
    const std::string path = fmt::format("/proc/{}/ns/uts", other.pid());
    const auto opened = open_namespace(Namespace::Uts, path);
    REQUIRE(opened);
    CHECK(opened->kind == Namespace::Uts);
    CHECK(sys::fstat(opened->fd).st_ino == namespace_inode(std::to_string(other.pid()), "uts"));
    CHECK(refusal(Namespace::Uts, "/proc/self/ns/uts") == "ours");
}

TEST_CASE("what is no namespace of that kind is refused, and not waited for") {
    const TemporaryDirectory folder;
    const std::string fifo = (folder.path() / "fifo").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK(refusal(Namespace::Net, fifo) == "open namespace EINVAL " + fifo + " (no namespace)");
    CHECK(refusal(Namespace::Net, "/proc/self/ns/uts") ==
          "open namespace EINVAL /proc/self/ns/uts (no net namespace)");
    CHECK(refusal(Namespace::Net, "/proc/self/status").find("EINVAL") != std::string::npos);
    CHECK(refusal(Namespace::Net, "/no/such") == "open namespace ENOENT /no/such");
    CHECK(refusal(Namespace::Net, "proc/self/ns/net").find("absolute") != std::string::npos);
}

TEST_CASE("joined_kinds are those by process and those by path") {
    NamespaceOptions options;
    options.join_kinds.insert(Namespace::Ipc);
    options.join_paths = {{Namespace::Net, "/a"}, {Namespace::Ipc, "/b"}};
    const NamespaceSet kinds = joined_kinds(options);
    CHECK(kinds.contains(Namespace::Net));
    CHECK(kinds.contains(Namespace::Ipc));
    CHECK_FALSE(kinds.contains(Namespace::Uts));
}

TEST_CASE("a new namespace and one by path exclude each other", "[uses-01.2]") {
    NamespaceOptions options;
    options.create = {Namespace::Uts};
    options.join_paths = {{Namespace::Uts, "/proc/self/ns/uts"}};
    CHECK_THROWS_AS(run_in_namespaces(options, [](SyncSocket&) { return 0; }),
                    std::invalid_argument);
}

TEST_CASE("a time namespace has the offsets asked for, and the child is in it",
          "[uses-01.1][uses-01.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string told = run_inside(0, []() -> std::string {
        NamespaceOptions options;
        options.create = {Namespace::Time};
        options.clock_offsets = {{"monotonic", 86400, 5}, {"boottime", 3600, 0}};
        const ino_t before = namespace_inode("self", "time");
        const int code = run_in_namespaces(options, [&](SyncSocket&) {
            const std::string offsets = read_file("/proc/self/timens_offsets");
            const bool there = namespace_inode("self", "time") != before &&
                               offsets.find("86400") != std::string::npos &&
                               offsets.find("3600") != std::string::npos;
            return there ? 7 : 1;
        });
        return std::to_string(code);
    });
    CHECK(told == "7");
}

TEST_CASE("offsets without a new time namespace are refused") {
    NamespaceOptions options;
    options.clock_offsets = {{"monotonic", 1, 0}};
    CHECK_THROWS_AS(run_in_namespaces(options, [](SyncSocket&) { return 0; }),
                    std::invalid_argument);
}

}  // namespace tenon::test
