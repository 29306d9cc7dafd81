// state.json is ours, and still not believed: whoever could write there once decides what a later
// `delete --force` kills and removes, as root.
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tenon/container.hpp"

namespace tenon {

namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& why) {
    throw std::invalid_argument("state.json: " + why);
}

template <typename T>
T field(const Json& object, const char* key) {
    try {
        return object.at(key).get<T>();
    } catch (const Json::exception&) {
        refuse(fmt::format("'{}' is missing, or of another type", key));
    }
}

// nlohmann-json would wrap it: 2^32 + 1 read as an int is 1, and pid 1 is the machine's.
pid_t pid_field(const Json& object) {
    const auto wide = field<std::int64_t>(object, "pid");
    if (!object.at("pid").is_number_integer() || wide < 0 ||
        wide > std::numeric_limits<pid_t>::max() || wide == 1) {
        refuse("'pid' is none");
    }
    return static_cast<pid_t>(wide);
}

void check_group(const std::string& path) {
    try {
        if (!path.empty()) check_group_path(path);
    } catch (const std::invalid_argument& error) {
        refuse(error.what());
    }
}

Json parse_object(std::string_view text) {
    Json object = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) refuse("no JSON object");
    return object;
}

std::string text_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string record_text(const ContainerRecord& record) {
    return text_of({{"ociVersion", record.oci_version},
                    {"id", record.id},
                    {"bundle", record.bundle},
                    {"rootfs", record.rootfs},
                    {"created", record.created},
                    {"pid", record.pid},
                    {"startTime", record.start_time},
                    {"cgroup", record.cgroup},
                    {"cgroupMount", record.cgroup_mount},
                    {"groupsAbove", record.groups_above},
                    {"annotations", record.annotations},
                    {"poststart", record.has_poststart},
                    {"poststop", record.has_poststop}});
}

ContainerRecord parse_record(std::string_view json, const std::string& id) {
    const Json object = parse_object(json);
    using Texts = std::vector<std::string>;
    ContainerRecord record{
        .oci_version = field<std::string>(object, "ociVersion"),
        .id = field<std::string>(object, "id"),
        .bundle = field<std::string>(object, "bundle"),
        .rootfs = field<std::string>(object, "rootfs"),
        .created = field<std::string>(object, "created"),
        .pid = pid_field(object),
        .start_time = field<std::uint64_t>(object, "startTime"),
        .cgroup = field<std::string>(object, "cgroup"),
        .cgroup_mount = field<std::string>(object, "cgroupMount"),
        .groups_above = field<Texts>(object, "groupsAbove"),
        .annotations = field<std::map<std::string, std::string>>(object, "annotations"),
        .has_poststart = field<bool>(object, "poststart"),
        .has_poststop = field<bool>(object, "poststop")};
    if (record.id != id) refuse(fmt::format("it is that of '{}'", record.id));
    check_group(record.cgroup);
    for (const std::string& group : record.groups_above) check_group(group);
    return record;
}

std::string state_json(const ContainerRecord& record, ContainerStatus status) {
    Json state{{"ociVersion", record.oci_version},
               {"id", record.id},
               {"status", status_name(status)},
               {"bundle", record.bundle}};
    state["pid"] = status == ContainerStatus::Stopped ? 0 : record.pid;
    if (!record.annotations.empty()) state["annotations"] = record.annotations;
    return text_of(state);
}

}  // namespace tenon
