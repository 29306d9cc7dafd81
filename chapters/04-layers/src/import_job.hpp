// One import in progress. What the exercise writes is declared here, with what it is given.
#pragma once

#include <optional>
#include <string>

#include "archive_reader.hpp"
#include "entry_path.hpp"
#include "entry_writer.hpp"
#include "tenon/layer_import.hpp"
#include "tenon/layer_stack.hpp"
#include "tenon/whiteout.hpp"

namespace tenon {

inline constexpr int most_links = 40;  // as the kernel: path_resolution(7)

struct OpenFolder {
    LayerPath asked;  // as the archive says it
    LayerPath path;   // where that is
    UniqueFd folder;
};

class Import {
  public:
    Import(FdRef layer, const LayerStack& below, EntryWriter& writer, const ImportLimits& limits)
        : layer_(layer),
          below_(&below),
          image_(below.with_top(layer)),
          writer_(&writer),
          limits_(limits) {}

    void take_over_root();
    void add(const ArchiveEntry& entry);

  private:
    [[nodiscard]] LayerPath follow_links(const LayerPath& path) const;
    UniqueFd open_folder(const LayerPath& path);
    const OpenFolder& parent_folder(const LayerPath& asked);
    void hide(const LayerPath& folder, const Whiteout& whiteout);
    void hide_all_in(const LayerPath& folder);
    void add_missing_folder(const Place& place);
    void add_folder(const Place& place, const Attributes& attributes);
    void add_hard_link(const Place& place, const ArchiveEntry& entry);
    void clear(const Place& place);
    [[nodiscard]] bool has_folder_below(const LayerPath& path) const;

    FdRef layer_;
    const LayerStack* below_;
    LayerStack image_;  // this layer, as far as it is there, on top of those below
    EntryWriter* writer_;
    ImportLimits limits_;
    std::optional<OpenFolder> last_;  // entries come folder by folder
    bool last_is_stale_ = false;      // a name was replaced since
};

LayerPath parent_of(LayerPath path);
LayerPath child_of(LayerPath path, const std::string& name);
// What the last name of an entry asks for; nothing for an ordinary one.
// @throws std::runtime_error  a name that means nothing
std::optional<Whiteout> whiteout_of(const ArchiveEntry& entry, const LayerPath& path);

}  // namespace tenon
