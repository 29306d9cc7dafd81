// state.json: written, read, and not believed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "made_spec.hpp"
#include "story.hpp"
#include "tenon/container_state.hpp"

namespace tenon::test {

namespace {

ContainerRecord some_record() {
    ContainerRecord record;
    record.oci_version = "1.2.0";
    record.id = "one";
    record.bundle = "/b \"x\"\n";
    record.rootfs = "/b/rootfs";
    record.created = "2026-01-01T00:00:00.000000001Z";
    record.pid = 4711;
    record.start_time = 18446744073709551615U;
    record.cgroup = "docker/one";
    record.cgroup_mount = "/sys/fs/cgroup";
    record.groups_above = {"docker"};
    record.annotations = {{"a", "b"}};
    record.has_poststop = true;
    return record;
}

std::string refusal_of(const std::string& json) {
    try {
        static_cast<void>(parse_record(json, "one"));
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

// The record's text, with one part replaced.
std::string with(const std::string& before, const std::string& after) {
    std::string text = record_text(some_record());
    const std::size_t at = text.find(before);
    REQUIRE(at != std::string::npos);
    return text.replace(at, before.size(), after);
}

}  // namespace

TEST_CASE("a record is read as it was written") {
    CHECK(parse_record(record_text(some_record()), "one") == some_record());
}

TEST_CASE("a record that is not ours is refused") {
    CHECK(refusal_of("") != "accepted");
    CHECK(refusal_of("[]") != "accepted");
    CHECK(refusal_of("{}") != "accepted");
    CHECK(refusal_of(with(R"("id":"one")", R"("id":"two")")) != "accepted");
    CHECK(refusal_of(with("4711", "1")) != "accepted");
    CHECK(refusal_of(with("4711", "-1")) != "accepted");
    CHECK(refusal_of(with("4711", "4294967297")) != "accepted");
    CHECK(refusal_of(with("4711", "\"4711\"")) != "accepted");
    CHECK(refusal_of(with("4711", "4711.5")) != "accepted");
    CHECK(refusal_of(with("docker/one", "../one")) != "accepted");
    CHECK(refusal_of(with("docker/one", "docker/../../one")) != "accepted");
    CHECK(refusal_of(with(R"(["docker"])", R"([".."])")) != "accepted");
}

TEST_CASE("a state has what the specification demands") {
    ContainerRecord record = some_record();
    const std::string running = state_json(record, ContainerStatus::Running);
    CHECK(running.find(R"("pid":4711)") != std::string::npos);
    CHECK(running.find(R"("status":"running")") != std::string::npos);
    CHECK(running.find(R"("ociVersion":"1.2.0")") != std::string::npos);
    CHECK(state_json(record, ContainerStatus::Stopped).find(R"("pid":0)") != std::string::npos);
}

TEST_CASE("an id is a name, and no path") {
    for (const char* id : {"a", "A-b_c.d+1", "..a", "0"}) CHECK_NOTHROW(check_id(id));
    for (const char* id : {"", ".", "..", "a/b", "a b", "a\n", "\xC3\xA4"}) {
        CHECK_THROWS_AS(check_id(id), ContainerError);
    }
    CHECK_THROWS_AS(check_id(std::string(256, 'a')), ContainerError);
}

TEST_CASE("a folder of a container is there once, locked, and gone") {
    const TemporaryDirectory scratch;
    const ContainerRoot root = ContainerRoot::make((scratch.path() / "a/b").native());
    const ContainerFolder folder = ContainerFolder::make(root, "one");
    CHECK_THROWS_AS(ContainerFolder::make(root, "one"), ContainerError);
    CHECK_FALSE(folder.read_record());
    folder.write_config("{}");
    folder.write_record(some_record());
    CHECK(ContainerFolder::open(root, "one").read_record() == some_record());
    CHECK(root.ids() == std::vector<std::string>{"one"});
    folder.remove();
    CHECK(root.ids().empty());
    CHECK_THROWS_AS(ContainerFolder::open(root, "one"), ContainerError);
}

TEST_CASE("a record that others may write to is not believed") {
    const TemporaryDirectory scratch;
    const ContainerRoot root = ContainerRoot::make(scratch.path().native());
    const ContainerFolder folder = ContainerFolder::make(root, "one");
    folder.write_record(some_record());
    const std::filesystem::path file = scratch.path() / "one/state.json";
    REQUIRE(::chmod(file.c_str(), 0666) == 0);
    CHECK_THROWS_AS(folder.read_record(), std::invalid_argument);
    std::filesystem::remove(file);
    std::filesystem::create_symlink("/etc/passwd", file);
    CHECK_THROWS(folder.read_record());
    std::filesystem::remove(file);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    CHECK_THROWS_AS(folder.read_record(), std::invalid_argument);
}

TEST_CASE("who had to wait for a folder that is removed meanwhile leaves the next one alone") {
    const TemporaryDirectory scratch;
    const ContainerRoot root = ContainerRoot::make((scratch.path() / "root").native());
    const ContainerFolder first = ContainerFolder::make(root, "one");
    const ContainerFolder late = ContainerFolder::open(root, "one");
    first.remove();
    CHECK_THROWS_AS(late.lock(), NoContainer);
    const ContainerFolder second = ContainerFolder::make(root, "one");
    CHECK_THROWS_AS(late.lock(), NoContainer);
    late.remove();
    CHECK_NOTHROW(second.lock());
    CHECK(std::filesystem::exists(scratch.path() / "root/one"));
}

}  // namespace tenon::test
