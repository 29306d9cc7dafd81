// What several verbs print.
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tenon/file_syscalls.hpp"
#include "tenon/subid.hpp"
#include "tenon/syscalls.hpp"
#include "verbs.hpp"

namespace tenon::cli {

Container load(const Global& global, const std::string& id) {
    check_id(id);
    const std::optional<ContainerRoot> root = ContainerRoot::open(global.root);
    if (!root) throw NoContainer();
    return Container::load(*root, id);
}

void print(std::string_view text) {
    sys::write_all(FdRef{STDOUT_FILENO}, std::as_bytes(std::span{text}), "standard output");
}

std::string owner_of(const std::string& root) {
    const std::uint32_t uid = sys::stat(root).st_uid;
    const SubidOwner owner = find_owner(uid);
    return owner.name.empty() ? std::to_string(uid) : owner.name;
}

std::string full_state(const Container& container, const std::string& owner) {
    const ContainerRecord& record = container.record();
    using Json = nlohmann::ordered_json;
    const Json plain = Json::parse(state_json(record, container.status()));
    Json full{
        {"ociVersion", plain["ociVersion"]}, {"id", plain["id"]},       {"pid", plain["pid"]},
        {"status", plain["status"]},         {"bundle", record.bundle}, {"rootfs", record.rootfs},
        {"created", record.created}};
    if (!record.annotations.empty()) full["annotations"] = record.annotations;
    full["owner"] = owner;
    return full.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tenon::cli
