// A layout may be read while it is written to: whatever appears in it appears by rename(2), and
// what it is called says what is in it.
#include "blob_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <cerrno>
#include <random>
#include <span>
#include <stdexcept>

#include "image_json.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"

namespace tenon {

namespace {

std::string blob_path(const Digest& digest) {
    return "blobs/sha256/" + digest.hex;
}

UniqueFd make_file(FdRef directory, const std::string& name) {
    return sys::openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
}

// On the disk before it gets its name: a name that promises a content must keep it after a crash.
std::string write_temporary(FdRef directory, const std::string& text) {
    std::string name = temporary_name();
    const UniqueFd file = make_file(directory, name);
    try {
        sys::write_all(file, std::as_bytes(std::span{text}), name);
        sys::fsync(file, name);
    } catch (...) {
        sys::unlinkat(directory, name, 0);
        throw;
    }
    return name;
}

void rename_or_unlink(FdRef directory, const std::string& temporary, const std::string& name) {
    try {
        sys::renameat(directory, temporary, directory, name);
    } catch (...) {
        sys::unlinkat(directory, temporary, 0);
        throw;
    }
}

}  // namespace

std::optional<UniqueFd> open_if_there(FdRef directory, const std::string& path) {
    UniqueFd file;
    try {
        // A link of the layout leads nowhere but into it; a FIFO must not make us wait.
        file = sys::openat2(directory, path, O_RDONLY | O_NONBLOCK,
                            RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return std::nullopt;
    }
    if (S_ISREG(sys::fstat(file).st_mode)) return file;
    throw std::runtime_error(fmt::format("{} is no plain file", path));
}

UniqueFd open_blob_file(FdRef directory, const Digest& digest) {
    std::optional<UniqueFd> file = open_if_there(directory, blob_path(digest));
    if (file) return std::move(*file);
    throw std::runtime_error(fmt::format("the blob {} is missing", digest.text()));
}

std::string read_document(FdRef file, const std::string& name) {
    std::string text(longest_document + 1, '\0');
    std::size_t filled = 0;
    while (filled < text.size()) {
        const std::span<char> rest{text.data() + filled, text.size() - filled};
        const std::size_t got = sys::read(file, std::as_writable_bytes(rest), name);
        if (got == 0) break;
        filled += got;
    }
    if (filled > longest_document) {
        throw std::runtime_error(
            fmt::format("{} is longer than a document may be, {} bytes", name, longest_document));
    }
    text.resize(filled);
    return text;
}

std::string temporary_name() {
    std::random_device random;
    return fmt::format(".tenon-{:08x}{:08x}", random(), random());
}

void publish_blob(FdRef directory, const std::string& temporary, const Digest& digest) {
    rename_or_unlink(directory, temporary, blob_path(digest));
}

Descriptor write_blob(FdRef directory, const std::string& text, const std::string& media_type) {
    const Digest digest = sha256(text);
    publish_blob(directory, write_temporary(directory, text), digest);
    return {media_type, digest, text.size()};
}

void replace_file(FdRef directory, const std::string& name, const std::string& text) {
    rename_or_unlink(directory, write_temporary(directory, text), name);
}

}  // namespace tenon
