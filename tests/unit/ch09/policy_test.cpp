// What keeps ordinary users from user namespaces, read from a /proc of the test's own.
#include <fcntl.h>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/userns.hpp"

namespace tenon::test {

namespace {

struct Proc {
    TemporaryDirectory folder;

    void says(const std::string& path, std::string_view content) const {
        const auto file = folder.path() / path;
        std::filesystem::create_directories(file.parent_path());
        write_file(file, content);
    }
    [[nodiscard]] UsernsPolicy policy() const {
        return read_userns_policy(
            sys::openat(FdRef::working_directory(), folder.path(), O_PATH | O_DIRECTORY));
    }
    [[nodiscard]] std::string for_user() const { return explain(policy(), false, "/x/ch09"); }
    [[nodiscard]] std::string for_root() const { return explain(policy(), true, "/x/ch09"); }
};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a machine without switches lets everybody") {
    const Proc proc;
    CHECK(proc.for_user().empty());
    CHECK(proc.for_root().empty());
}

TEST_CASE("switches that are on let everybody") {
    const Proc proc;
    proc.says("sys/kernel/unprivileged_userns_clone", "1\n");
    proc.says("sys/user/max_user_namespaces", "15000\n");
    proc.says("sys/kernel/apparmor_restrict_unprivileged_userns", "0\n");
    proc.says("self/attr/apparmor/current", "unconfined\n");
    CHECK(proc.for_user().empty());
}

TEST_CASE("Debian's switch keeps users out, and not root") {
    const Proc proc;
    proc.says("sys/kernel/unprivileged_userns_clone", "0\n");
    CHECK(has(proc.for_user(), "sysctl -w kernel.unprivileged_userns_clone=1"));
    CHECK(proc.for_root().empty());
}

TEST_CASE("no user namespaces at all keep everybody out") {
    const Proc proc;
    proc.says("sys/user/max_user_namespaces", "0\n");
    CHECK(has(proc.for_user(), "sysctl -w user.max_user_namespaces="));
    CHECK(has(proc.for_root(), "sysctl -w user.max_user_namespaces="));
}

TEST_CASE("AppArmor's restriction holds for programs without a profile") {
    const Proc proc;
    proc.says("sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    proc.says("self/attr/apparmor/current", "unconfined\n");
    CHECK(has(proc.for_user(), "profile tenon /x/ch09 flags=(unconfined) { userns, }"));
    CHECK(has(proc.for_user(), "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"));
    CHECK(proc.for_root().empty());
    proc.says("self/attr/apparmor/current", "tenon (unconfined)\n");
    CHECK(proc.for_user().empty());
}

}  // namespace tenon::test
