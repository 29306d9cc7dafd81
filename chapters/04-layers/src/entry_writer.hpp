// What makes an entry's file, once it is known where it belongs. Everything is done by an open
// folder and one plain name in it; nothing here follows a link.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "archive_reader.hpp"
#include "entry_path.hpp"
#include "tenon/layer_import.hpp"
#include "tenon/layer_stack.hpp"

namespace tenon {

// A name in an open folder of the layer.
struct Place {
    FdRef folder;
    LayerPath path;  // from the layer's root, without links; empty: the root itself

    [[nodiscard]] std::string name() const { return path.empty() ? "." : path.back(); }
};

// While it lives, what is made or removed in a folder does not change the folder's own time.
class KeptTime {
  public:
    explicit KeptTime(FdRef folder);
    KeptTime(const KeptTime&) = delete;
    KeptTime& operator=(const KeptTime&) = delete;
    ~KeptTime();

  private:
    FdRef folder_;
    timespec modified_;
};

class EntryWriter {
  public:
    // All three are loans.
    EntryWriter(const ImportOptions& options, ArchiveReader& reader, ImportReport& report)
        : options_(&options), reader_(&reader), report_(&report) {}

    // A file, link, device or FIFO with all that belongs to it, where nothing is. One that the
    // caller may not make is left out. @throws std::runtime_error  a kind that no layer has
    void make(const Place& place, const ArchiveEntry& entry);
    // An empty folder, the caller's alone, where nothing is: dress() comes next.
    void make_folder(const Place& place);
    // Owner, xattrs, mode, times. What was there of those is replaced.
    void dress(const Place& place, const Attributes& attributes);
    // A copy of a file of a layer below, where nothing is. @throws std::runtime_error  of a folder
    void copy(const Place& place, const StackEntry& source);
    // Whatever is there, a folder with all that is in it.
    void remove(const Place& place);
    // Last of all. @param layer  the folder that all of it went to
    void finish(FdRef layer);

  private:
    void make_file(const Place& place, const ArchiveEntry& entry);
    void make_link(const Place& place, const std::string& text);
    bool make_node(const Place& place, mode_t mode, dev_t device);
    void copy_content(const Place& place, const StackEntry& source);
    void set_mode(const Place& place, mode_t mode);
    void replace_xattrs(const Place& place, const Attributes& attributes);
    void set_xattr(FdRef file, const Place& place, const std::string& name,
                   const std::string& value);
    void leave_out(const Place& place, std::string_view what);

    const ImportOptions* options_;
    ArchiveReader* reader_;
    ImportReport* report_;
    std::size_t left_out_ = 0;
    // Folders that not even their owner may write to: an ordinary user closes them at the end.
    std::map<LayerPath, mode_t, std::greater<>> closed_;
};

}  // namespace tenon
