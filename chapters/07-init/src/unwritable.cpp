// Two ways to a program that cannot be changed. The mount is first: it copies nothing, and a copy
// is charged to whatever cgroup it is made in. open_tree(2), memfd_create(2)
#include "tenon/unwritable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <vector>

#include "tenon/capability_syscalls.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/process.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr const char* own_binary = "/proc/self/exe";
constexpr int all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

std::string last_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// What open_tree returned is the root of a mount namespace without a name, and as long as that is
// open, anybody who rules a mount namespace, as any user does who makes himself one, may take the
// read-only away again: mount_setattr asks for no right over the mount. Closed, the mount is in no
// namespace; whoever runs from it, or has it open, keeps it as it is. So what is returned is
// another way to the same file. mount_setattr(2), ERRORS, EINVAL
UniqueFd read_only_clone(const std::string& path) {
    const UniqueFd tree = sys::open_tree_clone(FdRef::working_directory(), path, false);
    sys::mount_setattr(tree, {.set = MOUNT_ATTR_RDONLY}, false, path);
    return sys::reopen(tree, O_PATH);
}

void copy_content(FdRef from, FdRef to, const std::string& path) {
    std::vector<std::byte> buffer(std::size_t{1} << 16);
    while (const std::size_t got = sys::read(from, buffer, path)) {
        sys::write_all(to, std::span{buffer}.first(got), path);
    }
}

UniqueFd sealed_copy(const std::string& path) {
    const UniqueFd original = sys::openat(FdRef::working_directory(), path, O_RDONLY);
    UniqueFd memory = sys::memfd_create(last_name(path));
    copy_content(original, memory, path);
    sys::add_seals(memory, all_seals);
    // What is left open for writing would keep exec from it: ETXTBSY. execve(2)
    return sys::reopen(memory, O_RDONLY);
}

// EPERM without CAP_SYS_ADMIN, EINVAL for a mount that is not in our mount namespace (a memfd, an
// initramfs): there are programs that no mount leads to.
bool needs_a_copy(const SysError& error) {
    return error.error() == EPERM || error.error() == EINVAL;
}

// A clone of a mount that is attached nowhere has no path: then it is the one that started us that
// knew, and said it in argv[0].
bool has_a_path(const std::string& path) {
    try {
        const struct stat named = sys::stat(path);
        const struct stat running = sys::stat(own_binary);
        return named.st_dev == running.st_dev && named.st_ino == running.st_ino;
    } catch (const SysError&) {
        return false;
    }
}

// The kernel has named us after a descriptor.
void take_name(std::span<char* const> arguments) {
    if (!arguments.empty()) sys::set_process_name(last_name(arguments.front()));
}

[[noreturn]] void start_again(FdRef program, std::vector<std::string> words) {
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    sys::execveat(program, argv.data(), environ, own_binary);
}

}  // namespace

UniqueFd open_unwritable(const std::string& path) {
    const trace::Step step{7, "protect the program", "what runs inside can be opened from inside"};
    try {
        return read_only_clone(path);
    } catch (const SysError& error) {
        if (!needs_a_copy(error)) throw;
        return sealed_copy(path);
    }
}

// A read-only mount that is attached somewhere is so until an administrator thinks otherwise, and
// whoever has kept a way to the file by then writes.
bool is_unwritable(FdRef file) {
    if ((sys::seals_of(file) & all_seals) == all_seals) return true;
    return sys::on_read_only_mount(file) && sys::on_detached_mount(file);
}

bool is_out_of_reach(FdRef file) {
    if (::geteuid() == 0 || sys::capget().permitted != 0) return false;
    // The owner that some file systems show (FUSE, CIFS) is not whom they obey: so they are asked.
    if (sys::may_write(file)) return false;
    const struct stat found = sys::fstat(file);
    return found.st_uid == 0 && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string own_program(std::span<char* const> arguments) {
    const std::string path = sys::readlinkat(FdRef::working_directory(), own_binary);
    return has_a_path(path) || arguments.empty() ? path : std::string{arguments.front()};
}

void protect_own_binary(std::span<char* const> arguments) {
    {
        const UniqueFd running = sys::openat(FdRef::working_directory(), own_binary, O_RDONLY);
        if (is_out_of_reach(running)) return;
        if (is_unwritable(running)) return take_name(arguments);
    }
    const UniqueFd program = open_unwritable(own_binary);
    if (!is_unwritable(program)) {  // else we would start again for ever
        throw std::runtime_error(
            "this program could be changed from inside the container, and no "
            "unwritable copy of it can be made");
    }
    std::vector<std::string> words{own_program(arguments)};
    for (std::size_t i = 1; i < arguments.size(); ++i) words.emplace_back(arguments[i]);
    start_again(program, words);
}

}  // namespace tenon
