// Two readers of libarchive, one behind the other: the first undoes the compression, this one takes
// tar apart. In between the archive passes by as it is, to its last padding byte: that is what a
// diff id is the digest of.
//
// Names are bytes. libarchive turns pax' UTF-8 into the locale's charset, and where it cannot it
// hands out the bytes and a warning. We never call setlocale(3), so ASCII is all it can.
#include "archive_reader.hpp"

#include <archive_entry.h>
#include <fmt/format.h>

#include <cerrno>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "entry_path.hpp"

namespace tenon {

namespace {

// For headers and padding of an archive with little content.
constexpr std::uint64_t stream_allowance = 1 << 20;
// chown(2) takes it for "leave as it is".
constexpr la_int64_t no_id = std::numeric_limits<std::uint32_t>::max();

std::uint64_t stream_limit(std::uint64_t bytes) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    return bytes > most - stream_allowance ? most : bytes + stream_allowance;
}

std::string text_of(const char* text) {
    return text != nullptr ? text : "";
}

std::uint32_t id_of(la_int64_t id, const std::string& name) {
    if (id < 0 || id >= no_id) refuse_entry(name, fmt::format("no system has an owner {}", id));
    return static_cast<std::uint32_t>(id);
}

void read_xattrs(archive_entry* entry, const ImportLimits& limits, ArchiveEntry& result) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    std::uint64_t total = 0;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        total += text_of(name).size() + size;
        if (total > limits.xattr_bytes) refuse_entry(result.name, "too many extended attributes");
        result.attributes.xattrs.emplace_back(text_of(name),
                                              std::string{static_cast<const char*>(value), size});
    }
}

Attributes read_attributes(archive_entry* entry, const std::string& name) {
    return {.mode = archive_entry_filetype(entry) | archive_entry_perm(entry),
            .uid = id_of(archive_entry_uid(entry), name),
            .gid = id_of(archive_entry_gid(entry), name),
            .modified = {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)},
            .xattrs = {}};
}

ArchiveEntry read_entry(archive_entry* entry, const ImportLimits& limits) {
    ArchiveEntry result;
    result.name = text_of(archive_entry_pathname(entry));
    result.attributes = read_attributes(entry, result.name);
    result.is_hard_link = archive_entry_hardlink(entry) != nullptr;
    result.link =
        text_of(result.is_hard_link ? archive_entry_hardlink(entry) : archive_entry_symlink(entry));
    result.device = archive_entry_rdev(entry);
    if (archive_entry_size(entry) < 0) refuse_entry(result.name, "its size is negative");
    result.size = static_cast<std::uint64_t>(archive_entry_size(entry));
    read_xattrs(entry, limits, result);
    return result;
}

// The one warning that says nothing is wrong; see above.
bool is_about_charset(archive* reader) {
    return text_of(archive_error_string(reader)).find("can't be converted") != std::string::npos;
}

}  // namespace

ArchiveReader::ArchiveReader(FdRef blob, const ImportLimits& limits)
    : limits_(limits),
      stream_(blob, stream_limit(limits.bytes)),
      reader_(archive_read_new(), archive_read_free) {
    archive_read_support_format_tar(reader_.get());
    const int answer =
        archive_read_open(reader_.get(), this, nullptr, &ArchiveReader::feed, nullptr);
    if (answer != ARCHIVE_OK) fail();
}

la_ssize_t ArchiveReader::feed(archive* reader, void* self, const void** buffer) {
    auto& our = *static_cast<ArchiveReader*>(self);
    try {
        const std::span<const std::byte> piece = our.stream_.next();
        *buffer = piece.data();
        return static_cast<la_ssize_t>(piece.size());
    } catch (...) {
        our.problem_ = std::current_exception();
        archive_set_error(reader, EIO, "see the exception");
        return -1;
    }
}

// False at the end.
bool ArchiveReader::step(archive_entry*& entry) {
    const int answer = archive_read_next_header(reader_.get(), &entry);
    if (answer == ARCHIVE_EOF) return false;
    if (answer == ARCHIVE_WARN && is_about_charset(reader_.get())) return true;
    if (answer != ARCHIVE_OK) fail();
    return true;
}

std::optional<ArchiveEntry> ArchiveReader::next() {
    archive_entry* entry = nullptr;
    if (!step(entry)) return std::nullopt;
    if (++entries_ > limits_.entries) {
        throw std::runtime_error(fmt::format("layer: more than {} entries", limits_.entries));
    }
    ArchiveEntry result = read_entry(entry, limits_);
    check_size(result);
    return result;
}

// Before anything of it is written. A hole takes no room, but no file may claim more than all may.
void ArchiveReader::check_size(const ArchiveEntry& entry) const {
    if (entry.size <= limits_.bytes) return;
    refuse_entry(entry.name,
                 fmt::format("its size is {}, and the limit for the whole layer {} bytes",
                             entry.size, limits_.bytes));
}

std::optional<ContentPiece> ArchiveReader::content() {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int answer = archive_read_data_block(reader_.get(), &data, &size, &offset);
    if (answer == ARCHIVE_EOF) return std::nullopt;
    if (answer != ARCHIVE_OK) fail();
    count(size);
    return ContentPiece{{static_cast<const std::byte*>(data), size},
                        static_cast<std::uint64_t>(offset)};
}

void ArchiveReader::count(std::uint64_t bytes) {
    if (bytes > limits_.bytes - bytes_) {
        throw std::runtime_error(
            fmt::format("layer: its files hold more than {} bytes", limits_.bytes));
    }
    bytes_ += bytes;
}

void ArchiveReader::finish(ImportReport& report) {
    while (!stream_.next().empty()) {
    }
    report.blob = stream_.blob_digest();
    report.blob_size = stream_.blob_size();
    report.diff_id = stream_.archive_digest();
    report.bytes = bytes_;
    report.entries = entries_;
}

void ArchiveReader::fail() {
    if (problem_) std::rethrow_exception(problem_);
    throw std::runtime_error("layer: " + text_of(archive_error_string(reader_.get())));
}

}  // namespace tenon
