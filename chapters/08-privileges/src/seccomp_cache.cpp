// The content of a file is checked three times over: its owner and mode say who could have written
// it, its own hash says that it is whole, and the kernel's rules say that it is a program.
#include "tenon/seccomp_cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "cache_file.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/seccomp_words.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon::seccomp {

namespace {

constexpr std::uint64_t no_links = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

// Why others could have had a hand in it; empty: they could not.
std::string distrust(const struct stat& what, mode_t type) {
    if ((what.st_mode & S_IFMT) != type) return "it is of another type";
    if (what.st_uid != ::geteuid()) return fmt::format("it belongs to uid {}", what.st_uid);
    if ((what.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write to it";
    return {};
}

// `path`, absolute, with each folder made that is missing; no link is followed.
UniqueFd make_folder(const std::string& path) {
    UniqueFd folder = sys::openat(FdRef::working_directory(), "/", O_PATH | O_DIRECTORY);
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string name = path.substr(begin, end - begin);
        begin = end + 1;
        if (name.empty()) continue;
        try {
            sys::mkdirat(folder, name, 0700);
        } catch (const SysError& error) {
            if (error.error() != EEXIST && error.error() != EROFS && error.error() != EACCES) throw;
        }
        folder = sys::openat2(folder, name, O_PATH | O_DIRECTORY, no_links);
    }
    return sys::openat2(folder, ".", O_RDONLY | O_DIRECTORY, no_links);
}

UniqueFd open_folder(const std::string& path) {
    try {
        return sys::openat2(FdRef::working_directory(), path, O_RDONLY | O_DIRECTORY, no_links);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return make_folder(path);
    }
}

std::string file_name(const Digest& key) {
    return key.hex + ".bpf";
}

std::string kernel_release() {
    utsname names{};
    check(::uname(&names), "uname");
    return names.release;
}

}  // namespace

Digest cache_key(const oci::Seccomp& policy, const Compiler& compiler) {
    return sha256(fmt::format("{}\n{}\n{}\n{}\n{}\n{}", cache_format, compiler.name,
                              libseccomp_version(), kernel_release(), ::seccomp_arch_native(),
                              canonical(policy)));
}

std::string default_cache_folder() {
    if (::geteuid() == 0) return "/run/tenon/seccomp";
    const char* const runtime = ::secure_getenv("XDG_RUNTIME_DIR");
    return runtime != nullptr && *runtime == '/' ? std::string{runtime} + "/tenon/seccomp" : "";
}

FilterCache::FilterCache(const std::string& folder) {
    if (folder.empty()) {
        complaint_ = "no folder for compiled filters";
        return;
    }
    try {
        UniqueFd open = open_folder(folder);
        complaint_ = distrust(sys::fstat(open), S_IFDIR);
        if (complaint_.empty()) folder_ = std::move(open);
    } catch (const SysError& error) {
        complaint_ = error.what();
    }
}

std::optional<Filter> FilterCache::find(const Digest& key) const {
    if (!usable()) return std::nullopt;
    try {
        const UniqueFd file =
            sys::openat2(folder_, file_name(key), O_RDONLY | O_NONBLOCK | O_NOCTTY, no_links);
        const struct stat found = sys::fstat(file);
        const bool fits = static_cast<std::uint64_t>(found.st_size) <= largest_cache_file;
        if (!fits || !distrust(found, S_IFREG).empty()) return std::nullopt;
        return filter_from(sys::pread_start(file, static_cast<std::size_t>(found.st_size)));
    } catch (const SysError&) {
        return std::nullopt;  // it is not there, or as good as
    }
}

void FilterCache::keep(const Digest& key, const Filter& filter) const {
    if (!usable()) return;
    try {
        sweep_unfinished(folder_);
        replace_file(folder_, file_name(key), file_text(filter));
    } catch (const SysError&) {
        // A full disk, a read-only one, a folder in the place of the file: the filter is there.
    }
}

Filter compile_cached(const oci::Seccomp& policy, const FilterCache& cache,
                      const Compiler& compiler) {
    const Digest key = cache_key(policy, compiler);
    if (std::optional<Filter> found = cache.find(key)) return std::move(*found);
    Filter filter = compiler.compile(policy);
    cache.keep(key, filter);
    return filter;
}

}  // namespace tenon::seccomp
