// 04.3: an entry becomes what it says: kind, content, owner, mode, time, xattrs.
#include <sys/sysmacros.h>

#include <fstream>

#include "imported.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

std::string attributes_text(const fs::path& path) {
    const struct stat status = status_of(path);
    return fmt::format("{:o} {}:{} {}.{:09}", status.st_mode, status.st_uid, status.st_gid,
                       status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

std::string xattr(const fs::path& path, const std::string& name) {
    return sys::get_xattr(open_path(path), name).value_or("none");
}

}  // namespace

TEST_CASE("import_layer writes a file's content", "[04.3][uses-04.2]") {
    Imported layers;
    const std::string name = random_name(8);
    const std::string content = random_name(1 + random_below(200'000));
    const ImportReport report =
        layers.add({tar_folder("dir/"), tar_file("dir/" + name, content), tar_file("empty", "")});
    step("an archive with dir/" + name);
    const std::string got = read_file(layers.top() / "dir" / name);
    TENON_EXPECT(got == content, "its content", fmt::format("{} other bytes", got.size()));
    CHECK(read_file(layers.top() / "empty").empty());
    CHECK(report.bytes == content.size());
    CHECK(report.entries == 3);
    CHECK(report.left_out.empty());
}

TEST_CASE("import_layer gives a file owner, mode and time", "[04.3][uses-04.2]") {
    TENON_NEED(is_real_root(), "other owners need root");
    Imported layers;
    TarEntry file = tar_file("bin/tool");
    file.mode = 06755;
    file.uid = 1234;
    file.gid = 4321;
    file.pax = {{"mtime", "1234567890.123456789"}};
    TarEntry link = tar_symlink("bin/link", "tool");
    link.uid = 77;
    layers.add({file, link});
    const std::string got = attributes_text(layers.top() / "bin/tool");
    step("bin/tool, 06755, 1234:4321, 1234567890.123456789");
    const std::string expected = "106755 1234:4321 1234567890.123456789";
    TENON_EXPECT(got == expected, expected, got);
    CHECK(status_of(layers.top() / "bin/link").st_uid == 77);
    CHECK(status_of(layers.top() / "bin/link").st_mtim.tv_sec == 1'000'000'000);
}

TEST_CASE("a folder's time is the archive's, whatever is put into it later", "[04.3][uses-04.2]") {
    Imported layers;
    TarEntry folder = tar_folder("dir/");
    folder.mtime = 1'111'111'111;
    layers.add({folder, tar_folder("dir/sub/"), tar_file("dir/a"), tar_file("dir/a", "again"),
                tar_symlink("dir/link", "a"), tar_hard_link("dir/hard", "dir/a"),
                tar_file("dir/sub/b"), tar_file("dir/new/c")});
    const long got = status_of(layers.top() / "dir").st_mtim.tv_sec;
    fact("folder_time_changed", got != 1'111'111'111);
    step("dir/ of 2005, then dir/a and others");
    TENON_EXPECT(got == 1'111'111'111, "dir is of 1111111111", fmt::format("of {}", got));
}

TEST_CASE("a whiteout does not change its folder's time either", "[04.3][uses-04.2]") {
    Imported layers;
    TarEntry folder = tar_folder("dir/");
    folder.mtime = 1'111'111'111;
    layers.add({folder, tar_file("dir/gone")});
    layers.add({folder, tar_file("dir/.wh.gone", "")});
    const long got = status_of(layers.top() / "dir").st_mtim.tv_sec;
    TENON_EXPECT(got == 1'111'111'111, "dir is of 1111111111", fmt::format("of {}", got));
}

TEST_CASE("import_layer writes xattrs, file capabilities too", "[04.3][uses-04.2]") {
    TENON_NEED(is_real_root(), "file capabilities need root");
    // cap_net_raw=ep, with NUL bytes in it. capabilities(7), "File capability extended attribute"
    const std::string capability{"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20};
    Imported layers;
    TarEntry ping = tar_file("ping");
    ping.uid = 5;
    ping.mode = 0755;
    ping.pax = {{"SCHILY.xattr.security.capability", capability},
                {"LIBARCHIVE.xattr.user.other", "dmFsdWU="},
                {"SCHILY.xattr.user.origin", "somewhere"}};
    const ImportReport report = layers.add({ping});
    CHECK(report.left_out.empty());
    step("ping with security.capability and a foreign owner");
    const std::string got = xattr(layers.top() / "ping", "security.capability");
    TENON_EXPECT(got == capability, "its capability: the owner is set first",
                 fmt::format("{} bytes", got.size()));
    CHECK(xattr(layers.top() / "ping", "user.origin") == "somewhere");
}

TEST_CASE("import_layer writes devices and FIFOs", "[04.3][uses-04.2]") {
    TENON_NEED(is_real_root(), "devices need root");
    Imported layers;
    layers.add({{.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3},
                {.name = "disk", .type = '4', .mode = 0660, .gid = 6, .major = 8, .minor = 1},
                {.name = "pipe", .type = '6', .mode = 0600}});
    const struct stat device = status_of(layers.top() / "null");
    const bool right = S_ISCHR(device.st_mode) && device.st_rdev == makedev(1, 3);
    step("null, a character device 1:3");
    TENON_EXPECT(right, "a character device 1:3", fmt::format("{:o}", device.st_mode));
    CHECK(attributes_text(layers.top() / "disk") == "60660 0:6 1000000000.000000000");
    CHECK(S_ISFIFO(status_of(layers.top() / "pipe").st_mode));
}

TEST_CASE("an ordinary user's layer is the user's, and says what it lacks", "[04.3][uses-04.2]") {
    Imported layers;
    TarEntry file = tar_file("etc/shadow", "secret");
    file.uid = 5;
    file.pax = {{"SCHILY.xattr.security.capability", "x"}, {"SCHILY.xattr.user.kept", "y"}};
    TarEntry closed = tar_folder("closed/", 0555);
    const ImportReport report = layers.add({file,
                                            {.name = "null", .type = '3', .major = 1, .minor = 3},
                                            closed,
                                            tar_file("closed/inside"),
                                            tar_folder("closed/deeper/", 0)},
                                           {.limits = {}, .keep_owners = false});
    CHECK(status_of(layers.top() / "etc/shadow").st_uid == ::geteuid());
    CHECK(xattr(layers.top() / "etc/shadow", "user.kept") == "y");
    CHECK(!is_there(layers.top() / "null"));
    CHECK(report.left_out ==
          std::vector<std::string>{"/etc/shadow: xattr security.capability takes root",
                                   "/null: a device takes root"});
    const mode_t mode = status_of(layers.top() / "closed").st_mode & 07777;
    step("closed/ of mode 0555, and a file in it");
    TENON_EXPECT(mode == 0555, "mode 0555, once all is written", fmt::format("{:o}", mode));
    CHECK((status_of(layers.top() / "closed/deeper").st_mode & 07777) == 0);
}

TEST_CASE("holes stay holes", "[04.3][uses-04.2]") {
    Imported layers;
    // GNU's sparse format 1.0: the map stands before the content. tar(5)
    const std::string map = detail::padded("1\n41943040\n4\n");
    TarEntry file = tar_file("GNUSparseFile.0/big", map + detail::padded("data"));
    file.size = map.size() + 4;
    file.pax = {{"GNU.sparse.major", "1"},
                {"GNU.sparse.minor", "0"},
                {"GNU.sparse.name", "big"},
                {"GNU.sparse.realsize", "83886080"}};
    const ImportReport report = layers.add({file});
    const struct stat status = status_of(layers.top() / "big");
    step("80 MiB with 4 bytes in the middle");
    TENON_EXPECT(status.st_size == 83886080, "80 MiB long", fmt::format("{}", status.st_size));
    TENON_EXPECT(status.st_blocks < 1000, "hardly any blocks", fmt::format("{}", status.st_blocks));
    CHECK(report.bytes == 4);
    std::ifstream in{layers.top() / "big"};
    in.seekg(41943040);
    std::string data(4, '\0');
    in.read(data.data(), 4);
    CHECK(data == "data");
}

TEST_CASE("names are bytes", "[04.3][uses-04.2]") {
    Imported layers;
    const std::string composed = "caf\xc3\xa9";
    const std::string decomposed = "cafe\xcc\x81";
    const std::string latin = "caf\xe9";
    const std::string longer = random_name(90) + "/" + random_name(255);
    TarEntry pax = tar_file("ignored", "1");
    pax.pax = {{"path", composed}};
    TarEntry other = tar_file("ignored", "2");
    other.pax = {{"path", decomposed}};
    layers.add({pax, other, tar_file(latin, "3"), tar_file(longer, "4")});
    for (const std::string& name : {composed, decomposed, latin, longer}) {
        step("a name of " + std::to_string(name.size()) + " bytes");
        TENON_EXPECT(is_there(layers.top() / name), "it is there", "it is not");
    }
}

TEST_CASE("the later of two entries wins", "[04.3][uses-04.2]") {
    Imported layers;
    const auto import = [&](const std::vector<TarEntry>& entries) {
        const std::string got = layers.refusal(entries);
        fact("duplicate_refused", got != "accepted");
        TENON_EXPECT(got == "accepted", "duplicates are allowed", got);
    };
    step("a file twice");
    import({tar_file("a", "first"), tar_file("a", "second")});
    CHECK(read_file(layers.top() / "a") == "second");
    step("a file, then a folder of that name");
    import({tar_file("a"), tar_folder("a/"), tar_file("a/b")});
    CHECK(is_there(layers.top() / "a/b"));
    step("a folder with content, then a file of that name");
    import({tar_folder("a/"), tar_file("a/c/d/e"), tar_file("a", "now a file")});
    CHECK(read_file(layers.top() / "a") == "now a file");
    // The layer below has a as a file by now: this one makes it a folder again.
    step("a folder twice, with other modes, and what is in it stays");
    import({tar_folder("a/", 0700), tar_file("a/b"), tar_folder("a/", 0755)});
    CHECK((status_of(layers.top() / "a").st_mode & 07777) == 0755);
    CHECK(is_there(layers.top() / "a/b"));
    step("a link, then a file of that name: the link's target stays as it is");
    import({tar_file("a", "old"), tar_symlink("l", "a"), tar_file("l", "new")});
    CHECK(read_file(layers.top() / "a") == "old");
    CHECK(read_file(layers.top() / "l") == "new");
}

TEST_CASE("a folder's xattrs are those of its last entry", "[04.3][uses-04.2]") {
    Imported layers;
    TarEntry first = tar_folder("a/");
    first.pax = {{"SCHILY.xattr.user.old", "1"}, {"SCHILY.xattr.user.both", "1"}};
    TarEntry second = tar_folder("a/");
    second.pax = {{"SCHILY.xattr.user.both", "2"}};
    layers.add({first, second});
    CHECK(xattr(layers.top() / "a", "user.old") == "none");
    CHECK(xattr(layers.top() / "a", "user.both") == "2");
}

TEST_CASE("the root folder may be described, or is the one below", "[04.3][uses-04.2]") {
    Imported layers;
    TarEntry root = tar_folder("./", 0750);
    root.mtime = 1'222'222'222;
    layers.add({root, tar_file("./a")});
    layers.add({tar_file("b")});
    const struct stat status = status_of(layers.top());
    step("a layer that describes ./, and one on top that does not");
    const std::string got =
        fmt::format("{:o} of {}", status.st_mode & 07777, status.st_mtim.tv_sec);
    TENON_EXPECT(got == "750 of 1222222222", "750 of 1222222222", got);
}

}  // namespace tenon::test
