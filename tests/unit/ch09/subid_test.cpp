// 09.1: which ids of the host belong to whom.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/subid.hpp"

namespace tenon::test {

namespace {

std::string show(const std::vector<IdRange>& ranges) {
    std::string text;
    for (const IdRange& range : ranges) text += fmt::format("{}+{} ", range.first, range.size);
    return text.empty() ? "nothing" : text;
}

// Never a number: `u` in front.
std::string user_name() {
    return "u" + random_name(7);
}

SubidOwner random_owner() {
    return {.name = user_name(), .uid = static_cast<std::uint32_t>(1000 + random_below(60000))};
}

IdRange random_range(std::uint32_t from) {
    return {.first = from + static_cast<std::uint32_t>(random_below(1000)),
            .size = 1 + static_cast<std::uint32_t>(random_below(65536))};
}

std::string line(std::string_view owner, const IdRange& range) {
    return fmt::format("{}:{}:{}\n", owner, range.first, range.size);
}

void expect_ranges(const Subids& found, const std::vector<IdRange>& wanted) {
    TENON_EXPECT(found.ranges == wanted, show(wanted), show(found.ranges));
}

}  // namespace

TEST_CASE("parse_subids finds the lines of a name and of a uid", "[09.1]") {
    const SubidOwner owner = random_owner();
    const IdRange by_name = random_range(100000);
    const IdRange by_uid = random_range(300000);
    step(fmt::format("{} has uid {}, and a line for each", owner.name, owner.uid));
    const Subids found =
        parse_subids(line(owner.name, by_name) + line(std::to_string(owner.uid), by_uid), owner);
    fact("uid_lines_missed", found.ranges == std::vector{by_name});
    expect_ranges(found, {by_name, by_uid});
}

TEST_CASE("parse_subids keeps the order of the file", "[09.1]") {
    const SubidOwner owner = random_owner();
    const std::vector<IdRange> ranges{random_range(900000), random_range(100000),
                                      random_range(500000)};
    std::string text;
    for (const IdRange& range : ranges) text += line(owner.name, range);
    step("three ranges, the highest in the first line");
    const Subids found = parse_subids(text, owner);
    fact("sorted", found.ranges == std::vector{ranges[1], ranges[2], ranges[0]});
    expect_ranges(found, ranges);
}

TEST_CASE("parse_subids gives nobody the ranges of others", "[09.1]") {
    const SubidOwner owner = random_owner();
    const IdRange own = random_range(100000);
    const IdRange others = random_range(300000);
    std::string text = line(owner.name + "x", others) + line(owner.name.substr(0, 4), others);
    text += line(std::to_string(owner.uid) + "0", others) + line("", others);
    step(fmt::format("lines for {0}x, for a part of {0}, for another uid, for nobody", owner.name));
    const Subids found = parse_subids(text + line(owner.name, own), owner);
    fact("others_taken", found.ranges.size() > 1);
    expect_ranges(found, {own});
    TENON_EXPECT(found.problems.empty(), "no problem of ours in their lines",
                 fmt::format("{}", fmt::join(found.problems, "; ")));
}

TEST_CASE("parse_subids finds the uid's lines of somebody without a name", "[09.1]") {
    const SubidOwner owner{.name = "", .uid = static_cast<std::uint32_t>(1 + random_below(60000))};
    const IdRange range = random_range(100000);
    const Subids found = parse_subids(":1:1\n" + line(std::to_string(owner.uid), range), owner);
    step("a line begins with a colon; the owner has no name");
    expect_ranges(found, {range});
}

TEST_CASE("parse_subids takes nothing from a malformed line, and says which it was", "[09.1]") {
    const SubidOwner owner = random_owner();
    const IdRange good = random_range(100000);
    for (const char* rest : {"", ":", ":5", ":5:", "::5", ":5:6:7", ":x:5", ":5:x", ":-5:5",
                             ":5:-5", ": 5:5", ":5:5 ", ":+5:5", ":0x10:5", ":5.0:5", ":1e3:5"}) {
        const std::string bad = owner.name + rest;
        step(fmt::format("line 2 is '{}'", bad));
        const Subids found =
            parse_subids("# a comment\n" + bad + "\n\n" + line(owner.name, good), owner);
        expect_ranges(found, {good});
        const std::string said = fmt::format("{}", fmt::join(found.problems, "; "));
        TENON_EXPECT(found.problems.size() == 1 && said.starts_with("line 2: "),
                     "one problem, which begins with 'line 2: '", said);
    }
}

TEST_CASE("parse_subids grants no id twice, and none that is none", "[09.1]") {
    const SubidOwner owner = random_owner();
    for (const char* rest :
         {":4294967295:1", ":4294967294:2", ":4294967290:10", ":5:4294967295", ":4294967296:1",
          ":5:4294967296", ":18446744073709551615:2", ":18446744073709551614:18446744073709551615",
          ":18446744073709551616:1", ":5:99999999999999999999", ":5:0"}) {
        step(fmt::format("a line '{}{}'", owner.name, rest));
        const Subids found = parse_subids(owner.name + rest, owner);
        fact("wraps", !found.ranges.empty());
        expect_ranges(found, {});
        TENON_EXPECT(found.problems.size() == 1, "one problem",
                     std::to_string(found.problems.size()));
    }
    step("the last id alone is one: 4294967294:1");
    expect_ranges(parse_subids(owner.name + ":4294967294:1", owner), {{4294967294U, 1}});
}

TEST_CASE("parse_subids takes the first of two ranges that overlap", "[09.1]") {
    const SubidOwner owner = random_owner();
    const IdRange first{.first = 100000, .size = 1000};
    for (const IdRange& second : {IdRange{100999, 1}, IdRange{99000, 1001}, IdRange{100000, 1000},
                                  IdRange{100500, 10}, IdRange{1, 4294967294U}}) {
        step(fmt::format("100000+1000, then {}+{}", second.first, second.size));
        const Subids found =
            parse_subids(line(owner.name, first) + line(std::to_string(owner.uid), second), owner);
        fact("overlap_granted", found.ranges.size() == 2);
        expect_ranges(found, {first});
    }
    step("ranges that only touch do not overlap");
    const IdRange next{.first = 101000, .size = 7};
    expect_ranges(parse_subids(line(owner.name, first) + line(owner.name, next), owner),
                  {first, next});
}

TEST_CASE("read_subids reads a file, and a missing one grants nothing", "[uses-09.1]") {
    const TemporaryDirectory folder;
    const SubidOwner owner = random_owner();
    const std::string path = folder.path() / "subuid";
    CHECK(read_subids(path, owner).ranges.empty());
    write_file(path, owner.name + ":7:7\n" + owner.name + ":x\n");
    const Subids found = read_subids(path, owner);
    CHECK(found.ranges == std::vector<IdRange>{{7, 7}});
    REQUIRE(found.problems.size() == 1);
    CHECK(found.problems[0].starts_with(path + ", line 2: "));
    write_file(path, std::string((std::size_t{16} << 20) + 1, 'x'));
    CHECK_THROWS_AS(read_subids(path, owner), std::runtime_error);
}

TEST_CASE("find_owner never takes a number for a name") {
    CHECK(find_owner("root").uid == 0);
    CHECK(find_owner(std::uint32_t{0}).name == "root");
    CHECK(find_owner("0").name == "root");
    CHECK(find_owner("3999999999").name.empty());
    CHECK(find_owner("3999999999").uid == 3999999999U);
    CHECK(find_owner("no such user").uid == no_uid);
    CHECK(find_owner("-1").name == "-1");
    for (const char* text : {"4294967295", "4294967296", "99999999999999999999"}) {
        CHECK_THROWS_AS(find_owner(text), std::invalid_argument);
    }
}

}  // namespace tenon::test
