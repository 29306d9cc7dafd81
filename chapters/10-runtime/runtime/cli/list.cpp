// list: every container of --root, for people, for programs, or their ids alone.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "tenon/messages.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

using Row = std::array<std::string, 6>;

// One that goes while we look is not listed; one that cannot be read is not hidden.
std::vector<Container> containers_of(const Global& global) {
    std::vector<Container> found;
    const std::optional<ContainerRoot> root = ContainerRoot::open(global.root);
    if (!root) return found;
    for (const std::string& id : root->ids()) {
        try {
            found.push_back(Container::load(*root, id));
        } catch (const ContainerError&) {
            continue;
        } catch (const std::exception& error) {
            tell_warning(fmt::format("{}: {}", id, error.what()));
        }
    }
    return found;
}

Row row_of(const Container& container, const std::string& owner) {
    const ContainerRecord& record = container.record();
    const ContainerStatus status = container.status();
    const pid_t pid = status == ContainerStatus::Stopped ? 0 : record.pid;
    return {record.id,     std::to_string(pid), std::string{status_name(status)},
            record.bundle, record.created,      owner};
}

std::string table_of(const std::vector<Row>& rows) {
    std::array<std::size_t, 6> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string table;
    for (const Row& row : rows) {
        for (std::size_t i = 0; i + 1 < row.size(); ++i) {
            table += fmt::format("{:<{}}", row[i], std::max<std::size_t>(widths[i] + 3, 12));
        }
        table += row.back() + "\n";
    }
    return table;
}

std::string json_of(const std::vector<Container>& containers, const std::string& owner) {
    if (containers.empty()) return "null";
    using Json = nlohmann::ordered_json;
    Json all = Json::array();
    for (const Container& each : containers) all.push_back(Json::parse(full_state(each, owner)));
    return all.dump();
}

}  // namespace

int list(const Global& global, Words words) {
    std::string format = "table";
    bool quiet = false;
    const std::vector<Option> table{text("format", format, "FORM", "table or json", 'f'),
                                    flag("quiet", quiet, "ids alone", 'q')};
    if (!take_options(words, table, Where::Anywhere).empty()) {
        throw UsageError("\"list\" takes no arguments");
    }
    const std::vector<Container> containers = containers_of(global);
    const std::string owner = containers.empty() ? "" : owner_of(global.root);
    if (quiet) {
        for (const Container& each : containers) print(each.record().id + "\n");
    } else if (format == "json") {
        print(json_of(containers, owner) + "\n");
    } else if (format == "table") {
        std::vector<Row> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
        for (const Container& each : containers) rows.push_back(row_of(each, owner));
        print(table_of(rows));
    } else {
        throw UsageError("invalid format option");
    }
    return 0;
}

}  // namespace tenon::cli
