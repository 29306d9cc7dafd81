// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
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
#include "tenon/todo.hpp"

namespace tenon {

// Where `path` leads when the links on it are followed, with the image's root as "/": `..` ends
// there. What is not there is no link, and a file is none. Nothing is made. A 41st link is refused.
LayerPath Import::follow_links(const LayerPath& path) const {
    // TASK 04.3  an archive by somebody we do not trust  (30 points)
    // man: openat(2), path_resolution(7), link(2)
    // hint: add() is where an entry arrives: take its name apart, see whether it is a whiteout,
    //   find the folder it belongs to, and only then make something there. Ask of each name in it:
    //   who says that this is a folder, and not a link to /etc?
    // more: ./course hint 04.3
    TENON_TODO("04.3");
}

// The folder of this layer at `path`, on which no link is; made where it is missing. A file on the
// way is refused.
UniqueFd Import::open_folder(const LayerPath& path) {
    // TASK 04.3, continued
    TENON_TODO("04.3");
}

// A folder stays what it is and gets other attributes. In place of anything else, of this layer or
// its whiteout, it begins empty: what that hid below stays hidden.
void Import::add_folder(const Place& place, const Attributes& attributes) {
    // TASK 04.3, continued
    TENON_TODO("04.3");
}

// What was only below comes up first, so that both names stay one file.
void Import::add_hard_link(const Place& place, const ArchiveEntry& entry) {
    // TASK 04.3, continued
    TENON_TODO("04.3");
}

// Hides what the layers below have. What this layer has stays, whichever of them came first; but a
// folder of its own then shows nothing of the one below.
void Import::hide(const LayerPath& folder, const Whiteout& whiteout) {
    // TASK 04.3, continued
    TENON_TODO("04.3");
}

void Import::add(const ArchiveEntry& entry) {
    // TASK 04.3, continued
    TENON_TODO("04.3");
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
