// The order in dress() is the kernel's: chown(2) takes set-user-ID bits and file capabilities away,
// so owners come first; xattrs need write permission, so modes come after them; everything is a
// change, so times come last.
#include "entry_writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "data_segments.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tree_removal.hpp"

namespace tenon {

namespace {

constexpr std::size_t most_told = 100;
constexpr mode_t permissions = 07777;
constexpr mode_t owner_all = 0700;

bool may_have_user_xattrs(mode_t mode) {
    return S_ISREG(mode) || S_ISDIR(mode);
}

UniqueFd create_file(const Place& place) {
    return sys::openat(place.folder, place.name(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

UniqueFd open_object(const Place& place) {
    return sys::openat(place.folder, place.name(), O_PATH | O_NOFOLLOW);
}

UniqueFd open_folder_in(FdRef folder, const std::string& name) {
    return sys::openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

bool is_below(const LayerPath& path, const LayerPath& top) {
    return path.size() >= top.size() && std::equal(top.begin(), top.end(), path.begin());
}

}  // namespace

KeptTime::KeptTime(FdRef folder) : folder_(folder), modified_(sys::fstat(folder).st_mtim) {}

KeptTime::~KeptTime() {
    try {
        sys::utimensat(folder_, ".", modified_);
    } catch (const SysError&) {
        // It was ours to change a moment ago; and an import that failed is thrown away anyway.
    }
}

void EntryWriter::make(const Place& place, const ArchiveEntry& entry) {
    const mode_t mode = entry.attributes.mode;
    if (S_ISREG(mode)) {
        make_file(place, entry);
    } else if (S_ISLNK(mode)) {
        make_link(place, entry.link);
    } else if (!make_node(place, mode, entry.device)) {
        return leave_out(place, "a device takes root");
    }
    dress(place, entry.attributes);
}

void EntryWriter::make_file(const Place& place, const ArchiveEntry& entry) {
    const UniqueFd file = create_file(place);
    while (const std::optional<ContentPiece> piece = reader_->content()) {
        const std::uint64_t end = piece->offset + piece->data.size();
        if (end < piece->offset || end > entry.size) {
            refuse_entry(entry.name, "its content is longer than its size");
        }
        sys::pwrite_all(file, piece->data, piece->offset, place.name());
    }
    sys::ftruncate(file, entry.size, place.name());  // it may end in a hole
}

void EntryWriter::make_link(const Place& place, const std::string& text) {
    if (text.empty()) refuse_entry(joined(place.path), "a link to nothing");
    sys::symlinkat(text, place.folder, place.name());
}

// False for a device that an ordinary user cannot make.
bool EntryWriter::make_node(const Place& place, mode_t mode, dev_t device) {
    const bool is_device = S_ISCHR(mode) || S_ISBLK(mode);
    if (!is_device && !S_ISFIFO(mode)) refuse_entry(joined(place.path), "of a kind no layer has");
    if (S_ISCHR(mode) && device == makedev(0, 0)) {
        refuse_entry(joined(place.path), "the device 0:0 would be a whiteout in disguise");
    }
    if (is_device && !options_->keep_owners) return false;
    sys::mknodat(place.folder, place.name(), (mode & S_IFMT) | 0600, is_device ? device : 0);
    return true;
}

void EntryWriter::make_folder(const Place& place) {
    sys::mkdirat(place.folder, place.name(), owner_all);
}

void EntryWriter::dress(const Place& place, const Attributes& attributes) {
    if (options_->keep_owners) {
        sys::fchownat(place.folder, place.name(), attributes.uid, attributes.gid);
    }
    replace_xattrs(place, attributes);
    if (!S_ISLNK(attributes.mode)) set_mode(place, attributes.mode);
    sys::utimensat(place.folder, place.name(), attributes.modified);
}

// By name: a moment ago it was made here, or seen to be a folder, and nobody else writes here.
void EntryWriter::set_mode(const Place& place, mode_t mode) {
    mode_t now = mode & permissions;
    if (S_ISDIR(mode) && !options_->keep_owners) {
        closed_.erase(place.path);
        if ((now & owner_all) != owner_all) closed_[place.path] = now;
        now |= owner_all;
    }
    sys::fchmodat(place.folder, place.name(), now);
}

void EntryWriter::replace_xattrs(const Place& place, const Attributes& attributes) {
    const bool was_there = S_ISDIR(attributes.mode);
    if (!was_there && attributes.xattrs.empty()) return;
    const UniqueFd object = open_object(place);
    for (const std::string& old : was_there ? sys::list_xattrs(object) : LayerPath{}) {
        // A security module's label is the machine's, not the archive's.
        if (!is_overlay_mark(old) && !old.starts_with("security.")) sys::remove_xattr(object, old);
    }
    for (const auto& [name, value] : attributes.xattrs) {
        const bool fits = !name.starts_with("user.") || may_have_user_xattrs(attributes.mode);
        if (is_overlay_mark(name)) {
            leave_out(place, "xattr " + name + " would be overlayfs' own");
        } else if (!fits || (!options_->keep_owners && !name.starts_with("user."))) {
            leave_out(place,
                      "xattr " + name + (fits ? " takes root" : " is for files and folders"));
        } else {
            set_xattr(object, place, name, value);
        }
    }
}

void EntryWriter::set_xattr(FdRef file, const Place& place, const std::string& name,
                            const std::string& value) {
    try {
        sys::set_xattr(file, name, value);
    } catch (const SysError& error) {
        if (error.error() != EOPNOTSUPP) throw;
        leave_out(place, "xattr " + name + " is unknown to the file system");
    }
}

void EntryWriter::copy(const Place& place, const StackEntry& source) {
    const mode_t mode = source.status.st_mode;
    if (S_ISREG(mode)) {
        copy_content(place, source);
    } else if (S_ISLNK(mode)) {
        make_link(place, sys::readlinkat(source.file, ""));
    } else if (!make_node(place, mode, source.status.st_rdev)) {
        return leave_out(place, "a device takes root");
    }
    dress(place, attributes_of(source));
}

void EntryWriter::copy_content(const Place& place, const StackEntry& source) {
    const UniqueFd from = sys::reopen(source.file, O_RDONLY);
    const UniqueFd to = create_file(place);
    const auto size = static_cast<std::uint64_t>(source.status.st_size);
    for (const DataSegment& segment : data_segments(from, size)) {
        reader_->count(segment.size);
        std::uint64_t at = segment.offset;
        read_segment(from, segment, [&](std::span<const std::byte> piece) {
            sys::pwrite_all(to, piece, at, place.name());
            at += piece.size();
        });
    }
    sys::ftruncate(to, size, place.name());
}

void EntryWriter::remove(const Place& place) {
    if (S_ISDIR(sys::fstatat(place.folder, place.name()).st_mode)) {
        remove_tree(place.folder, place.name());
        std::erase_if(closed_, [&](const auto& row) { return is_below(row.first, place.path); });
    } else {
        sys::unlinkat(place.folder, place.name(), 0);
    }
}

void EntryWriter::leave_out(const Place& place, std::string_view what) {
    if (++left_out_ <= most_told) {
        report_->left_out.push_back(fmt::format("/{}: {}", joined(place.path), what));
    }
}

void EntryWriter::finish(FdRef layer) {
    if (left_out_ > most_told) {
        report_->left_out.push_back(fmt::format("and {} more", left_out_ - most_told));
    }
    // In reverse order: what lies in a folder is closed before the folder is.
    for (const auto& [path, mode] : closed_) {
        UniqueFd folder = sys::duplicate(layer);
        for (const std::string& name : path) folder = open_folder_in(folder, name);
        sys::fchmodat(folder, ".", mode);
    }
}

}  // namespace tenon
