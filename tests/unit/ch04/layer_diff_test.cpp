// A container's changes as an archive: what is read back is what was written.
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <fstream>
#include <map>

#include "imported.hpp"
#include "tenon/layer_diff.hpp"
#include "tenon/whiteout.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

struct Blob {
    WrittenLayer written;
    std::string content;
};

Blob write(const fs::path& changes) {
    const UniqueFd out = file_with("");
    const UniqueFd folder = sys::openat(FdRef::working_directory(), changes, O_PATH | O_DIRECTORY);
    Blob blob{write_layer(folder, out), ""};
    blob.content = sys::pread_start(out, blob.written.blob_size + 1);
    return blob;
}

// Everything about a tree but its inode numbers, one line per name. Files with several names are
// told by the first of them.
std::string described(const fs::path& root) {
    std::map<ino_t, std::string> first_names;
    std::string text;
    std::vector<fs::path> paths{root};
    for (const auto& entry : fs::recursive_directory_iterator(root)) paths.push_back(entry.path());
    std::sort(paths.begin() + 1, paths.end());
    for (const fs::path& path : paths) {
        const struct stat status = status_of(path);
        const std::string name = path.lexically_relative(root);
        // A whiteout says nothing but its name.
        if (is_whiteout(status)) {
            text += name + " is hidden\n";
            continue;
        }
        text += fmt::format("{} {:o} {}:{} {}.{:09}", name, status.st_mode, status.st_uid,
                            status.st_gid, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
        if (S_ISREG(status.st_mode)) text += " " + sha256(read_file(path)).hex;
        if (S_ISLNK(status.st_mode)) text += " -> " + fs::read_symlink(path).native();
        if (!S_ISDIR(status.st_mode))
            text += " = " + first_names.emplace(status.st_ino, name).first->second;
        const UniqueFd object = open_path(path);
        for (const std::string& xattr : sys::list_xattrs(object)) {
            text += fmt::format(" {}={}", xattr, *sys::get_xattr(object, xattr));
        }
        text += "\n";
    }
    return text;
}

std::string refusal_of_write(const fs::path& changes) {
    try {
        write(changes);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "accepted";
}

// Something of every kind, on top of `below`.
std::vector<TarEntry> varied() {
    TarEntry tool = tar_file("bin/tool", random_name(70'000));
    tool.mode = 04755;
    tool.pax = {{"SCHILY.xattr.user.a", std::string{"b\0c", 3}}, {"mtime", "1234567890.987654321"}};
    TarEntry own = tar_file("own", "mine");
    if (is_real_root()) own.uid = 3'000'000;
    if (is_real_root()) own.gid = 1000;
    TarEntry old = tar_file("old", "");
    old.mtime = 1;
    return {tar_folder("./", 0711),
            tool,
            own,
            old,
            tar_symlink("bin/link", "/bin/tool"),
            tar_hard_link("bin/again", "bin/tool"),
            {.name = "pipe", .type = '6', .mode = 0640},
            tar_file("caf\xc3\xa9/\xff\xfe", "bytes"),
            tar_file("long/" + random_name(200) + "/" + random_name(200), "deep"),
            tar_symlink("far", random_name(300)),
            tar_folder("empty/", 01777)};
}

}  // namespace

TEST_CASE("what write_layer wrote is read back as it was", "[uses-04.3][uses-04.2]") {
    Imported layers;
    layers.add(varied());
    const std::string before = described(layers.top());
    const Blob blob = write(layers.top());
    CHECK(blob.written.blob == sha256(blob.content));
    CHECK(blob.written.blob_size == blob.content.size());
    Imported again;
    const ImportReport report = again.add_blob(blob.content);
    CHECK(report.diff_id == blob.written.diff_id);
    CHECK(report.left_out.empty());
    CHECK(described(again.top()) == before);
}

TEST_CASE("equal changes have equal digests", "[uses-04.3][uses-04.2]") {
    const std::vector<TarEntry> entries = varied();
    Imported one;
    one.add(entries);
    Imported other;
    std::vector<TarEntry> reversed{entries};
    // Another order of making, and of the folder's own entries: hard links follow their targets.
    std::rotate(reversed.begin() + 6, reversed.begin() + 8, reversed.end());
    other.add(reversed);
    CHECK(write(one.top()).written.blob == write(other.top()).written.blob);
    CHECK(write(one.top()).written.blob == write(one.top()).written.blob);
}

TEST_CASE("whiteouts and opaque folders go through an archive", "[uses-04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a"), tar_file("dir/old"), tar_file("sub/b"), tar_file("sub/c")});
    layers.add({tar_file(".wh.a", ""), tar_folder("dir/"), tar_file("dir/.wh..wh..opq", ""),
                tar_file("dir/new"), tar_file("sub/.wh.b", "")});
    const Blob blob = write(layers.top());
    Imported again;
    again.add({tar_file("a"), tar_file("dir/old"), tar_file("sub/b"), tar_file("sub/c")});
    again.add_blob(blob.content);
    CHECK(described(again.top()) == described(layers.top()));
    CHECK(again.shown("a") == "nothing");
    CHECK(again.shown("dir/old") == "nothing");
    CHECK(again.shown("dir/new") == "x");
    CHECK(again.shown("sub/b") == "nothing");
    CHECK(again.shown("sub/c") == "x");
}

TEST_CASE("holes go through an archive as holes", "[uses-04.3][uses-04.2]") {
    const TemporaryDirectory changes;
    {
        std::ofstream file{changes.path() / "big"};
        file.seekp(1 << 20);
        file << "middle";
    }
    fs::resize_file(changes.path() / "big", 2 << 20);
    { const std::ofstream only_hole{changes.path() / "hole"}; }
    fs::resize_file(changes.path() / "hole", 1 << 20);
    const Blob blob = write(changes.path());
    CHECK(blob.content.size() < 10'000);
    Imported again;
    REQUIRE(again.add_blob(blob.content).bytes < 10'000);
    const bool is_same = read_file(again.top() / "big") == read_file(changes.path() / "big");
    CHECK(is_same);  // megabytes are not to be shown
    CHECK(status_of(again.top() / "big").st_blocks < 100);
    CHECK(status_of(again.top() / "hole").st_size == 1 << 20);
    CHECK(status_of(again.top() / "hole").st_blocks < 100);
}

TEST_CASE("overlayfs' own xattrs stay behind", "[uses-04.3][uses-04.2]") {
    const TemporaryDirectory changes;
    fs::create_directory(changes.path() / "dir");
    const UniqueFd folder = open_path(changes.path() / "dir");
    for (const char* name : {"user.overlay.origin", "user.overlay.impure", "user.mine"}) {
        sys::set_xattr(folder, name, "y");
    }
    Imported again;
    const ImportReport report = again.add_blob(write(changes.path()).content);
    CHECK(report.left_out.empty());
    CHECK(sys::list_xattrs(open_path(again.top() / "dir")) ==
          std::vector<std::string>{"user.mine"});
}

TEST_CASE("a file whose content is elsewhere is refused", "[uses-04.2]") {
    for (const char* mark : {"metacopy", "redirect"}) {
        const TemporaryDirectory changes;
        write_file(changes.path() / "half", "");
        const std::string name =
            std::string{is_real_root() ? "trusted" : "user"} + ".overlay." + mark;
        sys::set_xattr(open_path(changes.path() / "half"), name, "/x");
        CHECK(refusal_of_write(changes.path()) ==
              "layer entry \"half\": its content is in a layer below, says " + name +
                  ": such an upper folder is no layer of its own");
    }
}

TEST_CASE("a file that is called like a whiteout is refused", "[uses-04.2]") {
    const TemporaryDirectory changes;
    write_file(changes.path() / ".wh.a", "");
    CHECK(refusal_of_write(changes.path()) ==
          "layer entry \".wh.a\": in a layer a name like this hides another");
}

TEST_CASE("what no import would take is refused", "[uses-04.2]") {
    const TemporaryDirectory changes;
    std::string deep;
    for (int i = 0; i < 257; ++i) deep += "d/";
    fs::create_directories(changes.path() / deep);
    CHECK(refusal_of_write(changes.path()).ends_with(": no layer goes so deep"));
    fs::remove(changes.path() / deep);
    CHECK(refusal_of_write(changes.path()) == "accepted");
}

TEST_CASE("sockets are left out", "[uses-04.2]") {
    const TemporaryDirectory changes;
    const UniqueFd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string path = changes.path() / "socket";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    REQUIRE(::bind(listener.ref().number(), any, sizeof address) == 0);
    const Blob with = write(changes.path());
    fs::remove(path);
    ::utimensat(AT_FDCWD, changes.path().c_str(), nullptr, 0);
    CHECK(with.content.size() < 1000);
    CHECK(refusal_of_write(changes.path()) == "accepted");
}

TEST_CASE("a full disk is told by the kernel's word", "[uses-04.2]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const TemporaryDirectory changes;
    write_file(changes.path() / "a", random_name(100'000));
    const UniqueFd folder = open_path(changes.path());
    const UniqueFd full = sys::openat(FdRef::working_directory(), "/dev/full", O_WRONLY);
    std::string told;
    try {
        write_layer(folder, full);
    } catch (const SysError& error) {
        told = error.what();
    }
    CHECK(told == "write layer: ENOSPC (No space left on device)");
}

}  // namespace tenon::test
