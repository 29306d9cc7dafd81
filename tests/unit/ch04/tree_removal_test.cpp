// Removal of trees that somebody else made.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../chapters/04-layers/src/tree_removal.hpp"
#include "catch.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

UniqueFd open_folder(const fs::path& path) {
    return sys::openat(FdRef::working_directory(), path, O_RDONLY | O_DIRECTORY);
}

void nest(const fs::path& top, int levels) {
    UniqueFd here = open_folder(top);
    for (int level = 0; level < levels; ++level) {
        sys::mkdirat(here, "d", 0755);
        here = sys::openat(here, "d", O_RDONLY | O_DIRECTORY);
    }
}

// Root would not notice a mode: becomes an ordinary user, who owns what is in `top`.
void drop_root(const fs::path& top) {
    constexpr uid_t nobody = 65534;
    if (!is_real_root()) return;
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
        sys::fchownat(FdRef::working_directory(), entry.path(), nobody, nobody);
    }
    sys::fchownat(FdRef::working_directory(), top, nobody, nobody);
    check(::setresuid(nobody, nobody, nobody), "setresuid");
    ::prctl(PR_SET_DUMPABLE, 1);  // or /proc/self would stay root's
}

}  // namespace

TEST_CASE("remove_tree removes a tree of 10,000 levels with few descriptors") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory directory;
    const fs::path base = directory.path();
    const std::string left = run_inside(CLONE_NEWNS, [&]() -> std::string {
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        check(::mount("test", base.c_str(), "tmpfs", 0, nullptr), "mount", "tmpfs");
        fs::create_directory(base / "tree");
        nest(base / "tree", 10'000);
        const rlimit few{16, 16};
        ::setrlimit(RLIMIT_NOFILE, &few);
        remove_tree(open_folder(base), "tree");
        return fs::is_empty(base) ? "nothing" : "something";
    });
    CHECK(left == "nothing");
}

TEST_CASE("remove_tree follows no link") {
    const TemporaryDirectory directory;
    fs::create_directories(directory.path() / "outside/kept");
    fs::create_directories(directory.path() / "tree/a");
    fs::create_directory_symlink(directory.path() / "outside", directory.path() / "tree/a/link");
    fs::create_directory_symlink(directory.path() / "outside", directory.path() / "top");
    remove_tree(open_folder(directory.path()), "tree");
    remove_tree(open_folder(directory.path()), "top");
    CHECK(fs::exists(directory.path() / "outside/kept"));
    CHECK_FALSE(fs::exists(directory.path() / "tree"));
    CHECK_FALSE(fs::is_symlink(directory.path() / "top"));
}

TEST_CASE("remove_tree copes with folders that took their own rights away") {
    const TemporaryDirectory directory;
    fs::create_directories(directory.path() / "tree/a/b/inner");
    write_file(directory.path() / "tree/a/b/inner/file", "");
    for (const char* name : {"tree/a/b/inner", "tree/a/b", "tree"}) {
        fs::permissions(directory.path() / name, fs::perms::none);
    }
    const Forked done = run_forked([&] {
        const UniqueFd parent = open_folder(directory.path());
        drop_root(directory.path());
        remove_tree(parent, "tree");
        return 0;
    });
    CHECK(done.out.empty());
    CHECK(fs::is_empty(directory.path()));
}

TEST_CASE("remove_tree takes any name, a wide folder, and what is gone") {
    const TemporaryDirectory directory;
    const fs::path tree = directory.path() / "tree";
    fs::create_directory(tree);
    for (const char* name : {" ", "\n", "-rf", "*", "\x1b[31m", "\xff\xfe", "..."}) {
        fs::create_directories(tree / name / name);
    }
    for (int i = 0; i < 200; ++i) fs::create_directory(tree / fmt::format("wide{}", i));
    REQUIRE(::mkfifo((tree / "fifo").c_str(), 0600) == 0);
    const UniqueFd parent = open_folder(directory.path());
    remove_tree(parent, "tree");
    CHECK(fs::is_empty(directory.path()));
    CHECK_NOTHROW(remove_tree(parent, "tree"));
}

}  // namespace tenon::test
