// The order of a connection, and what happens when it fails half-way: whatever it was, the record
// says what may be there, and tear_down() removes it. A failed connect, a disconnect and the sweep
// after a kill -9 are one and the same.
#include "tenon/container_network.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <stdexcept>

#include "endpoint_record.hpp"
#include "netlink_message.hpp"
#include "network_parts.hpp"
#include "port_reservation.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/log.hpp"
#include "tenon/trace.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

namespace {

constexpr const char* state_lock = "lock";

// The folders above it as well. 0700: who is connected to what is nobody else's business.
void make_folders(const std::filesystem::path& path) {
    std::filesystem::path part;
    for (const std::filesystem::path& name : path) {
        part /= name;
        try {
            sys::mkdirat(FdRef::working_directory(), part, 0700);
        } catch (const SysError& error) {
            if (error.error() != EEXIST) throw;
        }
    }
}

UniqueFd open_state(const std::filesystem::path& path) {
    make_folders(path);
    make_folders(path / "endpoints");
    return sys::openat(FdRef::working_directory(), path, O_RDONLY | O_DIRECTORY);
}

// Before anything is made, and not half-way. The capability must be one over this network's own
// user namespace, so the kernel is asked, by a change of the loopback device that changes nothing.
// user_namespaces(7), "Capabilities"
void check_privilege(const std::string& bridge) {
    constexpr int loopback = 1;  // the first device of every network namespace
    NetlinkMessage nothing{RTM_NEWLINK, 0};
    nothing.put_header(ifinfomsg{.ifi_index = loopback});
    Netlink::open().request(nothing.get(), "connect to network", bridge);
}

// Random, not made of the id: two ids of one beginning would get one name.
EndpointRecord new_record(const NetworkSpec& network, const EndpointSpec& endpoint) {
    std::random_device random;
    return {endpoint.id, network.bridge, fmt::format("tenon-{:08x}", random()), subnets_of(network),
            endpoint.ports};
}

std::vector<UniqueFd> reserve(const std::vector<PortMapping>& ports) {
    const trace::Step step{5, "reserve the ports", "nobody else shall get them meanwhile"};
    std::vector<UniqueFd> held;
    held.reserve(ports.size());
    for (const PortMapping& port : ports) held.push_back(reserve_port(port));
    return held;
}

void warn(const std::vector<std::string>& failures) {
    for (const std::string& failure : failures) Log{FdRef{STDERR_FILENO}}.warning(failure);
}

// @pre under STATE/lock. One that cannot be removed does not keep others from being connected.
std::vector<std::string> sweep_locked(FdRef state) {
    const trace::Step step{5, "sweep", "a killed process leaves its record, and not its lock"};
    const EndpointRecords records{state};
    check_host(state, records);
    records.remove_unfinished();
    sweep_unfinished(state);
    std::vector<std::string> swept;
    for (const std::string& id : records.ids()) {
        const std::optional<FileLock> lock = records.abandoned(id);
        if (!lock) continue;
        const std::vector<std::string> failures = tear_down(state, records, *records.find(id));
        warn(failures);
        if (failures.empty()) swept.push_back(id);
    }
    return swept;
}

void check_id(const EndpointRecords& records, const std::string& id) {
    if (!records.find(id)) return;
    throw std::invalid_argument(fmt::format("a container {} is connected already", id));
}

}  // namespace

struct Endpoint::Connected {
    UniqueFd state;
    EndpointRecord record;
    FileLock lives;
    std::vector<UniqueFd> ports;
    std::vector<IpPrefix> addresses;
};

Endpoint::Endpoint(std::unique_ptr<Connected> connected) : connected_(std::move(connected)) {}
Endpoint::Endpoint(Endpoint&&) noexcept = default;

Endpoint::~Endpoint() {
    if (!connected_) return;
    try {
        disconnect();
    } catch (const std::exception& error) {
        // Another error, or a signal, is on its way up: this one is told beside it.
        Log{FdRef{STDERR_FILENO}}.warning(error.what());
    }
}

const std::vector<IpPrefix>& Endpoint::addresses() const {
    return connected_->addresses;
}

const std::string& Endpoint::id() const {
    return connected_->record.id;
}

void Endpoint::disconnect() {
    const trace::Step step{5, "disconnect", "whatever the record names"};
    const std::unique_ptr<Connected> ours = std::move(connected_);
    const FileLock lock = FileLock::wait(ours->state, state_lock);
    const std::vector<std::string> failures =
        tear_down(ours->state, EndpointRecords{ours->state}, ours->record);
    if (failures.empty()) return;
    throw std::runtime_error(
        fmt::format("disconnect {}: {}", ours->record.id, fmt::join(failures, "; ")));
}

NetworkState NetworkState::open(const std::filesystem::path& path) {
    try {
        return NetworkState{open_state(path)};
    } catch (const SysError& error) {
        throw SysError(error.error(), "open network state", path.string());
    }
}

Endpoint NetworkState::connect(const NetworkSpec& network, const EndpointSpec& endpoint,
                               FdRef netns) {
    const trace::Step step{5, "connect the container", "while it waits"};
    check_request(network, endpoint);
    check_privilege(network.bridge);
    const FileLock lock = FileLock::wait(directory_, state_lock);
    sweep_locked(directory_);
    const EndpointRecords records{directory_};
    check_id(records, endpoint.id);
    check_network(directory_, network);
    check_ports(records, endpoint.ports);
    std::vector<UniqueFd> ports = reserve(endpoint.ports);
    const EndpointRecord record = new_record(network, endpoint);
    FileLock lives = records.add(record);
    try {
        std::vector<IpPrefix> addresses = set_up(directory_, network, endpoint, record, netns);
        return Endpoint{std::make_unique<Endpoint::Connected>(
            Endpoint::Connected{sys::duplicate(directory_), record, std::move(lives),
                                std::move(ports), std::move(addresses)})};
    } catch (...) {
        warn(tear_down(directory_, records, record));
        throw;
    }
}

std::vector<std::string> NetworkState::sweep() {
    const FileLock lock = FileLock::wait(directory_, state_lock);
    return sweep_locked(directory_);
}

std::vector<std::string> NetworkState::endpoints() const {
    return EndpointRecords{directory_}.ids();
}

}  // namespace tenon
