/// @file
/// Chapter 04, the contract: folders on top of each other.
///
/// An OverlayMount is data: which folders, in which order, with which options. overlay_options()
/// and overlay_data() say it in the kernel's two languages, mount_overlay() carries it out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon {

/// An overlay. Paths are relative to `directory`: the old way of mounting has one page for all of
/// them together. @see Documentation/filesystems/overlayfs.rst
struct OverlayMount {
    FdRef directory;                 ///< a loan
    std::vector<std::string> lower;  ///< the topmost first; at least one
    std::string upper;               ///< where changes go; empty: read-only
    std::string work;                ///< the kernel's workshop, empty, on the file system of upper
    /// Marks are xattrs that a user namespace may write and read, too. Those are called
    /// `user.overlay.*` and not `trusted.overlay.*`.
    bool userxattr = false;
    /// Nothing is synced to the disk: faster, and after a crash the upper folder is worth nothing.
    /// The kernel refuses it a second time.
    bool volatile_upper = false;
    /// A change of owner or mode copies no content. Not with userxattr, and not where an upper
    /// folder comes from somebody else: its redirects could name any file.
    bool metacopy = false;
    /// A folder that has a lower part may be renamed (else EXDEV, and mv copies). As metacopy.
    bool redirect_dir = false;
};

/// Exercise 04.1. The options for fsconfig(2), one `key=value` or `key` each: a `lowerdir+` per
/// lower folder, topmost first, then upperdir and workdir where there is an upper folder, then the
/// switches. A switch that is off is said, too (`metacopy=off`), where the kernel's own default
/// could be on; not with userxattr, which takes none of them. In the upper and the work folder's
/// path, and in no lower one's, the kernel takes a backslash for an escape: see overlay_data().
/// @throws std::invalid_argument  no lower folder; upper without work or the reverse; metacopy or
///         redirect_dir with userxattr
std::vector<std::string> overlay_options(const OverlayMount& overlay);

/// Exercise 04.1, too. The same in one text for mount(2): `lowerdir=a:b,upperdir=..`. A colon,
/// comma or backslash in a path is escaped by a backslash.
/// @throws std::invalid_argument  as overlay_options(); a text longer than a page (4095 bytes)
std::string overlay_data(const OverlayMount& overlay);

/// Whether this kernel takes lower folders one by one (`lowerdir+`, Linux 6.7). Asks the kernel and
/// not its version. @throws SysError  fsopen: ENODEV (no overlay file system), EPERM
bool knows_single_lowers();

/// Mounts it on @p target, and returns the mount. With the new mount API where the kernel takes
/// single lower folders; else by mount(2), whose options must fit into a page. Changes the working
/// directory. @pre in a mount namespace of one's own, with private mounts
/// @throws SysError  mount overlay: EINVAL (the kernel's own words where it left some; upper on
///         another overlay or on a file system without xattrs), ESTALE, ELOOP (overlays too deep)
UniqueFd mount_overlay(const OverlayMount& overlay, FdRef target);

}  // namespace tenon
