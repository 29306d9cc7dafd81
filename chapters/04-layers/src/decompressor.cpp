// libarchive would try every compression that it knows, and a compressed file in a compressed file,
// 25 deep. A layer is a tar archive, plain or compressed once: so we look ourselves, and ask for
// that one filter. image-spec layer.md, "Distributable Format"
#include "decompressor.hpp"

#include <archive_entry.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>

#include "tenon/file_syscalls.hpp"

namespace tenon {

namespace {

constexpr std::size_t buffer_size = std::size_t{128} << 10;

struct Compression {
    std::string_view magic;
    int filter;  // libarchive's number; negative: not for layers
    const char* name;
};

using namespace std::string_view_literals;
constexpr std::array compressions{
    Compression{"\x1f\x8b"sv, ARCHIVE_FILTER_GZIP, "gzip"},
    Compression{"\x28\xb5\x2f\xfd"sv, ARCHIVE_FILTER_ZSTD, "zstd"},
    Compression{"BZh"sv, -1, "bzip2"},
    Compression{"\xfd\x37zXZ"sv, -1, "xz"},
    Compression{"\x04\x22\x4d\x18"sv, -1, "lz4"},
};

// The filter for what begins like this; ARCHIVE_FILTER_NONE when it is not compressed.
int filter_for(std::span<const std::byte> beginning) {
    const std::string_view text{reinterpret_cast<const char*>(beginning.data()), beginning.size()};
    for (const Compression& known : compressions) {
        if (!text.starts_with(known.magic)) continue;
        if (known.filter >= 0) return known.filter;
        throw std::runtime_error(fmt::format(
            "layer: compressed by {}: layers are tar, plain or by gzip or zstd", known.name));
    }
    return ARCHIVE_FILTER_NONE;
}

}  // namespace

Decompressor::Decompressor(FdRef blob, std::uint64_t limit)
    : blob_(blob),
      limit_(limit),
      buffer_(buffer_size),
      reader_(archive_read_new(), archive_read_free) {
    first_ = read_blob();
    if (first_.empty()) throw std::runtime_error("layer: the blob is empty: no archive");
    archive_read_support_format_raw(reader_.get());
    const int filter = filter_for(first_);
    if (filter != ARCHIVE_FILTER_NONE && archive_read_append_filter(reader_.get(), filter) != 0) {
        fail();
    }
    open();
}

void Decompressor::open() {
    archive* const reader = reader_.get();
    archive_entry* whole = nullptr;
    if (archive_read_open(reader, this, nullptr, &Decompressor::feed, nullptr) != ARCHIVE_OK ||
        archive_read_next_header(reader, &whole) != ARCHIVE_OK) {
        fail();
    }
}

std::span<const std::byte> Decompressor::read_blob() {
    const std::size_t size = sys::read(blob_, buffer_, "layer");
    const std::span<const std::byte> piece = std::span{buffer_}.first(size);
    blob_hash_.update(piece);
    blob_size_ += size;
    return piece;
}

la_ssize_t Decompressor::feed(archive* reader, void* self, const void** buffer) {
    auto& our = *static_cast<Decompressor*>(self);
    try {
        const auto piece = our.first_.empty() ? our.read_blob() : std::exchange(our.first_, {});
        *buffer = piece.data();
        return static_cast<la_ssize_t>(piece.size());
    } catch (...) {
        our.problem_ = std::current_exception();
        archive_set_error(reader, EIO, "see the exception");
        return -1;
    }
}

std::span<const std::byte> Decompressor::next() {
    if (ended_) return {};
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int answer = archive_read_data_block(reader_.get(), &data, &size, &offset);
    if (answer == ARCHIVE_EOF) {
        check_end();
        return {};
    }
    if (answer != ARCHIVE_OK) fail();
    const std::span piece{static_cast<const std::byte*>(data), size};
    archive_size_ += size;
    if (archive_size_ > limit_) {
        throw std::runtime_error(fmt::format("layer: the archive is longer than {} bytes", limit_));
    }
    archive_hash_.update(piece);
    return piece;
}

// libarchive stops where the compressed stream ends, and says nothing of what follows.
void Decompressor::check_end() {
    ended_ = true;
    while (!read_blob().empty()) {
    }
    const auto used = static_cast<std::uint64_t>(archive_filter_bytes(reader_.get(), -1));
    if (used == blob_size_) return;
    throw std::runtime_error(
        fmt::format("layer: {} bytes follow the end of the compressed archive", blob_size_ - used));
}

void Decompressor::fail() {
    if (problem_) std::rethrow_exception(problem_);
    const char* const text = archive_error_string(reader_.get());
    throw std::runtime_error(fmt::format("layer: {}", text != nullptr ? text : "cannot be read"));
}

}  // namespace tenon
