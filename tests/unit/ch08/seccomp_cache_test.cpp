// Compiled filters on disk: found again, and not believed when somebody else could have written
// them.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "policies.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/seccomp_cache.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;
using seccomp::Filter;
using seccomp::FilterCache;

oci::Seccomp some_policy() {
    oci::Seccomp made = policy(
        "SCMP_ACT_ERRNO", {rule({"read", "write", "no_such_call"}, "SCMP_ACT_ALLOW"),
                           rule({"personality"}, "SCMP_ACT_ALLOW", {arg(0, "SCMP_CMP_EQ", 8)})});
    made.flags = {"SECCOMP_FILTER_FLAG_LOG"};
    return made;
}

bool same(const Filter& a, const Filter& b) {
    const auto equal = [](const sock_filter& x, const sock_filter& y) {
        return x.code == y.code && x.jt == y.jt && x.jf == y.jf && x.k == y.k;
    };
    return std::equal(a.program.begin(), a.program.end(), b.program.begin(), b.program.end(),
                      equal) &&
           a.flags == b.flags && a.wants_listener == b.wants_listener && a.warnings == b.warnings;
}

// A folder with one filter in it.
struct Kept {
    TemporaryDirectory directory;
    fs::path folder = directory.path() / "tenon" / "seccomp";
    oci::Seccomp policy = some_policy();
    Filter filter = seccomp::compile_cached(policy, FilterCache{folder.string()});
    Digest key = seccomp::cache_key(policy);
    fs::path file = folder / (key.hex + ".bpf");

    [[nodiscard]] bool found() const { return FilterCache{folder.string()}.find(key).has_value(); }
    // The next one compiles, gives the same, and leaves a file that is good again.
    void expect_renewed() const {
        CHECK_FALSE(found());
        CHECK(same(seccomp::compile_cached(policy, FilterCache{folder.string()}), filter));
        CHECK(found());
    }
};

}  // namespace

TEST_CASE("a filter is found again, whole", "[08.3]") {
    const Kept kept;
    CHECK(fs::exists(kept.file));
    const auto found = FilterCache{kept.folder.string()}.find(kept.key);
    REQUIRE(found);
    CHECK(same(*found, seccomp::compile(kept.policy)));
    CHECK(found->warnings.size() == 1);
    CHECK((fs::status(kept.file).permissions() & fs::perms::mask) == fs::perms(0600));
    CHECK((fs::status(kept.folder).permissions() & fs::perms::mask) == fs::perms(0700));
}

TEST_CASE("what is in the cache is used", "[08.3]") {
    const Kept kept;
    Filter other = seccomp::compile(policy("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")}));
    const FilterCache cache{kept.folder.string()};
    cache.keep(kept.key, other);
    CHECK(same(seccomp::compile_cached(kept.policy, cache), other));
}

TEST_CASE("the key is that of all that counts, and of nothing else") {
    const Digest key = seccomp::cache_key(some_policy());
    CHECK(seccomp::cache_key(some_policy()) == key);
    const auto with = [](auto change) {
        oci::Seccomp changed = some_policy();
        change(changed);
        return seccomp::cache_key(changed);
    };
    CHECK(with([](oci::Seccomp& p) { p.listener_path = "/agent"; }) == key);
    CHECK(with([](oci::Seccomp& p) { p.listener_metadata = "x"; }) == key);
    CHECK(with([](oci::Seccomp& p) { p.default_action = "SCMP_ACT_KILL"; }) != key);
    CHECK(with([](oci::Seccomp& p) { p.default_errno_ret = 1; }) != key);
    CHECK(with([](oci::Seccomp& p) { p.default_errno_ret = 0; }) != key);
    CHECK(with([](oci::Seccomp& p) { p.architectures = {"SCMP_ARCH_X86"}; }) != key);
    CHECK(with([](oci::Seccomp& p) { p.flags.clear(); }) != key);
    CHECK(with([](oci::Seccomp& p) { std::swap(p.syscalls[0], p.syscalls[1]); }) != key);
    CHECK(with([](oci::Seccomp& p) { p.syscalls[0].names.pop_back(); }) != key);
    CHECK(with([](oci::Seccomp& p) { p.syscalls[0].errno_ret = 1; }) != key);
    CHECK(with([](oci::Seccomp& p) { p.syscalls[1].args[0].value_two = 0; }) != key);
    CHECK(with([](oci::Seccomp& p) { p.syscalls[1].args[0].value = 9; }) != key);
    CHECK(with([](oci::Seccomp& p) { p.syscalls[1].args[0].op = "SCMP_CMP_NE"; }) != key);
    CHECK(with([](oci::Seccomp& p) {
              p.syscalls[0].names = {"read", "write,no_such_call"};
          }) != key);
}

TEST_CASE("a damaged file is not believed, and renewed", "[08.3]") {
    const Kept kept;
    const std::string whole = read_file(kept.file);
    const auto damaged = [&](const std::string& content) {
        write_file(kept.file, content);
        kept.expect_renewed();
    };
    damaged("");
    damaged("x");
    damaged(whole.substr(0, whole.size() - 1));
    damaged(whole + "x");
    for (int round = 0; round < 30; ++round) {
        std::string content = whole;
        content.at(random_below(content.size())) ^= static_cast<char>(1U << random_below(8));
        damaged(content);
    }
}

TEST_CASE("a program that is whole, but none, is not believed", "[08.3]") {
    const Kept kept;
    for (const Filter& wrong : {Filter{.program = {{BPF_JMP | BPF_JA, 0, 0, 7}}}, Filter{},
                                Filter{.program = {{BPF_LD | BPF_IMM, 0, 0, 7}}}}) {
        FilterCache{kept.folder.string()}.keep(kept.key, wrong);
        kept.expect_renewed();
    }
}

TEST_CASE("a file that others could have written is not believed", "[08.3]") {
    const Kept kept;
    fs::permissions(kept.file, fs::perms(0622));
    kept.expect_renewed();
    if (::chown(kept.file.c_str(), 1234, 1234) == 0) kept.expect_renewed();
    // A link to a good file is none.
    const fs::path elsewhere = kept.directory.path() / "elsewhere";
    fs::rename(kept.file, elsewhere);
    fs::create_symlink(elsewhere, kept.file);
    kept.expect_renewed();
    CHECK_FALSE(fs::is_symlink(kept.file));
    CHECK(fs::exists(elsewhere));
    // A FIFO has nobody wait.
    fs::remove(kept.file);
    check(::mkfifo(kept.file.c_str(), 0600), "mkfifo");
    kept.expect_renewed();
}

TEST_CASE("a folder in the place of the file is slow, and no error", "[08.3]") {
    const Kept kept;
    fs::remove(kept.file);
    fs::create_directory(kept.file);
    const FilterCache cache{kept.folder.string()};
    CHECK_FALSE(cache.find(kept.key));
    CHECK(same(seccomp::compile_cached(kept.policy, cache), kept.filter));
    CHECK(std::distance(fs::directory_iterator(kept.folder), fs::directory_iterator{}) == 1);
}

TEST_CASE("a folder that others may write to is not used", "[08.3]") {
    const Kept kept;
    const auto complaint = [&] { return FilterCache{kept.folder.string()}.complaint(); };
    CHECK(complaint().empty());
    fs::permissions(kept.folder, fs::perms(0770));
    CHECK(complaint() == "others may write to it");
    const FilterCache unused{kept.folder.string()};
    CHECK_FALSE(unused.usable());
    CHECK(same(seccomp::compile_cached(kept.policy, unused), kept.filter));
    fs::permissions(kept.folder, fs::perms(0700));
    if (::chown(kept.folder.c_str(), 1234, 1234) == 0)
        CHECK(complaint() == "it belongs to uid 1234");
    const fs::path real = kept.directory.path() / "real";
    fs::rename(kept.directory.path() / "tenon", real);
    fs::create_symlink(real, kept.directory.path() / "tenon");
    CHECK(complaint().find("ELOOP") != std::string::npos);
    CHECK_FALSE(FilterCache{""}.usable());
    CHECK_FALSE(FilterCache{"/proc/nowhere"}.usable());
}

TEST_CASE("a full disk is slow, and no error", "[08.3]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory directory;
    const fs::path place = directory.path() / "small";
    fs::create_directory(place);
    check(::mount("none", place.c_str(), "tmpfs", 0, "size=4096"), "mount");
    const fs::path folder = place / "seccomp";
    fs::create_directory(folder);
    fs::permissions(folder, fs::perms(0700));
    write_file(place / "filler", std::string(4096, 'x'));
    const FilterCache cache{folder.string()};
    const bool usable = cache.usable();
    const Filter filter = seccomp::compile_cached(some_policy(), cache);
    const auto left = std::distance(fs::directory_iterator(folder), fs::directory_iterator{});
    check(::umount2(place.c_str(), MNT_DETACH), "umount");
    CHECK(usable);
    CHECK(left == 0);
    CHECK(same(filter, seccomp::compile(some_policy())));
}

TEST_CASE("where filters are kept") {
    const bool root = ::geteuid() == 0;
    CHECK(seccomp::default_cache_folder().ends_with(root ? "/run/tenon/seccomp" : ""));
}

}  // namespace tenon::test
