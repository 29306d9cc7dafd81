// syscalls.hpp, second half: files.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <functional>

#include "catch.hpp"
#include "datagrams.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;
constexpr FdRef here = FdRef::working_directory();

// A folder with a few things to walk over.
class Tree {
  public:
    Tree() : fd_(sys::openat(here, path(), O_PATH | O_DIRECTORY)) {
        fs::create_directory(path() / "folder");
        write_file(path() / "file", "content");
        fs::create_symlink("/file", path() / "absolute");
        fs::create_symlink("../file", path() / "folder/up");
        fs::create_symlink("../../../../../../etc", path() / "escape");
    }
    [[nodiscard]] const fs::path& path() const { return directory_.path(); }
    [[nodiscard]] FdRef fd() const { return fd_; }

  private:
    TemporaryDirectory directory_;
    UniqueFd fd_;
};

std::string content_of(FdRef file) {
    std::string text(100, '\0');
    const long length = ::read(file.number(), text.data(), text.size());
    return text.substr(0, static_cast<std::size_t>(std::max(length, 0L)));
}

std::string walk(const Tree& tree, const char* name, std::uint64_t resolve) {
    try {
        return content_of(sys::openat2(tree.fd(), name, O_RDONLY, resolve));
    } catch (const SysError& error) {
        return refusal_text(error);
    }
}

}  // namespace

TEST_CASE("CString lends literals, strings and paths") {
    const std::string text = "text";
    const fs::path path = "/a/path";
    CHECK(sys::CString("literal").view() == "literal");
    CHECK(sys::CString(text).c_str() == text.c_str());
    CHECK(sys::CString(path).c_str() == path.c_str());
}

TEST_CASE("openat opens below the directory, close-on-exec") {
    const Tree tree;
    const UniqueFd file = sys::openat(tree.fd(), "file", O_RDONLY);
    CHECK(is_cloexec(file));
    CHECK(content_of(file) == "content");
}

TEST_CASE("openat gives a new file its mode") {
    const Tree tree;
    const UniqueFd file = sys::openat(tree.fd(), "new", O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECK(is_cloexec(file));
    CHECK((sys::fstat(file).st_mode & 07777) == 0600);
    CHECK(refusal([&] { sys::openat(tree.fd(), "new", O_CREAT | O_EXCL | O_WRONLY, 0600); }) ==
          "openat new: EEXIST");
}

TEST_CASE("duplicate gives another descriptor of the same file, close-on-exec") {
    const Tree tree;
    const UniqueFd file = sys::openat(tree.fd(), "file", O_RDONLY);
    const UniqueFd copy = sys::duplicate(file);
    CHECK(copy.ref().number() != file.ref().number());
    CHECK(is_cloexec(copy));
    CHECK(content_of(copy) == "content");
    CHECK(content_of(file).empty());  // they share the offset: one open file
    CHECK(refusal([] { sys::duplicate(FdRef{}); }) == "fcntl F_DUPFD_CLOEXEC: EBADF");
}

TEST_CASE("openat says which path it could not open") {
    CHECK(refusal([] { sys::openat(here, "/nowhere/x", O_RDONLY); }) ==
          "openat /nowhere/x: ENOENT");
    CHECK(refusal([] { sys::openat(FdRef{}, "x", O_RDONLY); }) == "openat x: EBADF");
}

TEST_CASE("openat2 opens close-on-exec") {
    const Tree tree;
    CHECK(is_cloexec(sys::openat2(tree.fd(), "file", O_RDONLY, 0)));
    CHECK(is_cloexec(sys::openat2(tree.fd(), "folder", O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT)));
}

TEST_CASE("openat2 restricts its walk as it is told") {
    const Tree tree;
    CHECK(walk(tree, "absolute", RESOLVE_IN_ROOT) == "content");
    CHECK(walk(tree, "../../file", RESOLVE_IN_ROOT) == "content");
    CHECK(walk(tree, "absolute", RESOLVE_BENEATH) == "openat2 absolute: EXDEV");
    CHECK(walk(tree, "folder/up", RESOLVE_BENEATH) == "content");
    CHECK(walk(tree, "../x", RESOLVE_BENEATH) == "openat2 ../x: EXDEV");
    CHECK(walk(tree, "folder/up", RESOLVE_NO_SYMLINKS) == "openat2 folder/up: ELOOP");
    CHECK(walk(tree, "escape/passwd", RESOLVE_IN_ROOT) == "openat2 escape/passwd: ENOENT");
    CHECK(walk(tree, "/proc/self/exe", RESOLVE_NO_MAGICLINKS) == "openat2 /proc/self/exe: ELOOP");
    CHECK(walk(tree, "/proc/version", RESOLVE_NO_XDEV) == "openat2 /proc/version: EXDEV");
    CHECK(walk(tree, "absent", 0) == "openat2 absent: ENOENT");
}

TEST_CASE("mkdirat, symlinkat and mknodat make what they say") {
    const Tree tree;
    sys::mkdirat(tree.fd(), "new-folder", 0700);
    sys::symlinkat("file", tree.fd(), "new-link");
    sys::mknodat(tree.fd(), "new-fifo", S_IFIFO | 0600, 0);
    CHECK(fs::is_directory(tree.path() / "new-folder"));
    CHECK(fs::read_symlink(tree.path() / "new-link") == "file");
    CHECK(fs::is_fifo(tree.path() / "new-fifo"));
}

TEST_CASE("fchmodat sets exactly the mode, whatever the umask") {
    const Tree tree;
    sys::fchmodat(tree.fd(), "file", 01777);
    const UniqueFd file = sys::openat(tree.fd(), "file", O_PATH);
    CHECK((sys::fstat(file).st_mode & 07777) == 01777);
}

TEST_CASE("fchdir moves the process") {
    const Tree tree;
    const Forked process = run_forked([&] {
        sys::fchdir(tree.fd(), "the tree");
        say(fs::current_path().string());
        return 0;
    });
    CHECK(process.out == tree.path().string());
}

TEST_CASE("fstat looks at the descriptor itself, also at a link's") {
    const Tree tree;
    const UniqueFd link = sys::openat(tree.fd(), "absolute", O_PATH | O_NOFOLLOW);
    CHECK(S_ISLNK(sys::fstat(link).st_mode));
    const UniqueFd file = sys::openat(tree.fd(), "file", O_PATH);
    CHECK(S_ISREG(sys::fstat(file).st_mode));
    CHECK(sys::fstat(file).st_size == 7);
}

TEST_CASE("unlinkat removes a file, a link itself, or an empty directory") {
    const Tree tree;
    fs::create_directory(tree.path() / "empty");
    sys::unlinkat(tree.fd(), "file", 0);
    sys::unlinkat(tree.fd(), "absolute", 0);
    sys::unlinkat(tree.fd(), "empty", AT_REMOVEDIR);
    CHECK_FALSE(fs::exists(tree.path() / "file"));
    CHECK_FALSE(fs::is_symlink(tree.path() / "absolute"));
    CHECK_FALSE(fs::exists(tree.path() / "empty"));
}

TEST_CASE("stat follows links") {
    const Tree tree;
    fs::create_symlink("file", tree.path() / "link");
    CHECK(S_ISREG(sys::stat(tree.path() / "link").st_mode));
    CHECK(sys::stat(tree.path() / "link").st_size == 7);
    CHECK(S_ISCHR(sys::stat("/dev/null").st_mode));
}

TEST_CASE("file_system_type tells procfs from others") {
    const Tree tree;
    CHECK(sys::file_system_type(sys::openat(here, "/proc", O_RDONLY)) == PROC_SUPER_MAGIC);
    CHECK(sys::file_system_type(tree.fd()) != PROC_SUPER_MAGIC);
}

TEST_CASE("fgetxattr is the value of an attribute, or nothing") {
    const Tree tree;
    const UniqueFd file = sys::openat(tree.fd(), "file", O_RDONLY);
    CHECK(sys::fgetxattr(file, "user.tenon").empty());
    CHECK(sys::fgetxattr(sys::openat(here, "/proc/self/comm", O_RDONLY), "user.tenon").empty());
    const auto set = [&](std::string_view value) {
        return ::fsetxattr(file.ref().number(), "user.tenon", value.data(), value.size(), 0) == 0;
    };
    TENON_NEED(set(""), "needs a file system with attributes of the user's own");
    CHECK(sys::fgetxattr(file, "user.tenon").empty());
    for (const std::string& value : {std::string{"1"}, std::string("a\0b", 3), random_name(256)}) {
        REQUIRE(set(value));
        CHECK(sys::fgetxattr(file, "user.tenon") == value);
    }
    REQUIRE(set(random_name(257)));
    CHECK(refusal([&] { sys::fgetxattr(file, "user.tenon"); }) == "fgetxattr user.tenon: ERANGE");
    CHECK(refusal([&] { sys::fgetxattr(FdRef{}, "user.tenon"); }) == "fgetxattr user.tenon: EBADF");
}

TEST_CASE("directories_in names the directories and nothing else, each time") {
    const Tree tree;
    fs::create_directory(tree.path() / "other");
    fs::create_directory(tree.path() / ".hidden");
    fs::create_directory_symlink("folder", tree.path() / "link-to-folder");
    const UniqueFd directory = sys::openat(tree.fd(), ".", O_RDONLY | O_DIRECTORY);
    const auto open_before = open_descriptors();
    for (int i = 0; i < 2; ++i) {
        std::vector<std::string> names = sys::directories_in(directory);
        std::sort(names.begin(), names.end());
        CHECK(names == std::vector<std::string>{".hidden", "folder", "other"});
    }
    CHECK(open_descriptors() == open_before);
    CHECK(sys::directories_in(sys::openat(tree.fd(), "folder", O_RDONLY)).empty());
}

namespace {

// From now on getdents64(2) fails in this process. seccomp(2)
void let_directories_fail() {
    constexpr auto number_at = static_cast<unsigned>(offsetof(seccomp_data, nr));
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number_at),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getdents64, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{std::size(program), program};
    check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl");
    check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "prctl");
}

}  // namespace

TEST_CASE("directories_in tells what stopped it, and keeps nothing open") {
    const Tree tree;
    const UniqueFd file = sys::openat(tree.fd(), "file", O_RDONLY);
    CHECK(refusal([&] { sys::directories_in(file); }) == "openat .: ENOTDIR");
    const Forked process = run_forked([&] {
        let_directories_fail();
        say(refusal([&] { sys::directories_in(tree.fd()); }));
        const int next = ::dup(STDIN_FILENO);
        static_cast<void>(refusal([&] { sys::directories_in(tree.fd()); }));
        ::close(next);
        return ::dup(STDIN_FILENO) == next ? 0 : 1;  // the lowest that is free
    });
    CHECK(process.out == "readdir: EIO");
    CHECK(process.status == ExitStatus::exited(0));
}

TEST_CASE("pread_start reads from the beginning, as much as is asked for") {
    const Tree tree;
    const UniqueFd file = sys::openat(tree.fd(), "file", O_RDONLY);
    CHECK(sys::pread_start(file, 100) == "content");
    CHECK(sys::pread_start(file, 3) == "con");
    CHECK(sys::pread_start(file, 0).empty());
    CHECK(content_of(file) == "content");  // the descriptor stands where it stood
}

TEST_CASE("poll_for_change is woken by a change, and not before") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    using namespace std::chrono_literals;
    const TemporaryDirectory directory;
    const std::string told = run_inside(CLONE_NEWNS, [&] {
        // A change of the mounts is an exceptional condition of this file: proc_pid_mounts(5).
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount", "/");
        const UniqueFd mounts = sys::openat(here, "/proc/self/mounts", O_RDONLY);
        const bool before = sys::poll_for_change(mounts, 20ms);
        check(::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, nullptr), "mount");
        const bool after = sys::poll_for_change(mounts, 5s);
        return std::string{before ? "changed " : "same "} + (after ? "changed" : "same");
    });
    CHECK(told == "same changed");
}

TEST_CASE("poll_for_input says whether there is something to read") {
    const Ends pipe = make_test_pipe();
    CHECK_FALSE(sys::poll_for_input(pipe.first, std::chrono::milliseconds{0}));
    sys::write_once(pipe.second, "x", "the pipe");
    CHECK(sys::poll_for_input(pipe.first, std::chrono::seconds{5}));
}

TEST_CASE("poll_for_change comes back when a signal handler ran") {
    const Forked process = run_forked([] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        ::sigaction(SIGALRM, &action, nullptr);
        const UniqueFd never{::eventfd(0, EFD_CLOEXEC)};
        ::ualarm(20'000, 0);
        return sys::poll_for_change(never, std::chrono::minutes{1}) ? 1 : 0;
    });
    CHECK(process.out.empty());
    CHECK(process.status == ExitStatus::exited(0));
}

TEST_CASE("each file call names itself and its subject when refused") {
    const Tree tree;
    const std::pair<std::function<void()>, const char*> refused[] = {
        {[&] { sys::mkdirat(tree.fd(), "file", 0700); }, "mkdirat file: EEXIST"},
        {[&] { sys::mknodat(tree.fd(), "file", S_IFIFO | 0600, 0); }, "mknodat file: EEXIST"},
        {[&] { sys::symlinkat("target", tree.fd(), "file"); }, "symlinkat file: EEXIST"},
        {[&] { sys::fchmodat(tree.fd(), "absent", 0700); }, "fchmodat absent: ENOENT"},
        {[&] { sys::fchdir(sys::openat(tree.fd(), "file", O_PATH), "it"); }, "fchdir it: ENOTDIR"},
        {[&] { sys::fstat(FdRef{}); }, "fstat: EBADF"},
        {[&] { sys::unlinkat(tree.fd(), "absent", 0); }, "unlinkat absent: ENOENT"},
        {[&] { sys::unlinkat(tree.fd(), "folder", 0); }, "unlinkat folder: EISDIR"},
        {[&] { sys::unlinkat(tree.fd(), "file", AT_REMOVEDIR); }, "unlinkat file: ENOTDIR"},
        {[&] { sys::unlinkat(tree.fd(), "folder", AT_REMOVEDIR); }, "unlinkat folder: ENOTEMPTY"},
        {[&] { sys::stat("/nowhere/x"); }, "stat /nowhere/x: ENOENT"},
        {[&] { sys::file_system_type(FdRef{}); }, "fstatfs: EBADF"},
        {[&] { sys::directories_in(FdRef{}); }, "openat .: EBADF"},
        {[&] { sys::pread_start(FdRef{}, 1); }, "pread: EBADF"},
    };
    for (const auto& [call, expected] : refused) CHECK(refusal(call) == expected);
}

TEST_CASE("write_once writes once") {
    const Ends ends = make_datagram_pair();
    const std::string data = random_name(50000);
    sys::write_once(ends.second, data, "the socket");
    const auto messages = datagrams_in(ends.first);
    REQUIRE(messages.size() == 1);
    CHECK(messages[0] == data);
}

TEST_CASE("write_once calls a short write EIO and writes no more") {
    const Ends pipe = make_test_pipe(O_NONBLOCK);
    const auto room = static_cast<std::size_t>(::fcntl(pipe.first.ref().number(), F_GETPIPE_SZ));
    CHECK(refusal([&] { sys::write_once(pipe.second, std::string(room + 5000, 'x'), "it"); }) ==
          "write it: EIO");
    CHECK(refusal([&] { sys::write_once(pipe.second, "x", "it"); }) == "write it: EAGAIN");
}

TEST_CASE("write_once passes the kernel's refusal on") {
    const Tree tree;
    const UniqueFd reader = sys::openat(tree.fd(), "file", O_RDONLY);
    CHECK(refusal([&] { sys::write_once(reader, "x", "file <- x"); }) == "write file <- x: EBADF");
}

}  // namespace tenon::test
