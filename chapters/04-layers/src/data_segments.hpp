// Where a file has content. The rest are holes, and stay holes in every copy.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon {

struct DataSegment {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

// lseek(2), "Seeking file data and holes"
std::vector<DataSegment> data_segments(FdRef file, std::uint64_t file_size);

// Hands out the segment's content in pieces. @throws std::runtime_error  the file became shorter
void read_segment(FdRef file, const DataSegment& segment,
                  const std::function<void(std::span<const std::byte>)>& take);

}  // namespace tenon
