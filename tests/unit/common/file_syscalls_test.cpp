// What a file is besides its name. Each wrapper is judged by another way of asking the kernel.
#include "tenon/file_syscalls.hpp"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>
#include <filesystem>

#include "catch.hpp"
#include "descriptors.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

struct Folder {
    TemporaryDirectory directory;
    UniqueFd fd = sys::openat(FdRef::working_directory(), directory.path(), O_PATH | O_DIRECTORY);
    [[nodiscard]] fs::path path(const std::string& name) const { return directory.path() / name; }
    [[nodiscard]] UniqueFd open(const std::string& name, int flags) const {
        return sys::openat(fd, name, flags, 0600);
    }
};

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span{text});
}

}  // namespace

TEST_CASE("write_all and read move all of it") {
    const Folder folder;
    const std::string text = random_name(300'000);
    sys::write_all(folder.open("a", O_WRONLY | O_CREAT), bytes(text), "a");
    std::string got;
    const UniqueFd file = folder.open("a", O_RDONLY);
    std::vector<std::byte> buffer(70'000);
    while (const std::size_t size = sys::read(file, buffer, "a")) {
        got.append(reinterpret_cast<const char*>(buffer.data()), size);
    }
    CHECK(got == text);
    CHECK(refusal([&] { sys::read(folder.fd, buffer, "it"); }) == "read it: EBADF");
    CHECK(refusal([&] { sys::write_all(file, bytes("x"), "it"); }) == "write it: EBADF");
}

TEST_CASE("read gives what a pipe has") {
    const Ends pipe = make_test_pipe();
    sys::write_all(pipe.second, bytes("abc"), "pipe");
    std::vector<std::byte> buffer(10);
    CHECK(sys::read(pipe.first, buffer, "pipe") == 3);
}

TEST_CASE("pwrite_all leaves holes, seek finds the data") {
    const Folder folder;
    const UniqueFd file = folder.open("a", O_RDWR | O_CREAT);
    sys::pwrite_all(file, bytes("data"), 10 << 20, "a");
    sys::ftruncate(file, 20 << 20, "a");
    sys::fsync(file, "a");
    CHECK(fs::file_size(folder.path("a")) == 20 << 20);
    CHECK(sys::fstat(file).st_blocks < 100);
    const std::optional<std::uint64_t> data = sys::seek(file, 0, SEEK_DATA);
    REQUIRE(data);
    CHECK((*data > 0 && *data <= 10 << 20));
    CHECK(sys::seek(file, *data, SEEK_HOLE) > *data);
    CHECK_FALSE(sys::seek(file, 15 << 20, SEEK_DATA));
    CHECK_FALSE(sys::seek(file, 21 << 20, SEEK_HOLE));
}

TEST_CASE("fstatat sees a link and not its target") {
    const Folder folder;
    fs::create_symlink("/", folder.path("link"));
    CHECK(S_ISLNK(sys::fstatat(folder.fd, "link").st_mode));
    CHECK(S_ISLNK(sys::fstatat_if_present(folder.fd, "link")->st_mode));
    CHECK_FALSE(sys::fstatat_if_present(folder.fd, "none"));
    CHECK(refusal([&] { sys::fstatat(folder.fd, "none"); }) == "fstatat none: ENOENT");
    write_file(folder.path("file"), "");
    CHECK(refusal([&] { sys::fstatat_if_present(folder.fd, "file/x"); }) ==
          "fstatat file/x: ENOTDIR");
}

TEST_CASE("names_in sorts, and leaves the descriptor where it was") {
    const Folder folder;
    for (const char* name : {"b", "a", ".c", "\xff"}) write_file(folder.path(name), "");
    const UniqueFd reading =
        sys::openat(FdRef::working_directory(), folder.directory.path(), O_RDONLY);
    for (int i = 0; i < 2; ++i) {
        CHECK(sys::names_in(reading) == std::vector<std::string>{".c", "a", "b", "\xff"});
    }
    CHECK(sys::names_in(folder.fd).size() == 4);
    CHECK(refusal([&] { sys::names_in(folder.open("a", O_RDONLY)); }) == "openat .: ENOTDIR");
}

TEST_CASE("linkat links a link itself, renameat replaces") {
    const Folder folder;
    write_file(folder.path("a"), "a");
    write_file(folder.path("b"), "b");
    fs::create_symlink("a", folder.path("link"));
    sys::linkat(folder.fd, "link", folder.fd, "second");
    CHECK(fs::read_symlink(folder.path("second")) == "a");
    CHECK(refusal([&] { sys::linkat(folder.fd, "a", folder.fd, "b"); }) == "linkat b: EEXIST");
    sys::renameat(folder.fd, "a", folder.fd, "b");
    CHECK(read_file(folder.path("b")) == "a");
    CHECK(refusal([&] { sys::renameat(folder.fd, "a", folder.fd, "b"); }) == "renameat b: ENOENT");
}

TEST_CASE("utimensat and fchownat change a link and not its target") {
    const Folder folder;
    write_file(folder.path("a"), "");
    fs::create_symlink("a", folder.path("link"));
    sys::utimensat(folder.fd, "link", {.tv_sec = 1'000'000'000, .tv_nsec = 123'456'789});
    const struct stat link = sys::fstatat(folder.fd, "link");
    CHECK(link.st_mtim.tv_sec == 1'000'000'000);
    CHECK(link.st_mtim.tv_nsec == 123'456'789);
    CHECK(sys::fstatat(folder.fd, "a").st_mtim.tv_sec > 1'600'000'000);
    sys::fchownat(folder.fd, "link", ::geteuid(), ::getegid());
    CHECK(refusal([&] { sys::fchownat(folder.fd, "none", 0, 0); }) == "fchownat none: ENOENT");
}

TEST_CASE("reopen opens the object and not a name") {
    const Folder folder;
    write_file(folder.path("a"), "first");
    const UniqueFd object = folder.open("a", O_PATH);
    sys::renameat(folder.fd, "a", folder.fd, "moved");
    write_file(folder.path("a"), "second");
    const UniqueFd file = sys::reopen(object, O_RDONLY);
    CHECK(sys::pread_start(file, 10) == "first");
    CHECK(is_cloexec(file));
}

TEST_CASE("xattrs are reached by O_PATH descriptors, of any length") {
    const Folder folder;
    write_file(folder.path("a"), "");
    const UniqueFd object = folder.open("a", O_PATH);
    CHECK_FALSE(sys::get_xattr(object, "user.none"));
    CHECK(sys::list_xattrs(object).empty());
    const std::string binary{"a\0b", 3};
    const std::string longer = random_name(3000);
    sys::set_xattr(object, "user.short", binary);
    sys::set_xattr(object, "user.long", longer);
    sys::set_xattr(object, "user.empty", "");
    CHECK(sys::get_xattr(object, "user.short") == binary);
    CHECK(sys::get_xattr(object, "user.long") == longer);
    CHECK(sys::get_xattr(object, "user.empty") == "");
    CHECK(sys::list_xattrs(object) ==
          std::vector<std::string>{"user.empty", "user.long", "user.short"});
    sys::remove_xattr(object, "user.short");
    CHECK_FALSE(sys::get_xattr(object, "user.short"));
    CHECK(refusal([&] { sys::remove_xattr(object, "user.short"); }) ==
          "removexattr user.short: ENODATA");
}

TEST_CASE("list_xattrs takes more names than its first guess") {
    const Folder folder;
    write_file(folder.path("a"), "");
    const UniqueFd object = folder.open("a", O_PATH);
    for (int i = 0; i < 20; ++i) {
        sys::set_xattr(object, fmt::format("user.{:03}{}", i, std::string(40, 'n')), "");
    }
    CHECK(sys::list_xattrs(object).size() == 20);
}

TEST_CASE("an xattr of a link is the link's, not its target's") {
    const Folder folder;
    write_file(folder.path("a"), "");
    fs::create_symlink("a", folder.path("link"));
    const UniqueFd link = folder.open("link", O_PATH | O_NOFOLLOW);
    CHECK(refusal([&] { sys::set_xattr(link, "user.x", "y"); }) == "setxattr user.x: EPERM");
    CHECK_FALSE(sys::get_xattr(folder.open("a", O_PATH), "user.x"));
}

}  // namespace tenon::test
