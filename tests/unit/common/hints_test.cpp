#include "tenon/hints.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <vector>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace {

struct Row {
    std::string call;
    std::string error;
    std::string advice;
};

// The table as it is written. It is not exposed: that each row is the one hint_for gives can only
// be asked by somebody who knows the rows.
std::string source_text() {
    const auto here = std::filesystem::path{__FILE__}.parent_path();
    return read_file(here / "../../../common/src/hints.cpp");
}

std::string joined_literals(const std::string& text) {
    static const std::regex literal{"\"([^\"]*)\""};
    std::string joined;
    for (std::sregex_iterator it{text.begin(), text.end(), literal}, end; it != end; ++it) {
        joined += (*it)[1];
    }
    return joined;
}

// The literals of a constant that several rows share.
std::string constant_in(const std::string& source, const std::string& name) {
    const std::regex definition{"constexpr std::string_view " + name +
                                R"re( =\s*((?:"[^"]*"\s*)+);)re"};
    std::smatch found;
    return std::regex_search(source, found, definition) ? joined_literals(found[1]) : "";
}

std::vector<Row> rows_in(const std::string& source) {
    static const std::regex row{
        R"re(\bHint\{\s*"([^"]*)",\s*(E[A-Z0-9]+),\s*(?:((?:"[^"]*"\s*)+)|(\w+))\})re"};
    std::vector<Row> rows;
    for (std::sregex_iterator it{source.begin(), source.end(), row}, end; it != end; ++it) {
        const std::string name = (*it)[4];
        rows.push_back({(*it)[1], (*it)[2],
                        name.empty() ? joined_literals((*it)[3]) : constant_in(source, name)});
    }
    return rows;
}

int number_of(const std::string& name) {
    for (int error = 1; error < 200; ++error) {
        if (errno_name(error) == name) return error;
    }
    return 0;
}

std::string hint(const std::string& call, int error) {
    return std::string{hint_for(SysError(error, call, "subject"))};
}

}  // namespace

TEST_CASE("every row of the hints gives its own advice") {
    const std::string source = source_text();
    TENON_NEED(!source.empty(), "needs the source tree: common/src/hints.cpp");
    const std::vector<Row> rows = rows_in(source);
    const std::regex any_row{R"(\bHint\{)"};
    const auto written =
        std::distance(std::sregex_iterator{source.begin(), source.end(), any_row}, {});
    REQUIRE(static_cast<long>(rows.size()) == written);  // or this test does not see them all
    REQUIRE(rows.size() > 20);
    std::set<std::string> keys;
    for (const Row& row : rows) {
        CAPTURE(row.call, row.error);
        CHECK(number_of(row.error) != 0);
        CHECK_FALSE(row.advice.empty());
        CHECK(keys.insert(row.call + " " + row.error).second);
        // Unreachable behind an earlier row, this one would not be the answer.
        const std::string call = row.call.empty() ? "a call without a row" : row.call;
        CHECK(hint(call, number_of(row.error)) == row.advice);
    }
}

TEST_CASE("hints are one line without a full stop, for they end a message") {
    const std::string source = source_text();
    TENON_NEED(!source.empty(), "needs the source tree: common/src/hints.cpp");
    for (const Row& row : rows_in(source)) {
        CAPTURE(row.advice);
        CHECK(row.advice.find('\n') == std::string::npos);
        CHECK_FALSE(row.advice.ends_with('.'));
        CHECK(row.advice.find("  ") == std::string::npos);
    }
}

TEST_CASE("hint_for prefers the call's row to the one for any call") {
    CHECK(hint("clone3", ENOSPC) != hint("write", ENOSPC));
    CHECK_FALSE(hint("write", ENOSPC).empty());
    CHECK(hint("mkdirat", ENOSPC) == hint("write", ENOSPC));
}

TEST_CASE("hint_for says nothing when it knows nothing better") {
    CHECK(hint("mkdirat", EEXIST).empty());
    CHECK(hint("setns", ENOENT).empty());
    CHECK(hint("", EPERM).empty());
    CHECK(hint("execve-like", EACCES).empty());
}

}  // namespace tenon::test
