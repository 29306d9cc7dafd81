// 04.3: a layer on top of others: whiteouts, folders taken over, links and files of below. What is
// there in the end the kernel says, by an overlay mount.
#include "imported.hpp"
#include "tenon/whiteout.hpp"

namespace tenon::test {

namespace {

void expect_shown(const Imported& layers, const std::string& path, const std::string& expected) {
    const std::string got = layers.shown(path);
    TENON_EXPECT(got == expected, "/" + path + ": " + expected, got);
}

}  // namespace

TEST_CASE("a whiteout hides what is below", "[04.3][uses-04.2]") {
    Imported layers;
    const std::string name = random_name(8);
    layers.add(
        {tar_file("dir/" + name), tar_folder("tree/"), tar_file("tree/a"), tar_file("kept")});
    layers.add({tar_file("dir/.wh." + name, ""), tar_file(".wh.tree", "")});
    step("dir/.wh." + name + " and .wh.tree on top of them");
    expect_shown(layers, "dir/" + name, "nothing");
    expect_shown(layers, "tree", "nothing");
    expect_shown(layers, "kept", "x");
    CHECK(is_whiteout(status_of(layers.top() / "dir" / name)));
}

TEST_CASE("a whiteout does not touch its own layer", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a", "below"), tar_file("b", "below")});
    layers.add(
        {tar_file("a", "own"), tar_file(".wh.a", ""), tar_file(".wh.b", ""), tar_file("b", "own")});
    step("a, then .wh.a; .wh.b, then b");
    fact("own_file_hidden", layers.shown("a") == "nothing");
    expect_shown(layers, "a", "own");
    expect_shown(layers, "b", "own");
}

TEST_CASE("a folder that is also whited out shows nothing from below", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a/old"), tar_file("b/old")});
    layers.add({tar_file("a/own"), tar_file(".wh.a", ""), tar_file(".wh.b", ""), tar_folder("b/"),
                tar_file("b/own")});
    step("a/own, then .wh.a; .wh.b, then b/own: below is a/old and b/old");
    fact("shines_through",
         layers.shown("a/old") != "nothing" || layers.shown("b/old") != "nothing");
    expect_shown(layers, "a/own", "x");
    expect_shown(layers, "b/own", "x");
    expect_shown(layers, "a/old", "nothing");
    expect_shown(layers, "b/old", "nothing");
}

TEST_CASE("a whiteout of nothing leaves nothing", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a")});
    layers.add({tar_file(".wh.b", ""), tar_file("c/.wh.d", ""), tar_file("c/e/.wh..wh..opq", "")});
    step(".wh.b and c/.wh.d: below is neither b nor c");
    const bool is_empty = std::filesystem::is_empty(layers.top());
    fact("device_left", is_there(layers.top() / "b"));
    TENON_EXPECT(is_empty, "the layer is empty", "something is in it");
}

// umoci says of each name in a folder that became a file that it is gone.
TEST_CASE("a whiteout below a file hides nothing, and is no error", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("d/a"), tar_file("e/b")});
    const std::string told =
        layers.refusal({tar_file("d", "a file now"), tar_file("d/.wh.a", ""),
                        tar_file("d/.wh..wh..opq", ""), tar_file("e/b/.wh.c", "")});
    step("d, a file where below is d/a, then d/.wh.a: " + told);
    TENON_EXPECT(told == "accepted", "accepted", told);
    expect_shown(layers, "d", "a file now");
    expect_shown(layers, "e/b", "x");
}

TEST_CASE("an opaque marker hides all of a folder", "[04.3][uses-04.2]") {
    for (const bool is_first : {true, false}) {
        Imported layers;
        layers.add({tar_file("dir/old"), tar_file("dir/sub/old")});
        const TarEntry marker = tar_file("dir/.wh..wh..opq", "");
        const TarEntry own = tar_file("dir/own");
        layers.add(is_first ? std::vector{marker, own} : std::vector{own, marker});
        step(is_first ? "the marker, then dir/own" : "dir/own, then the marker");
        expect_shown(layers, "dir/old", "nothing");
        expect_shown(layers, "dir/sub", "nothing");
        expect_shown(layers, "dir/own", "x");
    }
}

TEST_CASE("an opaque marker at the top hides everything below", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a"), tar_file("dir/old")});
    layers.add({tar_file("dir/own"), tar_file(".wh..wh..opq", ""), tar_file("new")});
    step("below: a, dir/old; then .wh..wh..opq at the top, dir/own and new");
    expect_shown(layers, "a", "nothing");
    expect_shown(layers, "dir/old", "nothing");
    expect_shown(layers, "dir/own", "x");
    expect_shown(layers, "new", "x");
}

TEST_CASE("a folder that replaced a file of its layer begins empty", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a/old")});
    layers.add({tar_file("a"), tar_folder("a/"), tar_file("a/own")});
    step("below a/old; then a, a file, and a/ again");
    fact("shines_through", layers.shown("a/old") != "nothing");
    expect_shown(layers, "a/own", "x");
    expect_shown(layers, "a/old", "nothing");
}

TEST_CASE("a file replaces a folder below, and a folder a file or a link", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("tree/a"), tar_file("b"), tar_symlink("c", "tree")});
    layers.add({tar_file("tree", "a file"), tar_folder("b/"), tar_folder("c/"), tar_file("c/own")});
    expect_shown(layers, "tree", "a file");
    expect_shown(layers, "b", "a folder");
    expect_shown(layers, "c/own", "x");
}

TEST_CASE("a file of a layer below is no folder on the way", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a")});
    const std::string told = layers.refusal({tar_file("a/b")});
    const std::string expected = "layer entry \"a\": a file is on the way";
    TENON_EXPECT(told == expected, expected, told);
}

TEST_CASE("a folder on the way is taken over from below", "[04.3][uses-04.2]") {
    Imported layers;
    TarEntry folder = tar_folder("srv/", 02770);
    folder.mtime = 1'333'333'333;
    folder.gid = is_real_root() ? 50 : 0;
    folder.pax = {{"SCHILY.xattr.user.kept", "yes"}};
    layers.add({folder, tar_file("srv/old")});
    layers.add({tar_file("srv/new/file")});
    const auto path = layers.top() / "srv";
    const struct stat status = status_of(path);
    const std::string got =
        fmt::format("{:o} {} {}", status.st_mode & 07777, status.st_gid, status.st_mtim.tv_sec);
    const std::string expected = fmt::format("2770 {} 1333333333", is_real_root() ? 50 : 0);
    step("srv/new/file in a layer that does not mention srv");
    fact("parent_not_taken_over", (status.st_mode & 07777) != 02770);
    TENON_EXPECT(got == expected, expected, got);
    CHECK(sys::get_xattr(open_path(path), "user.kept") == "yes");
    CHECK((status_of(path / "new").st_mode & 07777) == 0755);
    expect_shown(layers, "srv/old", "x");
}

TEST_CASE("a folder on the way is not taken over from behind a whiteout", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_folder("a/", 0711), tar_file("a/old")});
    layers.add({tar_file(".wh.a", ""), tar_file("a/own")});
    step(".wh.a, then a/own without a/");
    const mode_t mode = status_of(layers.top() / "a").st_mode & 07777;
    TENON_EXPECT(mode == 0755, "a new folder, 0755", fmt::format("{:o}", mode));
    expect_shown(layers, "a/old", "nothing");
    expect_shown(layers, "a/own", "x");
}

TEST_CASE("a link of a layer below is followed, inside the image", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_folder("usr/lib/", 0751), tar_symlink("lib", "usr/lib"),
                tar_symlink("usr/abs", "/lib/../../usr")});
    layers.add({tar_file("lib/new"), tar_file("usr/abs/other")});
    step("below lib -> usr/lib; then lib/new");
    expect_shown(layers, "usr/lib/new", "x");
    expect_shown(layers, "lib", "a link");
    expect_shown(layers, "usr/other", "x");
    CHECK((status_of(layers.top() / "usr/lib").st_mode & 07777) == 0751);
    CHECK(!is_there(layers.top() / "lib"));
}

TEST_CASE("a hard link within a layer is one file", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("dir/a", "one"), tar_hard_link("dir/b", "dir/a"),
                tar_hard_link("/c", "./dir//a"), tar_file("c", "other")});
    const auto first = status_of(layers.top() / "dir/a");
    const bool is_one = first.st_ino == status_of(layers.top() / "dir/b").st_ino;
    step("dir/b, a hard link to dir/a");
    TENON_EXPECT(is_one, "one file", "two files");
    CHECK(read_file(layers.top() / "dir/a") == "one");
}

TEST_CASE("a hard link to a file below brings it up", "[04.3][uses-04.2]") {
    Imported layers;
    TarEntry tool = tar_file("bin/tool", "content");
    tool.mode = 04711;
    tool.pax = {{"SCHILY.xattr.user.kept", "yes"}};
    layers.add({tool, tar_symlink("sbin", "bin")});
    const std::string told = layers.refusal({tar_hard_link("alias", "sbin/tool")});
    step("alias, a hard link to sbin/tool, in a layer that has neither: " + told);
    fact("link_to_below_refused", told != "accepted");
    TENON_EXPECT(told == "accepted", "accepted", told);
    expect_shown(layers, "alias", "content");
    const auto alias = status_of(layers.top() / "alias");
    CHECK((alias.st_mode & 07777) == 04711);
    CHECK(alias.st_mtim.tv_sec == 1'000'000'000);
    CHECK(sys::get_xattr(open_path(layers.top() / "alias"), "user.kept") == "yes");
    layers.mounted([](const std::filesystem::path& root) {
        CHECK(status_of(root / "alias").st_ino == status_of(root / "bin/tool").st_ino);
    });
}

TEST_CASE("hard links that mean nothing are refused", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("gone"), tar_folder("dir/")});
    const auto told = [&](const std::vector<TarEntry>& entries) { return layers.refusal(entries); };
    CHECK(told({tar_hard_link("h", "none")}).ends_with("what is not there"));
    CHECK(told({tar_file(".wh.gone", ""), tar_hard_link("h", "gone")}).ends_with("not there"));
    CHECK(told({tar_hard_link("h", "dir")}).ends_with("a hard link to a folder"));
    CHECK(told({tar_hard_link("h", "/")}).ends_with("a hard link to a folder"));
    CHECK(told({tar_file("h"), tar_hard_link("h", "h")}).ends_with("a hard link to itself"));
    CHECK(told({tar_file("h"), tar_hard_link("./h", "dir/../h")}).ends_with("leave the layer"));
}

}  // namespace tenon::test
