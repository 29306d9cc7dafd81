// The diff id is the digest of the archive, the blob's of what it is compressed to. libarchive
// writes both in one go and shows neither, so there are two writers: one makes the archive, the
// other takes it for the content of its only file and compresses that.
#include "archive_writer.hpp"

#include <sys/stat.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "tenon/file_syscalls.hpp"

namespace tenon {

ArchiveOutput::ArchiveOutput() : writer_(archive_write_new(), archive_write_free) {}

la_ssize_t ArchiveOutput::drain(archive* /*writer*/, void* self, const void* data,
                                std::size_t size) {
    auto& our = *static_cast<ArchiveOutput*>(self);
    try {
        if (!our.given_up_) our.take({static_cast<const std::byte*>(data), size});
    } catch (...) {
        our.problem_ = std::current_exception();
        our.given_up_ = true;
    }
    return static_cast<la_ssize_t>(size);
}

void ArchiveOutput::must(int answer) {
    if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
    if (answer == ARCHIVE_OK) return;
    const char* const text = archive_error_string(handle());
    throw std::runtime_error(std::string{"layer: "} + (text != nullptr ? text : "not written"));
}

void ArchiveOutput::open(const char* options) {
    must(archive_write_set_options(handle(), options));
    archive_write_set_bytes_in_last_block(handle(), 1);  // a tape's blocks are of no use here
    must(archive_write_open(handle(), this, nullptr, &ArchiveOutput::drain, nullptr));
}

void ArchiveOutput::close() {
    must(archive_write_close(handle()));
}

void ArchiveOutput::write_header(archive_entry* entry) {
    must(archive_write_header(handle(), entry));
}

void ArchiveOutput::write_content(std::span<const std::byte> data) {
    const la_ssize_t written = archive_write_data(handle(), data.data(), data.size());
    must(written == static_cast<la_ssize_t>(data.size()) ? ARCHIVE_OK : ARCHIVE_FATAL);
}

GzipOutput::GzipOutput(FdRef out) : out_(out) {
    must(archive_write_set_format_raw(handle()));
    must(archive_write_add_filter_gzip(handle()));
    open("gzip:!timestamp");
    const EntryHandle whole = new_entry();
    archive_entry_set_filetype(whole.get(), S_IFREG);
    write_header(whole.get());
}

void GzipOutput::take(std::span<const std::byte> data) {
    hash_.update(data);
    size_ += data.size();
    sys::write_all(out_, data, "layer");
}

void GzipOutput::finish(WrittenLayer& written) {
    close();
    written.blob = hash_.finish();
    written.blob_size = size_;
}

TarOutput::TarOutput(GzipOutput& gzip) : gzip_(&gzip) {
    must(archive_write_set_format_pax(handle()));
    // Names are bytes; and one spelling of an xattr is enough, the one that Go reads.
    open("hdrcharset=BINARY,xattrheader=SCHILY");
}

void TarOutput::take(std::span<const std::byte> data) {
    hash_.update(data);
    gzip_->write_content(data);
}

void TarOutput::finish(WrittenLayer& written) {
    close();
    written.diff_id = hash_.finish();
}

}  // namespace tenon
