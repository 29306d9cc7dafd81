// A layout may be read while it is written to: whatever appears in it appears by rename(2), and
// what it is called says what is in it.
#include "blob_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <cerrno>
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

void publish_blob(UnfinishedFile& file, const Digest& digest) {
    file.publish(blob_path(digest));
}

Descriptor write_blob(FdRef directory, const std::string& text, const std::string& media_type) {
    const Digest digest = sha256(text);
    replace_file(directory, blob_path(digest), text, layout_mode);
    return {media_type, digest, text.size()};
}

}  // namespace tenon
