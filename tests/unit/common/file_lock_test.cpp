// A lock that dies with its owner, however that ends.
#include "tenon/file_lock.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>

#include "catch.hpp"
#include "descriptors.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

struct Folder {
    TemporaryDirectory directory;
    UniqueFd fd = sys::openat(FdRef::working_directory(), directory.path(), O_PATH | O_DIRECTORY);
};

// Another process that runs `body` after it said so, and waits for its end by SIGKILL.
class Other {
  public:
    explicit Other(const std::function<void()>& body) {
        Ends pipe = make_test_pipe();
        pid_ = ::fork();
        if (pid_ == 0) {
            body();
            static_cast<void>(::write(pipe.second.ref().number(), "x", 1));
            while (true) ::pause();
        }
        pipe.second.reset();
        char ready = 0;
        ready_ = ::read(pipe.first.ref().number(), &ready, 1) == 1;
    }
    Other(const Other&) = delete;
    Other& operator=(const Other&) = delete;
    ~Other() { kill(); }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    [[nodiscard]] bool ready() const { return ready_; }

  private:
    pid_t pid_ = -1;
    bool ready_ = false;
};

// Whether a third process could have it.
bool is_free(const Folder& folder, const std::string& name) {
    return run_forked([&] { return FileLock::try_now(folder.fd, name) ? 0 : 1; }).status.success();
}

}  // namespace

TEST_CASE("one process has a lock, or another") {
    const Folder folder;
    {
        const FileLock lock = FileLock::wait(folder.fd, "lock");
        CHECK_FALSE(is_free(folder, "lock"));
        CHECK(is_free(folder, "another"));
        CHECK(is_cloexec(lock.file()));
    }
    CHECK(is_free(folder, "lock"));
    CHECK(std::filesystem::exists(folder.directory.path() / "lock"));
}

TEST_CASE("two locks of one process exclude each other") {
    const Folder folder;
    const std::optional<FileLock> first = FileLock::try_now(folder.fd, "lock");
    REQUIRE(first);
    CHECK_FALSE(FileLock::try_now(folder.fd, "lock"));
}

TEST_CASE("SIGKILL of its owner frees a lock") {
    const Folder folder;
    std::optional<FileLock> held;
    Other owner([&] { held = FileLock::wait(folder.fd, "lock"); });
    REQUIRE(owner.ready());
    CHECK_FALSE(FileLock::try_now(folder.fd, "lock"));
    owner.kill();
    CHECK(FileLock::try_now(folder.fd, "lock"));
}

TEST_CASE("wait returns when the owner is gone") {
    const Folder folder;
    std::optional<FileLock> held;
    Other owner([&] { held = FileLock::wait(folder.fd, "lock"); });
    REQUIRE(owner.ready());
    const Ends result = make_test_pipe();
    const pid_t waiting = ::fork();
    if (waiting == 0) {
        const FileLock lock = FileLock::wait(folder.fd, "lock");
        static_cast<void>(::write(result.second.ref().number(), "x", 1));
        ::_exit(0);
    }
    owner.kill();
    char got = 0;
    CHECK(::read(result.first.ref().number(), &got, 1) == 1);
    ::waitpid(waiting, nullptr, 0);
}

TEST_CASE("a child that did not exec keeps its parent's lock") {
    const Folder folder;
    std::optional<FileLock> lock = FileLock::wait(folder.fd, "lock");
    Other child([] {});
    REQUIRE(child.ready());
    lock.reset();
    CHECK_FALSE(is_free(folder, "lock"));
    child.kill();
    CHECK(is_free(folder, "lock"));
}

TEST_CASE("a lock is on the file of that name, not on one that was removed") {
    const Folder folder;
    const FileLock old = FileLock::wait(folder.fd, "lock");
    sys::unlinkat(folder.fd, "lock", 0);
    const std::optional<FileLock> current = FileLock::try_now(folder.fd, "lock");
    REQUIRE(current);
    CHECK(sys::fstat(current->file()).st_ino != sys::fstat(old.file()).st_ino);
}

// Each process takes the lock, looks whether it is alone, and removes the file before it lets go:
// whoever waited then holds a lock on a file without a name, and must look again.
TEST_CASE("a file that its owner removes is no way for two to hold the lock") {
    const Folder folder;
    const auto compete = [&] {
        for (int i = 0; i < 200; ++i) {
            const FileLock lock = FileLock::wait(folder.fd, "lock");
            // O_EXCL: fails when another one is in here, too.
            sys::openat(folder.fd, "inside", O_CREAT | O_EXCL | O_WRONLY, 0600);
            sys::unlinkat(folder.fd, "inside", 0);
            sys::unlinkat(folder.fd, "lock", 0);
        }
        return 0;
    };
    const pid_t other = ::fork();
    if (other == 0) {
        try {
            ::_exit(compete());
        } catch (const std::exception&) {
            ::_exit(1);
        }
    }
    CHECK_NOTHROW(compete());
    int status = 0;
    ::waitpid(other, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("a link in place of the lock file is refused") {
    const Folder folder;
    std::filesystem::create_symlink("elsewhere", folder.directory.path() / "lock");
    CHECK_THROWS_WITH(FileLock::wait(folder.fd, "lock"),
                      "openat lock: ELOOP (Too many levels of symbolic links)");
}

}  // namespace tenon::test
