// A line per fact, `key value`. The file is locked before it has its name, so nobody ever sees a
// record that seems to belong to a dead process.
#include "endpoint_record.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <sstream>
#include <stdexcept>

#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

namespace {

constexpr const char* folder_name = "endpoints";

bool take_line(EndpointRecord& record, const std::string& key, const std::string& value) {
    if (key == "bridge") record.bridge = value;
    if (key == "veth") record.veth = value;
    if (key == "subnet") record.subnets.push_back(Subnet::parse(value));
    if (key == "port") record.ports.push_back(PortMapping::parse(value));
    return key == "bridge" || key == "veth" || key == "subnet" || key == "port";
}

// Malformed values are refused by their own parsers; a fact that is missing would be forgotten.
bool is_complete(const EndpointRecord& record) {
    return !record.bridge.empty() && !record.veth.empty() && !record.subnets.empty();
}

bool is_hidden(const std::string& name) {
    return name.starts_with('.');
}

}  // namespace

std::string record_text(const EndpointRecord& record) {
    std::string text = fmt::format("bridge {}\nveth {}\n", record.bridge, record.veth);
    for (const Subnet& subnet : record.subnets) {
        text += fmt::format("subnet {}\n", subnet.prefix().text());
    }
    for (const PortMapping& port : record.ports) text += fmt::format("port {}\n", port.text());
    return text;
}

EndpointRecord parse_record(const std::string& id, const std::string& text) {
    const auto refuse = [&](const std::string& what) {
        throw std::runtime_error(fmt::format(
            "{}/{}: {}: remove that file, and by hand what it was for", folder_name, id, what));
    };
    EndpointRecord record;
    record.id = id;
    std::istringstream words{text};
    std::string key, value;
    while (words >> key >> value) {
        try {
            if (!take_line(record, key, value)) refuse(fmt::format("unknown word '{}'", key));
        } catch (const std::invalid_argument& error) {
            refuse(error.what());
        }
    }
    if (!is_complete(record)) refuse("no whole record");
    return record;
}

EndpointRecords::EndpointRecords(FdRef state)
    : directory_(sys::openat(state, folder_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {}

FileLock EndpointRecords::add(const EndpointRecord& record) const {
    const std::string unfinished = fmt::format(".{}.new", record.id);
    FileLock lock = FileLock::wait(directory_, unfinished);
    const std::string text = record_text(record);
    sys::write_all(lock.file(), std::as_bytes(std::span{text}), record.id);
    sys::fsync(lock.file(), record.id);
    sys::renameat(directory_, unfinished, directory_, record.id);
    return lock;
}

std::optional<EndpointRecord> EndpointRecords::find(const std::string& id) const {
    const std::optional<std::string> text = read_kernel_file_if_present(directory_, id);
    if (!text) return std::nullopt;
    return parse_record(id, *text);
}

std::vector<std::string> EndpointRecords::ids() const {
    std::vector<std::string> names = sys::names_in(directory_);
    std::erase_if(names, is_hidden);
    return names;
}

std::vector<EndpointRecord> EndpointRecords::all() const {
    std::vector<EndpointRecord> records;
    for (const std::string& id : ids()) {
        if (std::optional<EndpointRecord> record = find(id)) records.push_back(std::move(*record));
    }
    return records;
}

std::optional<FileLock> EndpointRecords::abandoned(const std::string& id) const {
    return FileLock::try_now(directory_, id);
}

void EndpointRecords::remove_unfinished() const {
    for (const std::string& name : sys::names_in(directory_)) {
        if (is_hidden(name)) remove_file(directory_, name);
    }
}

void EndpointRecords::remove(const std::string& id) const {
    remove_file(directory_, id);
}

}  // namespace tenon
