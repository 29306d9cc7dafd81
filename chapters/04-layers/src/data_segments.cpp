#include "data_segments.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "tenon/file_syscalls.hpp"

namespace tenon {

std::vector<DataSegment> data_segments(FdRef file, std::uint64_t file_size) {
    std::vector<DataSegment> segments;
    std::uint64_t end = 0;
    while (end < file_size) {
        const std::optional<std::uint64_t> begin = sys::seek(file, end, SEEK_DATA);
        if (!begin || *begin >= file_size) break;
        // The end of the file counts as a hole.
        end = std::min(file_size, sys::seek(file, *begin, SEEK_HOLE).value_or(file_size));
        segments.push_back({*begin, end - *begin});
    }
    return segments;
}

void read_segment(FdRef file, const DataSegment& segment,
                  const std::function<void(std::span<const std::byte>)>& take) {
    std::vector<std::byte> buffer(std::min<std::uint64_t>(segment.size, std::uint64_t{128} << 10));
    static_cast<void>(sys::seek(file, segment.offset, SEEK_SET));
    for (std::uint64_t left = segment.size; left > 0;) {
        const std::size_t wanted = std::min<std::uint64_t>(left, buffer.size());
        const std::size_t got = sys::read(file, std::span{buffer}.first(wanted), "layer file");
        if (got == 0) throw std::runtime_error("a layer's file became shorter while it was read");
        take(std::span{buffer}.first(got));
        left -= got;
    }
}

}  // namespace tenon
