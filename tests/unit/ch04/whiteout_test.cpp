// 04.2: "there is nothing here", read and written.
#include "tenon/whiteout.hpp"

#include <sys/sysmacros.h>
#include <unistd.h>

#include "forked.hpp"
#include "imported.hpp"
#include "refusal.hpp"

namespace tenon::test {

namespace {

std::string meaning(const std::string& name) {
    try {
        const std::optional<Whiteout> whiteout = parse_whiteout(name);
        if (!whiteout) return "an ordinary name";
        if (whiteout->kind == Whiteout::Kind::Opaque) return "hides all";
        return "hides " + whiteout->name;
    } catch (const std::invalid_argument&) {
        return "refused";
    }
}

void expect_meaning(const std::string& name, const std::string& expected) {
    const std::string got = meaning(name);
    step("parse_whiteout(\"" + name + "\")");
    TENON_EXPECT(got == expected, expected, got);
}

std::string kind_of(const struct stat& status) {
    if (S_ISCHR(status.st_mode)) {
        return fmt::format("device {}:{}", major(status.st_rdev), minor(status.st_rdev));
    }
    return S_ISREG(status.st_mode) ? "file" : "something else";
}

UniqueFd open_folder_of(const TemporaryDirectory& directory) {
    return sys::openat(FdRef::working_directory(), directory.path(), O_PATH | O_DIRECTORY);
}

}  // namespace

TEST_CASE("parse_whiteout finds what a name hides", "[04.2]") {
    const std::string name = random_name(8);
    expect_meaning(".wh." + name, "hides " + name);
    expect_meaning(".wh..hidden", "hides .hidden");
    expect_meaning(".wh....", "hides ...");
    expect_meaning(name, "an ordinary name");
    expect_meaning(name + ".wh.", "an ordinary name");
    expect_meaning(".wh", "an ordinary name");
    expect_meaning(".WH." + name, "an ordinary name");
}

TEST_CASE("parse_whiteout knows the opaque marker", "[04.2]") {
    const std::string got = meaning(".wh..wh..opq");
    fact("opaque_as_name", got == "hides .wh..opq");
    fact("opaque_refused", got == "refused");
    step("parse_whiteout(\".wh..wh..opq\")");
    TENON_EXPECT(got == "hides all", "hides all", got);
}

TEST_CASE("parse_whiteout refuses names that mean nothing", "[04.2]") {
    fact("dots_accepted", meaning(".wh...") == "hides ..");
    fact("nothing_accepted", meaning(".wh.") == "hides ");
    for (const char* name :
         {".wh.", ".wh..", ".wh...", ".wh..wh..plnk", ".wh..wh.aufs", ".wh..wh."}) {
        expect_meaning(name, "refused");
    }
}

TEST_CASE("whiteout_name and parse_whiteout are each other's reverse", "[04.2]") {
    const std::string name = random_name(12);
    expect_meaning(whiteout_name(name), "hides " + name);
}

TEST_CASE("make_whiteout makes the device 0:0", "[04.2]") {
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder_of(directory);
    const std::string name = random_name(8);
    make_whiteout(folder, name);
    step("make_whiteout(folder, \"" + name + "\")");
    const std::string got =
        is_there(directory.path() / name) ? kind_of(status_of(directory.path() / name)) : "nothing";
    fact("made", got);
    TENON_EXPECT(got == "device 0:0", "device 0:0", got);
    const std::string again = refusal([&] { make_whiteout(folder, name); });
    TENON_EXPECT(again == "mknodat " + name + ": EEXIST", "a second one is refused: EEXIST", again);
}

TEST_CASE("make_opaque marks a folder for both ways of mounting", "[04.2]") {
    TENON_NEED(is_real_root(), "trusted xattrs need root");
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder_of(directory);
    make_opaque(folder);
    step("make_opaque(folder), as root");
    const std::string user = sys::get_xattr(folder, "user.overlay.opaque").value_or("none");
    const std::string trusted = sys::get_xattr(folder, "trusted.overlay.opaque").value_or("none");
    fact("user_mark", user == "y");
    fact("trusted_mark", trusted == "y");
    TENON_EXPECT(user == "y", "user.overlay.opaque is y", user);
    TENON_EXPECT(trusted == "y", "trusted.overlay.opaque is y", trusted);
    CHECK(is_opaque(folder));
}

TEST_CASE("make_opaque needs no privilege", "[04.2]") {
    const TemporaryDirectory directory;
    if (is_real_root()) ::chown(directory.path().c_str(), 65534, 65534);
    const Forked child = run_forked([&] {
        // Opened by the new owner: the way to a test's folder is its maker's alone.
        const UniqueFd folder = open_folder_of(directory);
        if (is_real_root() && ::setresuid(65534, 65534, 65534) != 0) return 2;
        say(refusal([&] { make_opaque(folder); }));
        say(is_opaque(folder) ? ", opaque" : ", not opaque");
        return 0;
    });
    step("make_opaque(folder), by an ordinary user: " + child.out);
    fact("trusted_required", child.out.find("EPERM") != std::string::npos);
    TENON_EXPECT(child.out == "accepted, opaque", "accepted, opaque", child.out);
}

TEST_CASE("is_whiteout takes nothing else for one", "[04.2]") {
    struct stat status {};
    const auto is = [&](mode_t mode, dev_t device) {
        status.st_mode = mode;
        status.st_rdev = device;
        return is_whiteout(status);
    };
    fact("any_device", is(S_IFCHR | 0600, makedev(1, 3)));
    fact("any_file", is(S_IFREG | 0644, 0));
    TENON_EXPECT(is(S_IFCHR | 0600, makedev(0, 0)), "device 0:0 is a whiteout", "it is none");
    TENON_EXPECT(is(S_IFCHR, makedev(0, 0)), "whatever its mode", "it is none");
    TENON_EXPECT(!is(S_IFCHR | 0666, makedev(1, 3)), "/dev/null is none", "it is one");
    TENON_EXPECT(!is(S_IFREG | 0644, 0), "a file is none", "it is one");
    TENON_EXPECT(!is(S_IFBLK | 0644, 0), "a block device 0:0 is none", "it is one");
}

TEST_CASE("is_opaque reads either mark") {
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder_of(directory);
    CHECK_FALSE(is_opaque(folder));
    sys::set_xattr(folder, "user.overlay.opaque", "x");  // Linux 6.7: "whiteouts are xattrs here"
    CHECK_FALSE(is_opaque(folder));
    sys::set_xattr(folder, "user.overlay.opaque", "y");
    CHECK(is_opaque(folder));
    if (!is_real_root()) return;
    sys::remove_xattr(folder, "user.overlay.opaque");
    sys::set_xattr(folder, "trusted.overlay.opaque", "y");
    CHECK(is_opaque(folder));
}

}  // namespace tenon::test
