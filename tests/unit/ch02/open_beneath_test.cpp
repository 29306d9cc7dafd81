// 02.2: no path leads out of the root.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <iterator>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// outside/secret lies beside outside/root; the same name inside holds other words.
struct Tree {
    TemporaryDirectory outside;
    fs::path root = outside.path() / "root";
    std::string name = random_name(8);
    UniqueFd root_fd;

    Tree() {
        fs::create_directories(root / "dir/deep");
        write_file(outside.path() / name, "outside");
        write_file(root / name, "inside");
        root_fd = sys::openat(FdRef::working_directory(), root, O_PATH | O_DIRECTORY);
    }

    // What reading `path` through open_beneath gives: the content, or the error's name.
    [[nodiscard]] std::string read(const std::string& path) const {
        step(fmt::format("open_beneath(root, \"{}\", O_RDONLY)", path));
        try {
            const UniqueFd file = open_beneath(root_fd, path, O_RDONLY);
            std::string text(64, '\0');
            const long got = ::read(file.ref().number(), text.data(), text.size());
            return text.substr(0, static_cast<std::size_t>(check(got, "read", path)));
        } catch (const SysError& error) {
            return errno_name(error.error());
        }
    }

    void expect_inside(const std::string& path) const {
        const std::string got = read(path);
        fact("escaped", got == "outside");
        fact("refused_instead_of_contained", got == "EXDEV");
        TENON_EXPECT(got == "inside", "the file inside the root", "\"" + got + "\"");
    }
};

}  // namespace

TEST_CASE("open_beneath opens what lies inside", "[02.2]") {
    const Tree tree;
    tree.expect_inside(tree.name);
    tree.expect_inside("/" + tree.name);
    tree.expect_inside("dir/deep/../../" + tree.name);
}

TEST_CASE("open_beneath stops climbing at the root", "[02.2]") {
    const Tree tree;
    tree.expect_inside("../" + tree.name);
    tree.expect_inside("dir/../../../" + tree.name);
    tree.expect_inside("/../../" + tree.name);
}

TEST_CASE("open_beneath resolves links against the root", "[02.2]") {
    const Tree tree;
    fs::create_symlink("../../" + tree.name, tree.root / "dir/climbing");
    fs::create_symlink("/" + tree.name, tree.root / "absolute");
    fs::create_symlink("/../../..", tree.root / "up");
    tree.expect_inside("dir/climbing");
    tree.expect_inside("absolute");
    tree.expect_inside("up/" + tree.name);
}

TEST_CASE("open_beneath refuses magic links", "[02.2]") {
    const UniqueFd top = sys::openat(FdRef::working_directory(), "/", O_PATH | O_DIRECTORY);
    std::string got = "opened";
    step("open_beneath(/, \"proc/self/exe\", O_RDONLY)");
    try {
        open_beneath(top, "proc/self/exe", O_RDONLY);
    } catch (const SysError& error) {
        got = errno_name(error.error());
    }
    fact("magic_link_followed", got == "opened");
    // RESOLVE_IN_ROOT alone refuses them too, with EXDEV; openat2(2) warns that this behaviour may
    // change.
    fact("magic_links_unnamed", got == "EXDEV");
    TENON_EXPECT(got == "ELOOP", "ELOOP", got);
}

TEST_CASE("open_beneath reports what is missing", "[02.2]") {
    const Tree tree;
    const std::string got = tree.read("dir/" + random_name(8));
    TENON_EXPECT(got == "ENOENT", "ENOENT", got);
}

TEST_CASE("open_beneath gives descriptors that do not survive exec", "[02.2]") {
    const Tree tree;
    const UniqueFd file = open_beneath(tree.root_fd, tree.name, O_RDONLY);
    const bool closes = (::fcntl(file.ref().number(), F_GETFD) & FD_CLOEXEC) != 0;
    step("F_GETFD of the descriptor");
    TENON_EXPECT(closes, "FD_CLOEXEC is set", "the container would inherit it");
}

TEST_CASE("make_target makes what is missing, inside only", "[uses-02.2]") {
    const Tree tree;
    fs::create_symlink("/../..", tree.root / "up");
    make_target(tree.root_fd, "/new/folder/deep", TargetKind::Directory);
    make_target(tree.root_fd, "up/file", TargetKind::File);
    CHECK(fs::is_directory(tree.root / "new/folder/deep"));
    CHECK(fs::is_regular_file(tree.root / "file"));
    CHECK_FALSE(fs::exists(tree.outside.path() / "file"));
    CHECK_THROWS_AS(make_target(tree.root_fd, tree.name + "/x", TargetKind::File), SysError);
}

TEST_CASE("make_target makes what a dangling link points to, inside only", "[uses-02.2]") {
    const Tree tree;
    const auto [text, made] = GENERATE(table<std::string, std::string>(
        {{"/run/none", "run/none"},
         {"../run/none", "run/none"},
         {"none", "dir/none"},
         {"../../../../none", "none"},
         {"/../outside/none", "outside/none"},
         {"second", "dir/deep/third"},  // a chain: second -> deep/third
         {"gone/../none", "dir/none"}}));
    CAPTURE(text);
    fs::create_symlink("deep/third", tree.root / "dir/second");
    fs::create_symlink(text, tree.root / "dir/link");
    SECTION("a file") {
        make_target(tree.root_fd, "/dir/link", TargetKind::File);
        CHECK(fs::is_regular_file(tree.root / made));
    }
    SECTION("a folder") {
        make_target(tree.root_fd, "dir/link/", TargetKind::Directory);
        CHECK(fs::is_directory(tree.root / made));
    }
    SECTION("what lies below it") {
        make_target(tree.root_fd, "/dir/link/a/b", TargetKind::File);
        CHECK(fs::is_regular_file(tree.root / made / "a/b"));
    }
    CHECK(fs::is_symlink(tree.root / "dir/link"));
    const auto entries = fs::directory_iterator(tree.outside.path());
    CHECK(std::distance(begin(entries), end(entries)) == 2);  // the root and the file beside it
}

TEST_CASE("make_target follows no endless links", "[uses-02.2]") {
    const Tree tree;
    fs::create_symlink("two", tree.root / "one");
    fs::create_symlink("one", tree.root / "two");
    fs::create_symlink("deeper/x", tree.root / "deeper");
    for (int i = 0; i < 50; ++i) {
        fs::create_symlink(fmt::format("c{}", i + 1), tree.root / fmt::format("c{}", i));
    }
    for (const char* path : {"one", "one/x", "deeper", "c0"}) {
        CAPTURE(path);
        std::string got = "made";
        try {
            make_target(tree.root_fd, path, TargetKind::Directory);
        } catch (const SysError& error) {
            got = errno_name(error.error());
        }
        CHECK(got == "ELOOP");
    }
    CHECK_FALSE(fs::exists(tree.root / "c50"));
}

}  // namespace tenon::test
