// The line that `events` prints, of groups that are plain folders.
#include "stats_json.hpp"

#include <fcntl.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

nlohmann::json line_of(const CgroupStats& stats, const std::map<std::string, std::string>& files) {
    const TemporaryDirectory folder;
    for (const auto& [name, text] : files) std::ofstream{folder.path() / name} << text;
    const std::string line = cli::stats_line(
        "one", stats, sys::openat(FdRef::working_directory(), folder.path(), O_RDONLY));
    CHECK(line.find('\n') == line.size() - 1);
    return nlohmann::json::parse(line);
}

}  // namespace

TEST_CASE("all parts are there where no controller is") {
    const nlohmann::json line = line_of({}, {});
    CHECK(line["type"] == "stats");
    CHECK(line["id"] == "one");
    for (const char* part : {"cpu", "memory", "pids", "blkio", "hugetlb"}) {
        CHECK(line["data"][part].is_object());
    }
}

TEST_CASE("memory has its statistics, and swap is told as v1 did") {
    CgroupStats stats;
    stats.memory = MemoryStats{.current = 100, .peak = 150, .max = 1000, .swap_current = 7};
    const nlohmann::json memory = line_of(stats, {{"memory.stat", "anon 12\nfile 34\n"},
                                                  {"memory.swap.max", "500\n"}})["data"]["memory"];
    CHECK(memory["cache"] == 34);
    CHECK(memory["raw"]["anon"] == 12);
    CHECK(memory["usage"]["max"] == 150);
    CHECK(memory["swap"]["usage"] == 107);
    CHECK(memory["swap"]["limit"] == 1500);
}

TEST_CASE("without a limit it is the largest number") {
    CgroupStats stats;
    stats.memory = MemoryStats{.current = 100};
    const nlohmann::json memory = line_of(stats, {{"memory.swap.max", "500\n"}})["data"]["memory"];
    CHECK(memory["usage"]["limit"] == no_limit);
    CHECK(memory["swap"]["limit"] == no_limit);
}

TEST_CASE("pressures and huge pages are read from the group") {
    const nlohmann::json data =
        line_of({}, {{"cpu.pressure",
                      "some avg10=1.50 avg60=0.00 avg300=0.25 total=9007199254740993\n"
                      "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
                     {"hugetlb.2MB.current", "4194304\n"},
                     {"hugetlb.2MB.events", "max 3\n"},
                     {"hugetlb.2MB.rsvd.current", "0\n"}})["data"];
    CHECK(data["cpu"]["psi"]["some"]["avg10"] == 1.5);
    CHECK(data["cpu"]["psi"]["some"]["avg300"] == 0.25);
    CHECK(data["cpu"]["psi"]["some"]["total"] == 9007199254740993U);
    CHECK(data["cpu"]["psi"]["full"]["total"] == 0);
    CHECK(data["hugetlb"].size() == 1);
    CHECK(data["hugetlb"]["2MB"]["usage"] == 4194304);
    CHECK(data["hugetlb"]["2MB"]["failcnt"] == 3);
}

}  // namespace tenon::test
