// A file that is there whole, or not at all; and what is left of a killed writer.
#include "tenon/unfinished_file.hpp"

#include <sys/stat.h>

#include <csignal>

#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "story.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/process.hpp"

namespace tenon::test {

namespace {

UniqueFd open_folder(const TemporaryDirectory& directory) {
    return sys::openat(FdRef::working_directory(), directory.path(), O_RDONLY | O_DIRECTORY);
}

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span{text});
}

}  // namespace

TEST_CASE("an unfinished file has no name that anybody looks for", "[common]") {
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder(directory);
    write_file(directory.path() / "name", "old");
    {
        UnfinishedFile file = UnfinishedFile::make(folder, 0644);
        sys::write_all(file.file(), bytes("new"), "name");
        CHECK(read_file(directory.path() / "name") == "old");
        file.publish("name");
    }
    CHECK(read_file(directory.path() / "name") == "new");
    CHECK(sys::names_in(folder) == std::vector<std::string>{"name"});
}

TEST_CASE("an unfinished file that is given up is gone", "[common]") {
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder(directory);
    {
        const UnfinishedFile file = UnfinishedFile::make(folder, 0600);
        CHECK(sys::names_in(folder).size() == 1);
    }
    CHECK(sys::names_in(folder).empty());
}

TEST_CASE("a sweep removes what a killed writer left, and nothing of one who lives", "[common]") {
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder(directory);
    write_file(directory.path() / ".tenon-0123456789abcdef", "half");
    write_file(directory.path() / ".others", "");
    const UnfinishedFile lives = UnfinishedFile::make(folder, 0600);
    sweep_unfinished(folder);
    const std::vector<std::string> left = sys::names_in(folder);
    CHECK(left.size() == 2);
    CHECK(left.front() == ".others");
}

TEST_CASE("replace_file leaves the old file where it cannot write", "[common]") {
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder(directory);
    std::filesystem::create_directory(directory.path() / "name");
    const std::string got = refusal([&] { replace_file(folder, "name", "text"); });
    TENON_EXPECT(got.find("renameat name: EISDIR") != std::string::npos, "EISDIR of the name", got);
    CHECK(sys::names_in(folder) == std::vector<std::string>{"name"});
}

TEST_CASE("replace_file has the mode that was asked for", "[common]") {
    const TemporaryDirectory directory;
    const UniqueFd folder = open_folder(directory);
    replace_file(folder, "mine", "a");
    replace_file(folder, "everybody's", "b", 0644);
    CHECK((sys::fstatat(folder, "mine").st_mode & 0777U) == 0600U);
    CHECK((sys::fstatat(folder, "everybody's").st_mode & 0777U) == 0644U);
    remove_file(folder, "mine");
    remove_file(folder, "mine");
    CHECK(sys::names_in(folder) == std::vector<std::string>{"everybody's"});
}

}  // namespace tenon::test
