// 04.3: nothing is written outside, whatever an archive says.
#include "imported.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// A folder beside the layers' that an archive tries to reach.
struct Target {
    Imported layers;
    fs::path victim = layers.outside() / "victim";

    Target() {
        fs::create_directory(victim);
        write_file(victim / "file", "untouched");
    }
    // Imports, and looks at the victim. What import_layer said comes back.
    std::string attack(const std::vector<TarEntry>& entries) {
        const std::string told = layers.refusal(entries);
        step("import_layer: " + told);
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(victim)) {
            names.push_back(entry.path().filename());
        }
        const bool is_linked = status_of(victim / "file").st_nlink != 1;
        const bool is_same = names == std::vector<std::string>{"file"} && !is_linked &&
                             read_file(victim / "file") == "untouched";
        fact("host_file_linked", is_linked);
        fact("escaped", !is_same && !is_linked);
        TENON_EXPECT(is_same, "nothing outside is changed", "something outside was changed");
        return told;
    }
};

std::string refused(const std::string& name, const std::string& why) {
    return "layer entry \"" + name + "\": " + why;
}

}  // namespace

TEST_CASE("a name with .. is refused", "[04.3][uses-04.2]") {
    for (const char* name :
         {"../victim/file", "a/../../victim/file", "..", "a/..", "/../victim/x"}) {
        Target target;
        const std::string told = target.attack({tar_file(name)});
        const std::string expected = refused(name, "\"..\" would leave the layer");
        TENON_EXPECT(told == expected, expected, told);
    }
}

TEST_CASE("an absolute name begins at the layer's root", "[04.3][uses-04.2]") {
    Target target;
    const std::string told = target.attack({tar_file((target.victim / "new").native())});
    TENON_EXPECT(told == "accepted", "accepted", told);
    CHECK(is_there(target.layers.top().native() + (target.victim / "new").native()));
}

TEST_CASE("a link in the archive leads nowhere outside", "[04.3][uses-04.2]") {
    Target target;
    const std::string name = random_name(8);
    step("a link out of the layer, absolute, then a file through it");
    const std::string told =
        target.attack({tar_symlink("l", target.victim.native()), tar_file("l/" + name)});
    TENON_EXPECT(told == "accepted", "accepted: it leads to that path in the image", told);
    CHECK(is_there(target.layers.top().native() + (target.victim / name).native()));
}

TEST_CASE("a link that climbs ends at the layer's root", "[04.3][uses-04.2]") {
    Target target;
    step("a link ../../victim, then a file through it");
    const std::string told = target.attack(
        {tar_symlink("dir/l", "../../../../victim"), tar_file("dir/l/file", "inside")});
    TENON_EXPECT(told == "accepted", "accepted: .. of the root is the root", told);
    CHECK(read_file(target.layers.top() / "victim/file") == "inside");
}

TEST_CASE("an absolute link begins at the image's root", "[04.3][uses-04.2]") {
    Imported layers;
    const std::string told =
        layers.refusal({tar_symlink("deep/er/lib", "/usr/lib"), tar_file("deep/er/lib/a")});
    step("deep/er/lib -> /usr/lib, then deep/er/lib/a: " + told);
    const bool is_right = is_there(layers.top() / "usr/lib/a");
    fact("taken_as_relative", is_there(layers.top() / "deep/er/usr/lib/a"));
    TENON_EXPECT(is_right, "usr/lib/a is there", "it is not");
}

TEST_CASE("a folder that a later entry replaces by a link is no way out", "[04.3][uses-04.2]") {
    Target target;
    target.attack({tar_folder("dir/"), tar_file("dir/a"),
                   tar_symlink("dir", target.victim.native()), tar_file("dir/b"),
                   tar_file("dir/file", "changed")});
    Target through_two;
    through_two.attack({tar_folder("a/"), tar_symlink("a/up", ".."), tar_symlink("a/out", "up/.."),
                        tar_file("a/out/victim/file", "changed")});
}

TEST_CASE("a link of a layer below leads nowhere outside", "[04.3][uses-04.2]") {
    Target target;
    target.layers.add({tar_symlink("l", target.victim.native())});
    const std::string told = target.attack({tar_file("l/new"), tar_file("l/file", "changed")});
    TENON_EXPECT(told == "accepted", "accepted", told);
}

TEST_CASE("a hard link reaches no file outside", "[04.3][uses-04.2]") {
    {
        Target target;
        const std::string told =
            target.attack({tar_hard_link("h", (target.victim / "file").native())});
        const std::string expected = refused("h", "a hard link to what is not there");
        TENON_EXPECT(told == expected, expected, told);
    }
    {
        Target target;
        step("a link out of the layer, then a hard link through it");
        target.attack({tar_symlink("l", target.victim.native()), tar_hard_link("h", "l/file"),
                       tar_file("h", "changed")});
    }
    Target target;
    const std::string told = target.attack({tar_hard_link("h", "../victim/file")});
    const std::string expected = refused("../victim/file", "\"..\" would leave the layer");
    TENON_EXPECT(told == expected, expected, told);
}

TEST_CASE("a hard link to a link is the link, not what it leads to", "[04.3][uses-04.2]") {
    Target target;
    target.attack({tar_symlink("l", (target.victim / "file").native()), tar_hard_link("h", "l"),
                   tar_file("h", "changed")});
    CHECK(read_file(target.layers.top() / "h") == "changed");
    CHECK(S_ISLNK(status_of(target.layers.top() / "l").st_mode));
}

TEST_CASE("a whiteout hides nothing outside", "[04.3][uses-04.2]") {
    Target target;
    target.layers.add({tar_symlink("l", target.victim.native()), tar_file("a")});
    target.attack({tar_file("l/.wh.file", ""), tar_file("l/.wh..wh..opq", "")});
    Target dots;
    const std::string told = dots.attack({tar_file("a/.wh...", "")});
    TENON_EXPECT(told.find("names a folder by a dot") != std::string::npos, "refused", told);
}

TEST_CASE("links in a circle are refused", "[04.3][uses-04.2]") {
    Target target;
    const std::string told =
        target.attack({tar_symlink("a", "b"), tar_symlink("b", "a"), tar_file("a/file")});
    const std::string expected = refused("a", "too many links are on the way");
    TENON_EXPECT(told == expected, expected, told);
}

TEST_CASE("forty links are followed", "[04.3][uses-04.2]") {
    Target target;
    std::vector<TarEntry> entries{tar_folder("l0/")};
    for (int i = 1; i <= 41; ++i) {
        entries.push_back(tar_symlink(fmt::format("l{}", i), fmt::format("l{}", i - 1)));
    }
    entries.push_back(tar_file("l40/file"));
    CHECK(target.attack(entries) == "accepted");
    CHECK(is_there(target.layers.top() / "l0/file"));
    entries.push_back(tar_file("l41/file"));
    CHECK(target.attack(entries) == refused("l41", "too many links are on the way"));
}

TEST_CASE("a file is no folder", "[04.3][uses-04.2]") {
    Target target;
    const std::string told = target.attack({tar_file("a"), tar_file("a/b")});
    const std::string expected = refused("a", "a file is on the way");
    TENON_EXPECT(told == expected, expected, told);
}

TEST_CASE("names that nothing can have are refused", "[04.3][uses-04.2]") {
    const auto told = [](TarEntry entry) { return Target{}.attack({std::move(entry)}); };
    CHECK(told(tar_file("a/" + std::string(256, 'n') + "/b")).ends_with("longer than 255 bytes"));
    CHECK(told(tar_file("")) == refused("", "it has no name"));
    CHECK(told(tar_file("./", "")) == "accepted");  // a slash at the end makes it a folder: tar(5)
    CHECK(told(tar_symlink("//", "a")) == refused("//", "the root can only be a folder"));
    CHECK(told(tar_symlink("l", "")) == refused("l", "a link to nothing"));
    CHECK(told(tar_file(".wh.a/b")) == refused(".wh.a/b", "a whiteout is no folder"));
    CHECK(told(tar_file("a\x1b[2J\nb/..")) ==
          refused("a\\x1b[2J\\x0ab/..", "\"..\" would leave the layer"));
}

TEST_CASE("marks of overlayfs are not taken from an archive", "[04.3][uses-04.2]") {
    Target target;
    TarEntry folder = tar_folder("a/");
    folder.pax = {{"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
                  {"SCHILY.xattr.user.overlay.opaque", "y"}};
    const ImportReport report = target.layers.add({folder});
    CHECK(report.left_out.size() == 2);
    CHECK(!sys::get_xattr(open_path(target.layers.top() / "a"), "user.overlay.opaque"));
    const std::string told = target.attack({{.name = "b", .type = '3', .major = 0, .minor = 0}});
    const std::string expected = refused("b", "the device 0:0 would be a whiteout in disguise");
    TENON_EXPECT(told == expected, expected, told);
}

TEST_CASE("an owner that chown(2) takes for no change is refused", "[04.3][uses-04.2]") {
    TarEntry entry = tar_file("a");
    entry.pax = {{"uid", "4294967295"}};
    const std::string told = Target{}.attack({tar_folder("b/"), entry});
    const std::string expected = refused("a", "no system has an owner 4294967295");
    TENON_EXPECT(told == expected, expected, told);
}

}  // namespace tenon::test
