// Overlayfs' lookup, by hand. At each step there is a list of folders that are shown as one, the
// topmost first; the next name is looked for in each, and the first answer that is no folder, or
// that hides what lies below it, ends the list. Documentation/filesystems/overlayfs.rst, "Merged
// directories"
#include "tenon/layer_stack.hpp"

#include <fcntl.h>

#include <set>

#include "tenon/file_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/whiteout.hpp"

namespace tenon {

namespace {

// What one name is in the folders that are shown as one: several entries are all folders.
struct Shown {
    std::vector<StackEntry> entries;
};

UniqueFd open_entry(FdRef folder, const std::string& name) {
    return sys::openat(folder, name, O_PATH | O_NOFOLLOW);
}

// Whether the search for `name` goes on below this folder. The lowest is not asked whether it is
// opaque: with a single layer that would be most of an import's system calls.
bool add_entry(Shown& shown, const StackEntry& folder, const std::string& name, bool is_lowest) {
    const std::optional<struct stat> there = sys::fstatat_if_present(folder.file, name);
    if (!there) return true;
    if (is_whiteout(*there)) return false;
    const bool is_folder = S_ISDIR(there->st_mode);
    if (!is_folder && !shown.entries.empty()) return false;  // hidden by a folder above it
    shown.entries.push_back({open_entry(folder.file, name), *there, folder.layer});
    return is_folder && !is_lowest && !is_opaque(shown.entries.back().file);
}

Shown look_up(const Shown& folders, const std::string& name) {
    Shown shown;
    for (const StackEntry& folder : folders.entries) {
        if (!S_ISDIR(folder.status.st_mode)) break;
        if (!add_entry(shown, folder, name, &folder == &folders.entries.back())) break;
    }
    return shown;
}

Shown tops_of(std::span<const UniqueFd> layers) {
    Shown shown;
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        UniqueFd top = open_entry(layers[layer], ".");
        const struct stat status = sys::fstat(top);
        shown.entries.push_back({std::move(top), status, layer});
    }
    return shown;
}

Shown walk(std::span<const UniqueFd> layers, std::span<const std::string> path) {
    Shown shown = tops_of(layers);
    for (const std::string& name : path) shown = look_up(shown, name);
    return shown;
}

// The names of one folder that no folder above it hid, which `decided` remembers.
void add_names(FdRef folder, std::set<std::string>& decided, std::set<std::string>& names) {
    for (const std::string& name : sys::names_in(folder)) {
        const bool is_new = decided.insert(name).second;
        if (is_new && !is_whiteout(sys::fstatat(folder, name))) names.insert(name);
    }
}

}  // namespace

LayerStack LayerStack::with_top(FdRef top) const {
    std::vector<UniqueFd> layers;
    layers.push_back(sys::duplicate(top));
    for (const UniqueFd& layer : layers_) layers.push_back(sys::duplicate(layer));
    return LayerStack{std::move(layers)};
}

std::optional<StackEntry> LayerStack::find(std::span<const std::string> path) const {
    Shown shown = walk(layers_, path);
    if (shown.entries.empty()) return std::nullopt;
    return std::move(shown.entries.front());
}

bool LayerStack::has_link(std::span<const std::string> path) const {
    Shown shown = tops_of(layers_);
    for (const std::string& name : path) {
        shown = look_up(shown, name);
        if (shown.entries.empty()) return false;
        if (S_ISLNK(shown.entries.front().status.st_mode)) return true;
    }
    return false;
}

std::vector<std::string> LayerStack::names(std::span<const std::string> path) const {
    std::set<std::string> decided;
    std::set<std::string> names;
    for (const StackEntry& folder : walk(layers_, path).entries) {
        if (S_ISDIR(folder.status.st_mode)) add_names(folder.file, decided, names);
    }
    return {names.begin(), names.end()};
}

}  // namespace tenon
