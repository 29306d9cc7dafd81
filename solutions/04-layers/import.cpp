// The archive says where things belong, and its author is nobody we know. So no name is handed to
// the kernel as a path: it is taken apart, links are followed by us, inside the image, and then the
// folder is opened one plain name at a time, none of which may be a link. image-spec layer.md,
// "Applying Changesets"; openat(2), O_NOFOLLOW
#include <fcntl.h>

#include <deque>
#include <utility>

#include "import_job.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/layer_import.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/whiteout.hpp"

namespace tenon {

// Where `path` leads when the links on it are followed, with the image's root as "/": `..` ends
// there. What is not there is no link, and a file is none. Nothing is made. A 41st link is refused.
LayerPath Import::follow_links(const LayerPath& path) const {
    // BEGIN SOLUTION 04.3
    if (!image_.has_link(path)) return path;  // below, each name takes a walk of its own
    LayerPath real;
    std::deque<std::string> rest{path.begin(), path.end()};
    for (int links = 0; !rest.empty();) {
        const std::string name = std::exchange(rest.front(), {});
        rest.pop_front();
        if (name == "..") {
            if (!real.empty()) real.pop_back();
            continue;
        }
        real.push_back(name);
        const std::optional<StackEntry> there = image_.find(real);
        if (!there || !S_ISLNK(there->status.st_mode)) continue;
        if (++links > most_links) refuse_entry(joined(path), "too many links are on the way");
        const std::string target = sys::readlinkat(there->file, "");
        const std::vector<std::string> parts = link_components(target);
        rest.insert(rest.begin(), parts.begin(), parts.end());
        real = target.starts_with('/') ? LayerPath{} : parent_of(real);
    }
    return real;
    // END SOLUTION
}

// The folder of this layer at `path`, on which no link is; made where it is missing. A file on the
// way is refused.
UniqueFd Import::open_folder(const LayerPath& path) {
    // BEGIN SOLUTION 04.3
    UniqueFd folder = sys::duplicate(layer_);
    LayerPath so_far;
    for (const std::string& name : path) {
        so_far.push_back(name);
        add_missing_folder({folder, so_far});
        folder = sys::openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    }
    return folder;
    // END SOLUTION
}

// A folder stays what it is and gets other attributes. In place of anything else, of this layer or
// its whiteout, it begins empty: what that hid below stays hidden.
void Import::add_folder(const Place& place, const Attributes& attributes) {
    // BEGIN SOLUTION 04.3
    const KeptTime kept{place.folder};
    const auto there = sys::fstatat_if_present(place.folder, place.name());
    const bool is_folder = there && S_ISDIR(there->st_mode);
    if (!is_folder) {
        clear(place);
        writer_->make_folder(place);
    }
    writer_->dress(place, attributes);
    if (there && !is_folder && has_folder_below(place.path)) {
        make_opaque(sys::openat(place.folder, place.name(), O_PATH | O_NOFOLLOW));
    }
    // END SOLUTION
}

// What was only below comes up first, so that both names stay one file.
void Import::add_hard_link(const Place& place, const ArchiveEntry& entry) {
    // BEGIN SOLUTION 04.3
    const LayerPath target = entry_path(entry.link, limits_);
    if (target.empty()) refuse_entry(entry.name, "a hard link to a folder");
    const LayerPath folder = follow_links(parent_of(target));
    const LayerPath path = child_of(folder, target.back());
    const std::optional<StackEntry> there = image_.find(path);
    if (!there) refuse_entry(entry.name, "a hard link to what is not there");
    if (S_ISDIR(there->status.st_mode)) refuse_entry(entry.name, "a hard link to a folder");
    if (path == place.path) refuse_entry(entry.name, "a hard link to itself");
    const UniqueFd from = open_folder(folder);
    const KeptTime kept_from{from};
    if (there->layer != 0) writer_->copy({from, path}, *there);
    const KeptTime kept{place.folder};
    clear(place);
    sys::linkat(from, path.back(), place.folder, place.name());
    // END SOLUTION
}

// Hides what the layers below have. What this layer has stays, whichever of them came first; but a
// folder of its own then shows nothing of the one below.
void Import::hide(const LayerPath& folder, const Whiteout& whiteout) {
    // BEGIN SOLUTION 04.3
    last_is_stale_ = true;
    if (whiteout.kind == Whiteout::Kind::Opaque) return hide_all_in(folder);
    const LayerPath path = child_of(folder, whiteout.name);
    const std::optional<StackEntry> there = image_.find(path);
    if (!there) return;
    if (there->layer == 0) {
        if (S_ISDIR(there->status.st_mode) && has_folder_below(path)) make_opaque(there->file);
        return;
    }
    const UniqueFd parent = open_folder(folder);
    const KeptTime kept{parent};
    make_whiteout(parent, whiteout.name);
    // END SOLUTION
}

void Import::add(const ArchiveEntry& entry) {
    // BEGIN SOLUTION 04.3
    const LayerPath path = entry_path(entry.name, limits_);
    const bool is_folder = S_ISDIR(entry.attributes.mode) && !entry.is_hard_link;
    if (path.empty()) {
        if (!is_folder) refuse_entry(entry.name, "the root can only be a folder");
        return writer_->dress({layer_, {}}, entry.attributes);
    }
    if (const std::optional<Whiteout> whiteout = whiteout_of(entry, path)) {
        return hide(follow_links(parent_of(path)), *whiteout);
    }
    const OpenFolder& parent = parent_folder(parent_of(path));
    const Place place{parent.folder, child_of(parent.path, path.back())};
    if (is_folder) return add_folder(place, entry.attributes);
    if (entry.is_hard_link) return add_hard_link(place, entry);
    const KeptTime kept{place.folder};
    clear(place);
    writer_->make(place, entry);
    // END SOLUTION
}

ImportReport import_layer(FdRef blob, FdRef layer, const LayerStack& below,
                          const ImportOptions& options) {
    const trace::Step telling{4, "unpack a layer", "each name is walked by us, inside its folder"};
    ImportReport report;
    ArchiveReader reader(blob, options.limits);
    EntryWriter writer(options, reader, report);
    Import import(layer, below, writer, options.limits);
    import.take_over_root();
    while (const std::optional<ArchiveEntry> entry = reader.next()) import.add(*entry);
    reader.finish(report);
    writer.finish(layer);
    return report;
}

}  // namespace tenon
