// A layer's blob as the entries of its archive, in one pass.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "attributes.hpp"
#include "decompressor.hpp"
#include "tenon/layer_import.hpp"

namespace tenon {

// One entry, as the archive's author wrote it: nothing of it is to be believed.
struct ArchiveEntry {
    std::string name;
    Attributes attributes;
    std::string link;           // a symbolic link's text, or a hard link's target
    bool is_hard_link = false;  // to the entry, or file of a layer below, called `link`
    dev_t device = 0;
    std::uint64_t size = 0;  // of the content, holes included
};

// Some content of the entry that was read last. What lies between two pieces is a hole.
struct ContentPiece {
    std::span<const std::byte> data;
    std::uint64_t offset = 0;
};

class ArchiveReader {
  public:
    // @throws std::runtime_error  no tar archive
    ArchiveReader(FdRef blob, const ImportLimits& limits);
    ArchiveReader(const ArchiveReader&) = delete;
    ArchiveReader& operator=(const ArchiveReader&) = delete;
    ~ArchiveReader() = default;

    // The next entry; what was not read of the last one's content is skipped. Nothing at the end.
    // @throws std::runtime_error  damaged, cut short, an entry over the limits or that no system
    // has
    std::optional<ArchiveEntry> next();
    // @throws std::runtime_error  damaged, cut short, one byte over the limit of all content
    std::optional<ContentPiece> content();
    // Counts content that comes from elsewhere. @throws std::runtime_error  over the limit
    void count(std::uint64_t bytes);

    // Reads what follows the last entry, and says what all of it was. @pre next() returned nothing
    void finish(ImportReport& report);

  private:
    static la_ssize_t feed(archive* reader, void* self, const void** buffer);
    [[nodiscard]] bool step(archive_entry*& entry);
    void check_size(const ArchiveEntry& entry) const;
    [[noreturn]] void fail();

    ImportLimits limits_;
    Decompressor stream_;
    ArchiveHandle reader_;
    std::exception_ptr problem_;
    std::uint64_t bytes_ = 0;
    std::uint64_t entries_ = 0;
};

}  // namespace tenon
