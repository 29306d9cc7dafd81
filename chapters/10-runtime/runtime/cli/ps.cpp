// ps: the processes of a container, as the host numbers them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <set>
#include <sstream>

#include "tenon/container_group.hpp"
#include "tenon/process.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

std::string json_of(const std::set<pid_t>& pids) {
    return fmt::format("[{}]\n", fmt::join(pids, ","));
}

// The lines of ps(1) that are about them: in the column that it calls PID.
std::string filtered(const std::string& listing, const std::set<pid_t>& pids) {
    std::istringstream lines{listing};
    std::string line;
    std::getline(lines, line);
    std::string kept = line + "\n";
    std::istringstream titles{line};
    std::size_t column = 0;
    for (std::string title; titles >> title && title != "PID";) ++column;
    while (std::getline(lines, line)) {
        std::istringstream fields{line};
        std::string field;
        for (std::size_t i = 0; i <= column; ++i) fields >> field;
        pid_t pid = 0;
        std::from_chars(field.data(), field.data() + field.size(), pid);
        if (pids.contains(pid)) kept += line + "\n";
    }
    return kept;
}

std::string table_of(std::vector<std::string> words, const std::set<pid_t>& pids) {
    if (words.empty()) words = {"-ef"};
    words.insert(words.begin(), "ps");
    const ProcessResult result = run_process(words);
    if (!result.status.success()) throw std::runtime_error("ps: " + result.err);
    return filtered(result.out, pids);
}

}  // namespace

int ps(const Global& global, Words words) {
    std::string format = "table";
    const std::vector<Option> table{text("format", format, "FORM", "table or json", 'f')};
    std::vector<std::string> rest = take_options(words, table, Where::BeforeFirstWord);
    if (rest.empty()) throw UsageError("\"ps\" requires a minimum of 1 argument");
    const std::set<pid_t> pids = processes_below(load(global, rest.front()).cgroup().directory());
    rest.erase(rest.begin());
    if (format != "json" && format != "table") throw UsageError("invalid format option");
    print(format == "json" ? json_of(pids) : table_of(std::move(rest), pids));
    return 0;
}

}  // namespace tenon::cli
