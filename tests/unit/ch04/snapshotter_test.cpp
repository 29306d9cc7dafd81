// 04.4: snapshots: what is made, what is to be mounted, what stays and what goes.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "descriptors.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "store_view.hpp"
#include "story.hpp"
#include "tenon/snapshots.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/todo.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

template <typename Body>
std::string complaint(const Body& body) {
    try {
        static_cast<void>(body());
    } catch (const NotImplemented&) {
        throw;
    } catch (const std::exception& error) {
        return error.what();
    }
    return "accepted";
}

std::string shown(const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, " "));
}

}  // namespace

TEST_CASE("prepare stands on all layers of its parent, the topmost first", "[04.4]") {
    const TestStore test;
    const Layer bottom = test.layer({}, "bottom");
    const Layer top = test.layer(bottom.chain_id, "top");
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.prepare("one", top.chain_id);
    step("prepare on two layers: lower " + shown(mount.lower));
    fact("only_the_top", mount.lower == std::vector<std::string>{top.dir});
    const std::vector<std::string> wanted{top.dir, bottom.dir};
    TENON_EXPECT(mount.lower == wanted, shown(wanted), shown(mount.lower));
}

TEST_CASE("prepare makes an upper and a work folder, both empty and beside each other", "[04.4]") {
    const TestStore test;
    const Layer layer = test.layer({}, "file");
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.prepare("one", layer.chain_id);
    step(fmt::format("prepare: upper {}, work {}", mount.upper, mount.work));
    const bool made = test.is_empty_folder(mount.upper) && test.is_empty_folder(mount.work);
    fact("work_missing", mount.work.empty() || !test.is_empty_folder(mount.work));
    TENON_EXPECT(made && mount.upper != mount.work, "two empty folders",
                 made ? "one and the same" : "not two empty folders");
}

TEST_CASE("the root of a snapshot has owner, mode and time of the layer below", "[04.4]") {
    const TestStore test;
    const Layer layer = test.layer({}, "file");
    fs::permissions(test.path() / layer.dir, fs::perms{0710});
    const timespec times[2] = {{1000, 0}, {1234567, 0}};
    REQUIRE(::utimensat(AT_FDCWD, (test.path() / layer.dir).c_str(), times, 0) == 0);
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.prepare("one", layer.chain_id);
    const struct stat status = sys::stat(test.path() / mount.upper);
    step(
        fmt::format("the layer's root has mode 710, the snapshot's {:o}", status.st_mode & 07777U));
    const bool same = (status.st_mode & 07777U) == 0710 && status.st_mtim.tv_sec == 1234567;
    fact("root_attributes_lost", !same);
    TENON_EXPECT(same, "mode 710, time 1234567",
                 fmt::format("mode {:o}, time {}", status.st_mode & 07777U, status.st_mtim.tv_sec));
}

TEST_CASE("a snapshot on nothing has an empty lower folder", "[04.4]") {
    const TestStore test;
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.prepare("one", {});
    step("prepare on nothing: lower " + shown(mount.lower));
    TENON_EXPECT(mount.lower.size() == 1 && test.is_empty_folder(mount.lower.front()),
                 "one, and empty: an overlay needs a lower folder", shown(mount.lower));
}

TEST_CASE("a view has no upper folder", "[04.4]") {
    const TestStore test;
    const Layer bottom = test.layer({}, "bottom");
    const Layer top = test.layer(bottom.chain_id, "top");
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.view("one", top.chain_id);
    step(fmt::format("view: lower {}, upper '{}'", shown(mount.lower), mount.upper));
    const bool writable = !mount.upper.empty() || fs::exists(test.path() / "snapshots/one/fs");
    fact("view_is_writable", writable);
    TENON_EXPECT(!writable, "no upper folder, neither named nor made", "'" + mount.upper + "'");
    CHECK(snapshots.stat("one")->kind == SnapshotKind::View);
}

TEST_CASE("a view of one layer has two lower folders", "[04.4]") {
    const TestStore test;
    const Layer layer = test.layer({}, "file");
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.view("one", layer.chain_id);
    step("view of one layer: lower " + shown(mount.lower));
    fact("one_lower", mount.lower.size() == 1);
    TENON_EXPECT(mount.lower.size() == 2 && mount.lower.front() == layer.dir &&
                     test.is_empty_folder(mount.lower.back()),
                 "the layer, then an empty folder: the kernel wants two where there is no upper",
                 shown(mount.lower));
}

TEST_CASE("the same key is refused, and what is no key", "[04.4]") {
    const TestStore test;
    Snapshotter snapshots{test.store()};
    snapshots.prepare("one", {});
    for (const char* key : {"one", "", ".", "..", "a/b", "-a", ".hidden", "a b", "a\n", "ä"}) {
        CAPTURE(key);
        const std::string refused = complaint([&] { return snapshots.prepare(key, {}); });
        CHECK(refused != "accepted");
    }
    CHECK(snapshots.list().size() == 1);
}

TEST_CASE("an unknown parent is refused, and nothing is left", "[04.4]") {
    const TestStore test;
    Snapshotter snapshots{test.store()};
    const Digest nowhere = sha256("no layer");
    const std::string refused = complaint([&] { return snapshots.prepare("one", nowhere); });
    const bool left = fs::exists(test.path() / "snapshots/one");
    fact("folder_left", left);
    TENON_EXPECT(refused != "accepted" && !left, "refused, and no folder",
                 refused + (left ? ", and a folder" : ""));
    CHECK(complaint([&] { return snapshots.view("one", nowhere); }) != "accepted");
}

TEST_CASE("a snapshot that is made is held", "[04.4]") {
    const TestStore test;
    Snapshotter snapshots{test.store()};
    snapshots.prepare("one", {});
    const bool held = snapshots.stat("one")->in_use;
    const std::vector<std::string> swept = Snapshotter{test.store()}.sweep();
    step("another process sweeps: " + (swept.empty() ? std::string{"nothing"} : shown(swept)));
    fact("swept_alive", !held || !swept.empty());
    TENON_EXPECT(held && swept.empty(), "held by its maker, and left alone", "swept");
}

TEST_CASE("what a killed process made is swept", "[04.4]") {
    const TestStore test;
    Snapshotter snapshots{test.store()};
    snapshots.prepare("mine", {});
    Ends ready = make_test_pipe();
    const pid_t child = ::fork();
    if (child == 0) {
        Snapshotter{test.store()}.prepare("dead",
                                          {});  // at once let go: as by the end of a process
        Snapshotter held{test.store()};
        held.prepare("held", {});
        static_cast<void>(::write(ready.second.ref().number(), "!", 1));
        while (true) ::pause();
    }
    ready.second.reset();
    char byte = 0;
    const bool made = ::read(ready.first.ref().number(), &byte, 1) == 1;
    const std::vector<std::string> first = snapshots.sweep();
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    REQUIRE(made);
    const std::vector<std::string> second = snapshots.sweep();
    step(fmt::format("swept while its process lived: {}; after kill -9: {}", shown(first),
                     shown(second)));
    TENON_EXPECT(first == std::vector<std::string>{"dead"}, "dead", shown(first));
    TENON_EXPECT(second == std::vector<std::string>{"held"}, "held", shown(second));
    CHECK(test.names("snapshots") == std::vector<std::string>{"mine"});
    CHECK(test.is_empty_folder("trash"));
}

TEST_CASE("commit makes the changes a layer on top of the parent", "[04.4]") {
    const TestStore test;
    const Layer bottom = test.layer({}, "bottom");
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.prepare("one", bottom.chain_id);
    write_file(test.path() / mount.upper / "new", "change");
    const ino_t before = sys::stat(test.path() / mount.upper / "new").st_ino;
    const Digest diff = sha256("the new layer");
    const Layer layer = snapshots.commit("one", diff);
    step(fmt::format("commit: {} at {}", layer.chain_id.text(), layer.dir));
    fact("wrong_chain", layer.chain_id != chain_id(bottom.chain_id, diff));
    TENON_EXPECT(layer.chain_id == chain_id(bottom.chain_id, diff),
                 chain_id(bottom.chain_id, diff).text(), layer.chain_id.text());
    const std::vector<Layer> chain = test.store().chain(layer.chain_id);
    REQUIRE(chain.size() == 2);
    CHECK(chain.back().chain_id == bottom.chain_id);
    const fs::path file = test.path() / chain.front().dir / "new";
    CHECK(read_file(file) == "change");
    const bool copied = sys::stat(file).st_ino != before;
    fact("copied", copied);
    TENON_EXPECT(!copied, "moved: the same file as before", "copied");
}

TEST_CASE("commit ends the snapshot", "[04.4]") {
    const TestStore test;
    Snapshotter snapshots{test.store()};
    snapshots.prepare("one", {});
    snapshots.commit("one", sha256("layer"));
    const bool left = fs::exists(test.path() / "snapshots/one");
    step(left ? "snapshots/one is still there" : "snapshots/one is gone");
    fact("snapshot_left", left);
    TENON_EXPECT(!left && snapshots.list().empty(), "no snapshot", "the snapshot is still there");
}

TEST_CASE("commit of a layer that is there already keeps the one that is there", "[04.4]") {
    const TestStore test;
    const Layer there = test.layer({}, "file");
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.prepare("one", {});
    write_file(test.path() / mount.upper / "other", "");
    const std::string refused = complaint([&] { return snapshots.commit("one", there.diff_id); });
    step("commit of a diff id that the store has: " + refused);
    fact("twice_refused", refused != "accepted");
    TENON_EXPECT(refused == "accepted", "accepted", refused);
    CHECK(test.store().find(there.chain_id)->dir == there.dir);
    CHECK(fs::exists(test.path() / there.dir / "file"));
    CHECK(snapshots.list().empty());
}

TEST_CASE("a view is not committed", "[04.4]") {
    const TestStore test;
    const Layer layer = test.layer({}, "file");
    Snapshotter snapshots{test.store()};
    snapshots.view("one", layer.chain_id);
    const std::string refused = complaint([&] { return snapshots.commit("one", sha256("x")); });
    CHECK(refused.find("view") != std::string::npos);
    CHECK(complaint([&] { return snapshots.commit("nobody", sha256("x")); }) != "accepted");
}

TEST_CASE("remove takes the changes along, and again is no error", "[04.4]") {
    const TestStore test;
    const Layer layer = test.layer({}, "file");
    Snapshotter snapshots{test.store()};
    const OverlayMount mount = snapshots.prepare("one", layer.chain_id);
    write_file(test.path() / mount.upper / "new", "change");
    snapshots.remove("one");
    const bool left = fs::exists(test.path() / "snapshots/one") || !test.is_empty_folder("trash");
    step(left ? "the snapshot's folder or trash/ is not empty" : "snapshot and trash are gone");
    fact("snapshot_left", left);
    TENON_EXPECT(!left, "no folder, and nothing in trash/", "something is left");
    CHECK(fs::exists(test.path() / layer.dir / "file"));
    const std::string again = complaint([&] {
        snapshots.remove("one");
        return 0;
    });
    fact("again_refused", again != "accepted");
    TENON_EXPECT(again == "accepted", "accepted", again);
}

TEST_CASE("a key is free again when its snapshot is removed", "[04.4]") {
    const TestStore test;
    Snapshotter snapshots{test.store()};
    for (int time = 1; time <= 3; ++time) {
        snapshots.prepare("one", {});
        snapshots.remove("one");
    }
    CHECK(snapshots.list().empty());
    CHECK_FALSE(snapshots.stat("one"));
}

}  // namespace tenon::test
