// The upper folder of an overlay is the difference already: what was written is there, what was
// removed is a whiteout. It remains to say that in the archive's language, and always in the same
// order, so that the same change has the same digest.
// image-spec layer.md, "Creating"; Documentation/filesystems/overlayfs.rst
#include "tenon/layer_diff.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "archive_writer.hpp"
#include "attributes.hpp"
#include "data_segments.hpp"
#include "entry_path.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/whiteout.hpp"

namespace tenon {

namespace {

// A marker says nothing but its name: it is nobody's, and of no time.
constexpr mode_t marker_mode = S_IFREG | 0600;

class LayerWriter {
  public:
    explicit LayerWriter(TarOutput& tar) : tar_(&tar) {}
    void add_root(FdRef root);

  private:
    void add_content_of(FdRef folder, const LayerPath& path);
    void add(FdRef folder, const LayerPath& path);
    void add_folder(const LayerPath& path, const StackEntry& entry);
    void add_file(const LayerPath& path, const StackEntry& entry);
    void add_marker(const LayerPath& folder, const std::string& name);
    void write(const LayerPath& path, const StackEntry& entry, archive_entry* header);
    void write_content(const StackEntry& entry, archive_entry* header);
    void write_hole(std::uint64_t size);

    TarOutput* tar_;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names_;  // of files with several
};

StackEntry open_entry(FdRef folder, const std::string& name) {
    UniqueFd file = sys::openat(folder, name, O_PATH | O_NOFOLLOW);
    const struct stat status = sys::fstat(file);
    return {std::move(file), status, 0};
}

// Such a file is only half here, and its other half is in layers that this archive does not hold.
void refuse_half_files(const LayerPath& path, FdRef file) {
    constexpr std::array halves{"trusted.overlay.metacopy", "user.overlay.metacopy",
                                "trusted.overlay.redirect", "user.overlay.redirect"};
    for (const char* mark : halves) {
        if (!sys::get_xattr(file, mark)) continue;
        refuse_entry(joined(path), std::string{"its content is in a layer below, says "} + mark +
                                       ": such an upper folder is no layer of its own");
    }
}

void set_attributes(archive_entry* header, const Attributes& attributes) {
    archive_entry_set_mode(header, attributes.mode);
    archive_entry_set_uid(header, attributes.uid);
    archive_entry_set_gid(header, attributes.gid);
    archive_entry_set_mtime(header, attributes.modified.tv_sec, attributes.modified.tv_nsec);
    for (const auto& [name, value] : attributes.xattrs) {
        archive_entry_xattr_add_entry(header, name.c_str(), value.data(), value.size());
    }
}

void LayerWriter::add_root(FdRef root) {
    const StackEntry entry = open_entry(root, ".");
    write({"."}, entry, new_entry().get());
    add_content_of(root, {});
}

void LayerWriter::add_content_of(FdRef folder, const LayerPath& path) {
    for (const std::string& name : sys::names_in(folder)) {
        LayerPath below = path;
        below.push_back(name);
        add(folder, below);
    }
}

void LayerWriter::add(FdRef folder, const LayerPath& path) {
    const StackEntry entry = open_entry(folder, path.back());
    if (is_whiteout(entry.status)) {
        return add_marker({path.begin(), path.end() - 1}, whiteout_name(path.back()));
    }
    if (S_ISSOCK(entry.status.st_mode)) return;
    if (path.back().starts_with(whiteout_name(""))) {
        refuse_entry(joined(path), "in a layer a name like this hides another");
    }
    refuse_half_files(path, entry.file);
    S_ISDIR(entry.status.st_mode) ? add_folder(path, entry) : add_file(path, entry);
}

// As deep as an import takes it, and no deeper: each level holds a descriptor here.
void LayerWriter::add_folder(const LayerPath& path, const StackEntry& entry) {
    if (path.size() > ImportLimits{}.path_depth) {
        refuse_entry(joined(path), "no layer goes so deep");
    }
    write(path, entry, new_entry().get());
    if (is_opaque(entry.file)) add_marker(path, std::string{opaque_name});
    add_content_of(entry.file, path);
}

void LayerWriter::add_file(const LayerPath& path, const StackEntry& entry) {
    const EntryHandle header = new_entry();
    if (entry.status.st_nlink > 1) {
        const auto file = std::pair{entry.status.st_dev, entry.status.st_ino};
        const auto [first, is_new] = first_names_.emplace(file, joined(path));
        if (!is_new) archive_entry_copy_hardlink(header.get(), first->second.c_str());
    }
    write(path, entry, header.get());
}

void LayerWriter::add_marker(const LayerPath& folder, const std::string& name) {
    LayerPath path = folder;
    path.push_back(name);
    const EntryHandle header = new_entry();
    archive_entry_copy_pathname(header.get(), joined(path).c_str());
    set_attributes(header.get(), {.mode = marker_mode});
    archive_entry_set_size(header.get(), 0);
    tar_->write_header(header.get());
}

void LayerWriter::write(const LayerPath& path, const StackEntry& entry, archive_entry* header) {
    archive_entry_copy_pathname(header, joined(path).c_str());
    set_attributes(header, attributes_of(entry));
    if (archive_entry_hardlink(header) != nullptr) return tar_->write_header(header);
    const mode_t mode = entry.status.st_mode;
    if (S_ISREG(mode)) return write_content(entry, header);
    if (S_ISLNK(mode)) {
        archive_entry_copy_symlink(header, sys::readlinkat(entry.file, "").c_str());
    }
    archive_entry_set_rdev(header, entry.status.st_rdev);
    tar_->write_header(header);
}

void LayerWriter::write_content(const StackEntry& entry, archive_entry* header) {
    const UniqueFd file = sys::reopen(entry.file, O_RDONLY);
    const auto size = static_cast<std::uint64_t>(entry.status.st_size);
    const std::vector<DataSegment> segments = data_segments(file, size);
    archive_entry_set_size(header, entry.status.st_size);
    const bool is_whole = segments.size() == 1 && segments.front().size == size;
    for (const DataSegment& segment : is_whole ? std::vector<DataSegment>{} : segments) {
        archive_entry_sparse_add_entry(header, static_cast<la_int64_t>(segment.offset),
                                       static_cast<la_int64_t>(segment.size));
    }
    // Without any entry the file would count as whole.
    if (segments.empty() && size > 0) archive_entry_sparse_add_entry(header, 0, 0);
    tar_->write_header(header);
    std::uint64_t at = 0;
    for (const DataSegment& segment : segments) {
        write_hole(segment.offset - at);
        read_segment(file, segment, [&](auto piece) { tar_->write_content(piece); });
        at = segment.offset + segment.size;
    }
    write_hole(size - at);
}

// libarchive counts the bytes of a hole, and does not write them.
void LayerWriter::write_hole(std::uint64_t size) {
    static const std::vector<std::byte> zeros(std::size_t{1} << 20);
    while (size > 0) {
        const std::size_t part = std::min<std::uint64_t>(size, zeros.size());
        tar_->write_content(std::span{zeros}.first(part));
        size -= part;
    }
}

}  // namespace

WrittenLayer write_layer(FdRef changes, FdRef out) {
    const trace::Step telling{4, "write a layer", "the upper folder is the difference already"};
    WrittenLayer written;
    GzipOutput gzip(out);
    TarOutput tar(gzip);
    LayerWriter(tar).add_root(changes);
    tar.finish(written);
    gzip.finish(written);
    return written;
}

}  // namespace tenon
