/// @file
/// Chapter 04: what a stack of layers shows, found without mounting it.
///
/// Import needs it: a layer may speak of a folder, a link or a hard link's target that only a layer
/// below has. The search is overlayfs' own: from the top down, per component, until a whiteout, an
/// opaque folder or something that is no folder ends it.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenon/fd.hpp"

namespace tenon {

/// Something that the stack shows.
struct StackEntry {
    UniqueFd file;  ///< O_PATH | O_NOFOLLOW, in the topmost layer that has it
    struct stat status;
    std::size_t layer = 0;  ///< which one: 0 is the topmost
};

/// Layers on top of each other, each an unpacked folder in overlayfs' form.
class LayerStack {
  public:
    LayerStack() = default;
    /// @param layers  the topmost first
    explicit LayerStack(std::vector<UniqueFd> layers) : layers_(std::move(layers)) {}

    /// What lies at @p path, a list of plain names; links on the way or at its end are not
    /// followed. Nothing where the stack shows nothing. @throws SysError  openat, fstatat
    [[nodiscard]] std::optional<StackEntry> find(std::span<const std::string> path) const;
    /// Whether a link is on @p path, or at its end: one walk, however long it is.
    [[nodiscard]] bool has_link(std::span<const std::string> path) const;
    /// The names that the folder at @p path shows, sorted; empty where there is no folder.
    [[nodiscard]] std::vector<std::string> names(std::span<const std::string> path) const;
    /// These layers, and @p top on top of them.
    [[nodiscard]] LayerStack with_top(FdRef top) const;
    [[nodiscard]] bool empty() const { return layers_.empty(); }

  private:
    std::vector<UniqueFd> layers_;
};

}  // namespace tenon
