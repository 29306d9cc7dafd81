#include "tenon/kernel_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "descriptors.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "story.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// A plain folder in the place of procfs or a cgroup.
class PlainTree {
  public:
    PlainTree() : fd_(sys::openat(FdRef::working_directory(), path(), O_PATH | O_DIRECTORY)) {}
    [[nodiscard]] const fs::path& path() const { return directory_.path(); }
    [[nodiscard]] FdRef fd() const { return fd_; }

  private:
    TemporaryDirectory directory_;
    UniqueFd fd_;
};

}  // namespace

TEST_CASE("read_kernel_file returns the whole content, byte for byte") {
    const PlainTree tree;
    const std::string content{"a\0b\n\n", 5};
    write_file(tree.path() / "file", content);
    write_file(tree.path() / "empty", "");
    CHECK(read_kernel_file(tree.fd(), "file") == content);
    CHECK(read_kernel_file(tree.fd(), "empty").empty());
}

TEST_CASE("read_kernel_file reads beyond one chunk") {
    const PlainTree tree;
    for (const std::size_t size : {4095U, 4096U, 4097U, 1000000U}) {
        const std::string content = random_name(size);
        write_file(tree.path() / "big", content);
        CHECK(read_kernel_file(tree.fd(), "big") == content);
    }
}

TEST_CASE("read_kernel_file reads files whose size is said to be zero") {
    const UniqueFd proc = sys::openat(FdRef::working_directory(), "/proc/self", O_PATH);
    const std::string status = read_kernel_file(proc, "status");
    CHECK(status.find("\nPid:\t" + std::to_string(::getpid()) + "\n") != std::string::npos);
}

TEST_CASE("read_kernel_file names the call and the file when refused") {
    const PlainTree tree;
    fs::create_directory(tree.path() / "folder");
    CHECK(refusal([&] { read_kernel_file(tree.fd(), "absent"); }) == "openat absent: ENOENT");
    CHECK(refusal([&] { read_kernel_file(tree.fd(), "folder"); }) == "read folder: EISDIR");
}

TEST_CASE("read_kernel_file_if_present tells absent from empty and from refused") {
    const PlainTree tree;
    write_file(tree.path() / "empty", "");
    write_file(tree.path() / "file", "content");
    CHECK(read_kernel_file_if_present(tree.fd(), "absent") == std::nullopt);
    CHECK(read_kernel_file_if_present(tree.fd(), "empty") == std::string{});
    CHECK(read_kernel_file_if_present(tree.fd(), "file") == std::string{"content"});
    CHECK(refusal([&] { read_kernel_file_if_present(tree.fd(), "file/below"); }) ==
          "openat file/below: ENOTDIR");
}

TEST_CASE("write_kernel_file writes what it is given, without a newline of its own") {
    const PlainTree tree;
    write_file(tree.path() / "file", "");
    write_kernel_file(tree.fd(), "file", "4096");
    CHECK(read_file(tree.path() / "file") == "4096");
}

TEST_CASE("write_kernel_file makes no file") {
    const PlainTree tree;
    CHECK(refusal([&] { write_kernel_file(tree.fd(), "absent", "1"); }) == "openat absent: ENOENT");
    CHECK(fs::is_empty(tree.path()));
}

// The kernel counts the writes of a process: proc(5), io. (A named FIFO has no packet mode.)
TEST_CASE("write_kernel_file writes exactly once") {
    TENON_NEED(fs::exists("/proc/self/io"), "needs a kernel that counts writes: /proc/self/io");
    const PlainTree tree;
    const std::string fifo = (tree.path() / "fifo").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const UniqueFd reader = sys::openat(FdRef::working_directory(), fifo, O_RDONLY | O_NONBLOCK);
    const auto writes = [] {
        const std::string io = read_file("/proc/self/io");
        return std::stoull(io.substr(io.find("syscw: ") + 7));
    };
    const auto before = writes();
    write_kernel_file(tree.fd(), "fifo", "+cpu +memory");
    CHECK(writes() - before == 1);
    std::string text(100, '\0');
    CHECK(::read(reader.ref().number(), text.data(), text.size()) == 12);
    CHECK(text.starts_with("+cpu +memory"));
}

TEST_CASE("write_kernel_file refused says path <- value and the kernel's reason") {
    // /proc/self/oom_score_adj takes -1000..1000 and judges each write: proc(5).
    const UniqueFd proc = sys::openat(FdRef::working_directory(), "/proc/self", O_PATH);
    CHECK(refusal([&] { write_kernel_file(proc, "oom_score_adj", "5000"); }) ==
          "write oom_score_adj <- 5000: EINVAL");
    CHECK(refusal([&] { write_kernel_file(proc, "oom_score_adj", "many"); }) ==
          "write oom_score_adj <- many: EINVAL");
}

TEST_CASE("kernel files are closed after use, also after an error") {
    const PlainTree tree;
    write_file(tree.path() / "file", "content");
    const auto before = open_descriptors();
    read_kernel_file(tree.fd(), "file");
    write_kernel_file(tree.fd(), "file", "other");
    refusal([&] { read_kernel_file(tree.fd(), "."); });
    CHECK(open_descriptors() == before);
}

}  // namespace tenon::test
