/// @file
/// Chapter 04: a container's changes become a layer's archive.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"

namespace tenon {

/// What was written.
struct WrittenLayer {
    Digest diff_id;  ///< of the archive
    Digest blob;     ///< of what was written, compressed
    std::uint64_t blob_size = 0;
};

/// Writes the upper folder @p changes of an overlay as a layer's archive (pax, gzip) to @p out. In
/// the order of names, so that equal changes have equal digests; whiteouts and opaque folders as
/// `.wh.` files; the xattrs of overlayfs itself left out; hard links as such; holes stay holes.
/// Sockets are left out, as tar does.
/// @throws SysError  of the file system; std::runtime_error  what libarchive refuses
WrittenLayer write_layer(FdRef changes, FdRef out);

}  // namespace tenon
