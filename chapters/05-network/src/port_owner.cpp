// Who has a port: the tables in /proc/net name the socket's inode, and /proc/PID/fd its holder.
// proc_net(5), proc_pid_fd(5)
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "port_reservation.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/log.hpp"

namespace tenon {

namespace {

// Addresses are printed as 32-bit words in the machine's order.
std::string table_address(const IpAddress& address) {
    std::string text;
    for (std::size_t word = 0; word < address.size(); word += 4) {
        for (std::size_t byte = 4; byte-- > 0;) {
            text += fmt::format("{:02X}", address.bytes.at(word + byte));
        }
    }
    return text;
}

bool is_zero(std::string_view address) {
    return address.find_first_not_of('0') == std::string_view::npos;
}

// Whether a socket of `local` ("0100007F:1F90") stands in the way of `port`.
bool stands_in_the_way(const std::string& local, const PortMapping& port) {
    const auto colon = local.find(':');
    if (local.substr(colon + 1) != fmt::format("{:04X}", port.host_port)) return false;
    const std::string address = local.substr(0, colon);
    return is_zero(address) || port.host_address.is_any() ||
           address == table_address(port.host_address);
}

// The inode of the first such socket of a table, or nothing. TCP: one that listens (0A).
std::optional<std::string> socket_in(const std::string& table, const PortMapping& port) {
    const UniqueFd proc = sys::openat(FdRef::working_directory(), "/proc", O_RDONLY | O_DIRECTORY);
    std::istringstream lines{read_kernel_file_if_present(proc, "net/" + table).value_or("")};
    std::string line;
    std::getline(lines, line);  // the heading
    while (std::getline(lines, line)) {
        std::istringstream words{line};
        std::string slot, local, remote, state, skipped, inode;
        words >> slot >> local >> remote >> state;
        for (int i = 0; i < 5; ++i) words >> skipped;
        words >> inode;
        const bool serves = port.protocol == Protocol::Udp || state == "0A";
        if (serves && stands_in_the_way(local, port)) return inode;
    }
    return std::nullopt;
}

bool is_number(const std::string& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool holds(FdRef proc, const std::string& pid, const std::string& link) {
    try {
        const UniqueFd fds = sys::openat(proc, pid + "/fd", O_RDONLY | O_DIRECTORY);
        const std::vector<std::string> names = sys::names_in(fds);
        return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
            return sys::readlinkat(fds, name) == link;
        });
    } catch (const SysError&) {
        return false;  // it ended meanwhile, or is not ours to look into
    }
}

std::optional<std::string> holder_of(const std::string& inode) {
    const UniqueFd proc = sys::openat(FdRef::working_directory(), "/proc", O_RDONLY | O_DIRECTORY);
    const std::string link = fmt::format("socket:[{}]", inode);
    for (const std::string& name : sys::names_in(proc)) {
        if (!is_number(name) || !holds(proc, name, link)) continue;
        std::string comm = read_kernel_file_if_present(proc, name + "/comm").value_or("");
        if (comm.ends_with('\n')) comm.pop_back();
        return fmt::format("pid {} ({})", name, printable(comm));
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> program_on(const PortMapping& port) {
    const std::string protocol{protocol_name(port.protocol)};
    for (const std::string& table : {protocol, protocol + "6"}) {
        const std::optional<std::string> inode = socket_in(table, port);
        if (inode) return holder_of(*inode);
    }
    return std::nullopt;
}

}  // namespace tenon
