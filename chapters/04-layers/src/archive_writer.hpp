// A layer's archive on its way out: tar, hashed, compressed, hashed once more, written.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <span>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"
#include "tenon/layer_diff.hpp"

namespace tenon {

using EntryHandle = std::unique_ptr<archive_entry, void (*)(archive_entry*)>;
inline EntryHandle new_entry() {
    return {archive_entry_new(), archive_entry_free};
}

// One libarchive writer, and what becomes of its bytes.
class ArchiveOutput {
  public:
    ArchiveOutput();
    ArchiveOutput(const ArchiveOutput&) = delete;
    ArchiveOutput& operator=(const ArchiveOutput&) = delete;
    // What was not closed is given up: libarchive closes it, and what it still writes is dropped.
    virtual ~ArchiveOutput() { given_up_ = true; }

    void write_header(archive_entry* entry);
    void write_content(std::span<const std::byte> data);

  protected:
    void open(const char* options);
    void close();
    [[nodiscard]] archive* handle() const { return writer_.get(); }
    void must(int answer);

  private:
    static la_ssize_t drain(archive* writer, void* self, const void* data, std::size_t size);
    virtual void take(std::span<const std::byte> data) = 0;

    // Of take(): nothing may be thrown through libarchive. Nor is it told: a writer that failed
    // does not free what its filter holds.
    std::exception_ptr problem_;
    bool given_up_ = false;
    std::unique_ptr<archive, int (*)(archive*)> writer_;
};

// gzip, without the time of day.
class GzipOutput : public ArchiveOutput {
  public:
    explicit GzipOutput(FdRef out);
    void finish(WrittenLayer& written);

  private:
    void take(std::span<const std::byte> data) override;
    FdRef out_;
    Sha256 hash_;
    std::uint64_t size_ = 0;
};

// pax, into a GzipOutput.
class TarOutput : public ArchiveOutput {
  public:
    explicit TarOutput(GzipOutput& gzip);
    void finish(WrittenLayer& written);

  private:
    void take(std::span<const std::byte> data) override;
    GzipOutput* gzip_;
    Sha256 hash_;
};

}  // namespace tenon
