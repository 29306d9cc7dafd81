/// @file
/// Chapter 04: a layer's archive becomes a folder.
///
/// The archive is written by somebody we do not trust. Every name in it is walked one component at
/// a time inside the layer's folder, by descriptors, and nothing is ever written through a link
/// that the archive made. It is read once, from beginning to end, in a fixed amount of memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/digest.hpp"
#include "tenon/fd.hpp"
#include "tenon/layer_stack.hpp"

namespace tenon {

/// How much a layer may ask for. An archive of a few kilobytes can unpack to a full disk.
struct ImportLimits {
    std::uint64_t bytes = std::uint64_t{64} << 30;  ///< content of all files together, unpacked
    std::uint64_t entries = 4'000'000;
    std::size_t path_length = 4096;       ///< bytes, as PATH_MAX
    std::size_t path_depth = 256;         ///< components; each costs time, for us and for everybody
    std::uint64_t xattr_bytes = 1 << 20;  ///< of one entry, all together
};

/// Under which conditions a layer is unpacked.
struct ImportOptions {
    ImportLimits limits;
    /// Owners as the archive says, which takes root. Else everything belongs to the caller, devices
    /// and privileged xattrs are left out, and the report says so.
    bool keep_owners = true;
};

/// What came out.
struct ImportReport {
    Digest blob;  ///< of the archive as it came, compressed
    std::uint64_t blob_size = 0;
    Digest diff_id;           ///< of the archive, decompressed
    std::uint64_t bytes = 0;  ///< content written
    std::uint64_t entries = 0;
    std::vector<std::string> left_out;  ///< in words; at most 100, then their number
};

/// Exercise 04.3. Unpacks the archive @p blob (tar in any common form; plain, gzip or zstd) into
/// the empty folder @p layer. Whiteouts become overlayfs'. A folder on the way that the archive
/// does not mention is taken over from @p below, with owner, mode, times and xattrs; a link on the
/// way that only @p below has is followed, inside the image; a hard link to a file of @p below
/// copies it.
/// @throws std::runtime_error  an archive that is damaged, cut short or no archive; an entry that
///         would leave the layer, or is of a kind that no layer has; a limit: the text names the
///         entry
/// @throws SysError  of the file system: ENOSPC, EPERM ...
ImportReport import_layer(FdRef blob, FdRef layer, const LayerStack& below,
                          const ImportOptions& options);

}  // namespace tenon
