// A layer's blob as it comes, to the archive in it, piece by piece; both are hashed on the way.
#pragma once

#include <archive.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"

namespace tenon {

// libarchive's reader, freed with its owner.
using ArchiveHandle = std::unique_ptr<archive, int (*)(archive*)>;

class Decompressor {
  public:
    // @param limit  bytes of the archive; one more is refused
    // @throws std::runtime_error  compressed in a way that no layer is
    Decompressor(FdRef blob, std::uint64_t limit);
    Decompressor(const Decompressor&) = delete;
    Decompressor& operator=(const Decompressor&) = delete;
    ~Decompressor() = default;

    // The next piece of the archive, valid until the next call; empty at the end.
    // @throws std::runtime_error  damaged, cut short, more than the limit, bytes after the end
    std::span<const std::byte> next();

    // After the end.
    Digest blob_digest() { return blob_hash_.finish(); }
    Digest archive_digest() { return archive_hash_.finish(); }
    [[nodiscard]] std::uint64_t blob_size() const { return blob_size_; }

  private:
    static la_ssize_t feed(archive* reader, void* self, const void** buffer);
    std::span<const std::byte> read_blob();
    void open();
    void check_end();
    [[noreturn]] void fail();

    FdRef blob_;
    std::uint64_t limit_;
    std::vector<std::byte> buffer_;
    std::span<const std::byte> first_;  // read already, to see how it is compressed
    ArchiveHandle reader_;
    std::exception_ptr problem_;  // of read_blob(): nothing may be thrown through libarchive
    Sha256 blob_hash_;
    Sha256 archive_hash_;
    std::uint64_t blob_size_ = 0;
    std::uint64_t archive_size_ = 0;
    bool ended_ = false;
};

}  // namespace tenon
