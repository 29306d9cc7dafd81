// What the exercise stands on: what this layer and those below show, and the folder of the last
// entry.
#include "import_job.hpp"

#include <stdexcept>

#include "tenon/file_syscalls.hpp"

namespace tenon {

LayerPath parent_of(LayerPath path) {
    path.pop_back();
    return path;
}

LayerPath child_of(LayerPath path, const std::string& name) {
    path.push_back(name);
    return path;
}

std::optional<Whiteout> whiteout_of(const ArchiveEntry& entry, const LayerPath& path) {
    try {
        return parse_whiteout(path.back());
    } catch (const std::invalid_argument& error) {
        refuse_entry(entry.name, error.what());
    }
}

// The root that a layer does not mention is the one below.
void Import::take_over_root() {
    const std::optional<StackEntry> below = below_->find({});
    writer_->dress({layer_, {}}, below ? attributes_of(*below) : plain_folder());
}

const OpenFolder& Import::parent_folder(const LayerPath& asked) {
    if (last_ && !last_is_stale_ && last_->asked == asked) return *last_;
    const LayerPath path = follow_links(asked);
    last_ = OpenFolder{asked, path, open_folder(path)};
    last_is_stale_ = false;
    return *last_;
}

// A folder that the archive does not mention, but the image has: it becomes part of this layer as
// it is there.
void Import::add_missing_folder(const Place& place) {
    const auto there = sys::fstatat_if_present(place.folder, place.name());
    if (there && S_ISDIR(there->st_mode)) return;
    const std::optional<StackEntry> shown = image_.find(place.path);
    if (shown && !S_ISDIR(shown->status.st_mode)) {
        refuse_entry(joined(place.path), "a file is on the way");
    }
    add_folder(place, shown ? attributes_of(*shown) : plain_folder());
}

bool Import::has_folder_below(const LayerPath& path) const {
    const std::optional<StackEntry> below = below_->find(path);
    return below && S_ISDIR(below->status.st_mode);
}

// Makes place for something that is no folder.
void Import::clear(const Place& place) {
    if (!sys::fstatat_if_present(place.folder, place.name())) return;
    last_is_stale_ = true;
    writer_->remove(place);
}

void Import::hide_all_in(const LayerPath& folder) {
    const std::optional<StackEntry> shown = image_.find(folder);
    if (!folder.empty() && has_folder_below(folder) && shown && S_ISDIR(shown->status.st_mode)) {
        return make_opaque(open_folder(folder));
    }
    if (!folder.empty()) return;
    // The kernel does not look for the mark at the top of a layer: so name by name.
    for (std::string& name : below_->names({})) hide({}, {Whiteout::Kind::Hide, std::move(name)});
}

}  // namespace tenon
