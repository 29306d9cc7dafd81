// One wrapper per call, as in syscalls.cpp.
#include "tenon/file_syscalls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "directory_entries.hpp"
#include "traced_call.hpp"
#include "undisturbed_open.hpp"

namespace tenon::sys {

namespace {

// Longer than any value: XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h are as much.
constexpr std::size_t longest_xattr = 65536;
// What is tried first: each file of a layer is asked.
constexpr std::size_t usual_xattr = 256;

// An O_PATH descriptor takes no fsetxattr(2), and lsetxattr(2) takes no directory descriptor.
std::string magic_link(FdRef file) {
    return fmt::format("/proc/self/fd/{}", file.number());
}

bool has_no_such_attribute(int error) {
    return error == ENODATA || error == EOPNOTSUPP;
}

// Both listings end alike: no answer, or the part of the buffer that was filled.
std::optional<std::string> filled(std::string buffer, long size, const char* call,
                                  std::string_view subject) {
    if (size < 0 && has_no_such_attribute(errno)) return std::nullopt;
    buffer.resize(static_cast<std::size_t>(check(size, call, subject)));
    return buffer;
}

}  // namespace

std::size_t read(FdRef file, std::span<std::byte> buffer, std::string_view subject) {
    long got = -1;
    do got = ::read(file.number(), buffer.data(), buffer.size());
    while (got < 0 && errno == EINTR);
    return static_cast<std::size_t>(check(got, "read", subject));
}

void write_all(FdRef file, std::span<const std::byte> data, std::string_view subject) {
    while (!data.empty()) {
        const long done = ::write(file.number(), data.data(), data.size());
        if (done < 0 && errno == EINTR) continue;
        data = data.subspan(static_cast<std::size_t>(check(done, "write", subject)));
    }
}

void pwrite_all(FdRef file, std::span<const std::byte> data, std::uint64_t offset,
                std::string_view subject) {
    while (!data.empty()) {
        const long done =
            ::pwrite(file.number(), data.data(), data.size(), static_cast<off_t>(offset));
        if (done < 0 && errno == EINTR) continue;
        const auto size = static_cast<std::size_t>(check(done, "pwrite", subject));
        data = data.subspan(size);
        offset += size;
    }
}

UniqueFd reopen(FdRef file, int flags) {
    return openat(FdRef::working_directory(), magic_link(file), flags);
}

void ftruncate(FdRef file, std::uint64_t size, std::string_view subject) {
    check(::ftruncate(file.number(), static_cast<off_t>(size)), "ftruncate", subject);
}

void fsync(FdRef file, std::string_view subject) {
    check(::fsync(file.number()), "fsync", subject);
}

std::optional<std::uint64_t> seek(FdRef file, std::uint64_t offset, int whence) {
    const off_t found = ::lseek(file.number(), static_cast<off_t>(offset), whence);
    if (found < 0 && errno == ENXIO) return std::nullopt;
    return static_cast<std::uint64_t>(check(found, "lseek"));
}

// An exception costs more than twenty such calls. The trace tells of the call that fails.
std::optional<UniqueFd> openat2_if_present(FdRef directory, CString path, int flags,
                                           std::uint64_t resolve) {
    const auto is_missing = [](int error) { return error == ENOENT || error == ENOTDIR; };
    if (!trace::enabled()) [[likely]] {
        const long file = openat2_undisturbed(directory, path, flags, resolve);
        if (file < 0 && is_missing(errno)) return std::nullopt;
        return UniqueFd{static_cast<int>(check(file, "openat2", path.view()))};
    }
    try {
        return openat2(directory, path, flags, resolve);
    } catch (const SysError& error) {
        if (!is_missing(error.error())) throw;
        return std::nullopt;
    }
}

struct stat fstatat(FdRef directory, CString name) {
    struct stat status {};
    check(::fstatat(directory.number(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "fstatat",
          name.view());
    return status;
}

std::optional<struct stat> fstatat_if_present(FdRef directory, CString name) {
    struct stat status {};
    const int rc = ::fstatat(directory.number(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW);
    if (rc < 0 && errno == ENOENT) return std::nullopt;
    check(rc, "fstatat", name.view());
    return status;
}

std::vector<std::string> names_in(FdRef directory) {
    std::vector<std::string> names;
    for_each_entry(directory,
                   [&](std::string_view name, unsigned char) { names.emplace_back(name); });
    std::sort(names.begin(), names.end());
    return names;
}

void linkat(FdRef old_directory, CString old_name, FdRef new_directory, CString new_name) {
    traced_call(
        "linkat", new_name.view(),
        [&] {
            return ::linkat(old_directory.number(), old_name.c_str(), new_directory.number(),
                            new_name.c_str(), 0);
        },
        [&] { return fmt::format("\"{}\", \"{}\"", old_name.view(), new_name.view()); });
}

void renameat(FdRef old_directory, CString old_name, FdRef new_directory, CString new_name) {
    traced_call(
        "renameat", new_name.view(),
        [&] {
            return ::renameat(old_directory.number(), old_name.c_str(), new_directory.number(),
                              new_name.c_str());
        },
        [&] { return fmt::format("\"{}\", \"{}\"", old_name.view(), new_name.view()); });
}

void fchownat(FdRef directory, CString name, uid_t uid, gid_t gid) {
    check(::fchownat(directory.number(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW), "fchownat",
          name.view());
}

void utimensat(FdRef directory, CString name, const timespec& modified) {
    const timespec both[2] = {modified, modified};
    check(::utimensat(directory.number(), name.c_str(), both, AT_SYMLINK_NOFOLLOW), "utimensat",
          name.view());
}

void set_xattr(FdRef file, CString name, std::string_view value) {
    check(::setxattr(magic_link(file).c_str(), name.c_str(), value.data(), value.size(), 0),
          "setxattr", name.view());
}

std::optional<std::string> get_xattr(FdRef file, CString name) {
    const std::string link = magic_link(file);
    std::string value(usual_xattr, '\0');
    long size = ::getxattr(link.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0 && errno == ERANGE) {
        value.resize(longest_xattr);
        size = ::getxattr(link.c_str(), name.c_str(), value.data(), value.size());
    }
    return filled(std::move(value), size, "getxattr", name.view());
}

void remove_xattr(FdRef file, CString name) {
    check(::removexattr(magic_link(file).c_str(), name.c_str()), "removexattr", name.view());
}

std::vector<std::string> list_xattrs(FdRef file) {
    std::string names(usual_xattr, '\0');
    const std::string link = magic_link(file);
    long size = ::listxattr(link.c_str(), names.data(), names.size());
    if (size < 0 && errno == ERANGE) {
        names.resize(longest_xattr);
        size = ::listxattr(link.c_str(), names.data(), names.size());
    }
    const std::string all = filled(std::move(names), size, "listxattr", link).value_or("");
    std::vector<std::string> split;
    for (std::size_t begin = 0; begin < all.size(); begin = all.find('\0', begin) + 1) {
        split.emplace_back(all.c_str() + begin);
    }
    std::sort(split.begin(), split.end());
    return split;
}

}  // namespace tenon::sys
