/// @file
/// Chapter 04: how a layer says that something of the layers below is gone.
///
/// A tar archive cannot hold "no file", so an image's layer has an empty file `.wh.NAME`. The
/// kernel knows nothing of that: overlayfs wants a character device 0:0 of the name itself, or an
/// xattr on a folder whose lower part is hidden whole.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "tenon/fd.hpp"

namespace tenon {

/// What a name in a layer's archive asks for. @see image-spec layer.md, "Whiteouts"
struct Whiteout {
    enum class Kind { Hide, Opaque };
    Kind kind;
    std::string name;  ///< Hide: what disappears; Opaque: empty
    bool operator==(const Whiteout&) const = default;
};

/// Exercise 04.2. Reads the last component of a name in an archive. Nothing: an ordinary name.
/// @throws std::invalid_argument  `.wh.` alone, and one of `.`, `..` or of another `.wh.` name but
///         the opaque marker `.wh..wh..opq`: the text says which
std::optional<Whiteout> parse_whiteout(std::string_view name);

/// The name in an archive that hides @p name. The reverse of the above.
std::string whiteout_name(std::string_view name);
inline constexpr std::string_view opaque_name = ".wh..wh..opq";

/// Exercise 04.2. Makes overlayfs' whiteout of @p name: needs no privilege since Linux 5.8.
/// @throws SysError  mknodat: EEXIST, EPERM
void make_whiteout(FdRef directory, const std::string& name);
/// Exercise 04.2. Marks @p directory as hiding what lies below it: by `user.overlay.opaque`, and by
/// `trusted.overlay.opaque` as well where the caller may (CAP_SYS_ADMIN in the first user
/// namespace), so that the layer can be mounted either way.
/// @param directory  may be O_PATH  @throws SysError  setxattr: EOPNOTSUPP (tmpfs before 6.6)
void make_opaque(FdRef directory);

/// Exercise 04.2. Whether overlayfs takes this for a whiteout.
bool is_whiteout(const struct stat& status);
/// Whether @p directory hides what lies below it, by either mark.
bool is_opaque(FdRef directory);

}  // namespace tenon
