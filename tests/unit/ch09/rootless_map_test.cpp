// 09.2: which id inside is which id outside.
#include <fmt/format.h>
#include <unistd.h>

#include "kernel_view.hpp"
#include "refusal.hpp"
#include "story.hpp"
#include "tenon/id_mappings.hpp"

namespace tenon::test {

namespace {

std::string show(const std::vector<IdMap>& maps) {
    std::string text;
    for (const IdMap& map : maps) {
        text += fmt::format("{}:{}:{} ", map.container_id, map.host_id, map.size);
    }
    return text.empty() ? "nothing" : text;
}

void expect_maps(const std::vector<IdMap>& got, const std::vector<IdMap>& wanted) {
    TENON_EXPECT(got == wanted, show(wanted), show(got));
}

OwnIds random_user() {
    const auto id = [] { return static_cast<std::uint32_t>(1000 + random_below(50000)); };
    return {.uid = id(), .gid = id()};
}

IdRange range_from(std::uint32_t first) {
    return {.first = first, .size = 1 + static_cast<std::uint32_t>(random_below(65536))};
}

// What check_id_map says; empty when it takes them.
std::string verdict(const std::vector<IdMap>& maps) {
    try {
        check_id_map(maps, "uid_map");
        return {};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

void expect_refused(const std::vector<IdMap>& maps) {
    const std::string said = verdict(maps);
    step(fmt::format("check_id_map({}): {}", show(maps), said.empty() ? "taken" : said));
    TENON_EXPECT(said.starts_with("uid_map"), "refused, by the file's name",
                 said.empty() ? "taken" : said);
}

}  // namespace

TEST_CASE("rootless_mappings makes the user root, and their ranges the ids from 1 on", "[09.2]") {
    OwnIds own = random_user();
    own.subuids = {range_from(100000), range_from(300000)};
    own.subgids = {range_from(500000)};
    step(fmt::format("uid {}, gid {}, two ranges of uids, one of gids", own.uid, own.gid));
    const IdMappings got = rootless_mappings(own);
    const std::uint32_t second = 1 + own.subuids[0].size;
    fact("own_id_is_not_root", to_host(got.uids, 0) != own.uid);
    fact("second_range_at_1", got.uids.size() == 3 && got.uids[2].container_id == 1);
    fact("gids_from_uids", got.gids == got.uids);
    expect_maps(got.uids, {{0, own.uid, 1},
                           {1, own.subuids[0].first, own.subuids[0].size},
                           {second, own.subuids[1].first, own.subuids[1].size}});
    expect_maps(got.gids, {{0, own.gid, 1}, {1, own.subgids[0].first, own.subgids[0].size}});
}

TEST_CASE("rootless_mappings falls back to the own id where ranges are missing", "[09.2]") {
    for (const int given : {0, 1, 2}) {
        OwnIds own = random_user();
        if (given == 1) own.subuids = {range_from(100000)};
        if (given == 2) own.subgids = {range_from(100000)};
        step(given == 0   ? "no subordinate ids at all"
             : given == 1 ? "subordinate uids, and no gids"
                          : "subordinate gids, and no uids");
        const IdMappings got = rootless_mappings(own);
        fact("half_mapped", got.uids.size() != got.gids.size());
        expect_maps(got.uids, {{0, own.uid, 1}});
        expect_maps(got.gids, {{0, own.gid, 1}});
    }
}

TEST_CASE("rootless_mappings maps the own id once", "[09.2]") {
    OwnIds own = random_user();
    own.uid = 150000;
    own.subuids = {{.first = 149990, .size = 100}};
    own.subgids = {{.first = own.gid, .size = 10}};
    step("the range of uids holds the user's own in its middle, that of gids at its beginning");
    const IdMappings got = rootless_mappings(own);
    fact("own_id_twice", !verdict(got.uids).empty() || !verdict(got.gids).empty());
    expect_maps(got.uids, {{0, 150000, 1}, {1, 149990, 10}, {11, 150001, 89}});
    expect_maps(got.gids, {{0, own.gid, 1}, {1, own.gid + 1, 9}});
}

TEST_CASE("remap_onto begins at 0 and maps no real id", "[09.2]") {
    const std::vector<IdRange> ranges{range_from(100000), range_from(300000)};
    const std::vector<IdMap> got = remap_onto(ranges);
    step("root's container on two ranges");
    fact("begins_at_1", !got.empty() && got[0].container_id == 1);
    expect_maps(got, {{0, ranges[0].first, ranges[0].size},
                      {ranges[0].size, ranges[1].first, ranges[1].size}});
    expect_maps(remap_onto({}), {});
}

TEST_CASE("mappings end where there are no numbers left", "[09.2]") {
    const std::vector<IdMap> got = remap_onto(std::vector<IdRange>{{10, 4294967285U}, {1, 9}});
    step("ranges of 4294967285 and 9 ids: together one less than all");
    expect_maps(got, {{0, 10, 4294967285U}, {4294967285U, 1, 9}});
    OwnIds own{.uid = 5, .gid = 5, .subuids = {{.first = 6, .size = 4294967289U}, {0, 5}}};
    own.subgids = own.subuids;
    const std::vector<IdMap> full = rootless_mappings(own).uids;
    step("and all of them");
    expect_maps(full, {{0, 5, 1}, {1, 6, 4294967289U}, {4294967290U, 0, 5}});
    TENON_EXPECT(verdict(full).empty(), "taken by check_id_map", verdict(full));
}

TEST_CASE("check_id_map takes what the kernel takes", "[09.2]") {
    expect_refused({});
    for (const std::vector<IdMap>& maps : {std::vector<IdMap>{{0, 0, 4294967295U}},
                                           std::vector<IdMap>{{4294967294U, 4294967294U, 1}},
                                           std::vector<IdMap>{{0, 1000, 1}, {1, 100000, 65536}},
                                           std::vector<IdMap>{{5, 5, 5}, {0, 0, 5}, {10, 10, 5}}}) {
        step(fmt::format("check_id_map({})", show(maps)));
        TENON_EXPECT(verdict(maps).empty(), "taken", verdict(maps));
    }
}

TEST_CASE("check_id_map refuses a range without ids, and one beyond the last", "[09.2]") {
    expect_refused({{0, 1000, 0}});
    expect_refused({{0, 1000, 1}, {1, 2000, 0}});
    for (const IdMap& map : {IdMap{0, 4294967295U, 1}, IdMap{4294967295U, 0, 1},
                             IdMap{1, 0, 4294967295U}, IdMap{0, 1, 4294967295U},
                             IdMap{0, 4294967290U, 10}, IdMap{2147483648U, 0, 2147483648U}}) {
        fact("overflow_taken", verdict({map}).empty());
        expect_refused({map});
    }
}

TEST_CASE("check_id_map refuses an id that is mapped twice", "[09.2]") {
    for (const std::vector<IdMap>& maps :
         {std::vector<IdMap>{{0, 100, 10}, {9, 200, 5}},
          std::vector<IdMap>{{9, 200, 5}, {0, 100, 10}},
          std::vector<IdMap>{{0, 100, 10}, {50, 300, 1}, {5, 200, 1}},
          std::vector<IdMap>{{0, 100, 10}, {10, 109, 1}}, std::vector<IdMap>{{0, 5, 1}, {1, 5, 1}},
          std::vector<IdMap>{{0, 100, 10}, {10, 300, 1}, {20, 105, 1}}}) {
        fact("overlap_taken", verdict(maps).empty());
        expect_refused(maps);
    }
}

TEST_CASE("check_id_map refuses more lines than the kernel reads", "[09.2]") {
    const auto lines = [](std::uint32_t count, std::uint32_t from) {
        std::vector<IdMap> maps;
        for (std::uint32_t i = 0; i < count; ++i) maps.push_back({2 * i, from + 2 * i, 1});
        return maps;
    };
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::vector<IdMap> most = lines(most_map_lines, 0);
    REQUIRE(map_text(most).size() < page);
    step("340 lines, then 341");
    TENON_EXPECT(verdict(most).empty(), "340 are taken", verdict(most));
    expect_refused(lines(most_map_lines + 1, 0));
    if (map_text(lines(most_map_lines, 4000000000U)).size() < page) return;  // pages of 16 KiB
    step("340 lines of large numbers: more than a page");
    const std::string said = verdict(lines(most_map_lines, 4000000000U));
    fact("page_exceeded", said.empty());
    TENON_EXPECT(!said.empty(), "refused: one write takes less than a page", "taken");
}

TEST_CASE("id maps are written C:H:S") {
    CHECK(parse_id_map("--uidmap", "0:100000:65536") == IdMap{0, 100000, 65536});
    for (const char* text : {"", "0", "0:1", "0:1:2:3", "a:1:2", "0:1:", "0:-1:2", "0:4294967296:1",
                             "0:1:18446744073709551617", " 0:1:2", "0:1:2\n"}) {
        CHECK_THROWS_AS(parse_id_map("--uidmap", text), std::invalid_argument);
    }
    const std::vector<IdMap> maps{{0, 1000, 1}, {1, 100000, 10}};
    CHECK(map_text(maps) == "0 1000 1\n1 100000 10\n");
    CHECK(to_host(maps, 0) == 1000);
    CHECK(to_host(maps, 10) == 100009);
    CHECK_FALSE(to_host(maps, 11).has_value());
}

}  // namespace tenon::test
