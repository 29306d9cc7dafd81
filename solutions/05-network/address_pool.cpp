// Two commands at once read the same file, find the same address free and both write it down: so
// reading, choosing and writing happen under one lock. An address that was just given back waits
// until all others were used: a neighbour may still have the old owner's MAC in its table, and a
// client the old owner's connection.
#include "tenon/address_pool.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "lease_table.hpp"
#include "tenon/file_lock.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon {

namespace {

LeaseTable read_table(FdRef state, const std::string& file) {
    return parse_lease_table(read_kernel_file_if_present(state, file).value_or(""), file);
}

// A lock of its own: the table's file is replaced, and a lock on the old one would hold nobody.
[[maybe_unused]] std::string lock_name(const std::string& file) {
    return file + ".lock";
}

[[noreturn]] [[maybe_unused]] void refuse_exhausted(const Subnet& subnet) {
    throw std::runtime_error(
        fmt::format("all {} addresses of {} are taken: end a container, or choose a larger network "
                    "with --subnet",
                    subnet.capacity(), subnet.prefix().text()));
}

// @throws std::invalid_argument  @p wanted is none that a container can have
[[maybe_unused]] void check_wanted(const Subnet& subnet, const IpAddress& wanted) {
    [[maybe_unused]] const auto refuse = [&](std::string_view why) {
        throw std::invalid_argument(fmt::format("{} {}", wanted.text(), why));
    };
    // BEGIN SOLUTION 05.3
    if (!subnet.prefix().contains(wanted)) refuse("is not in " + subnet.prefix().text());
    if (wanted == subnet.host(0)) refuse("is the network's own address");
    if (wanted == subnet.gateway()) refuse("is the gateway's address: the bridge has it");
    if (wanted.family == AF_INET && index_of(subnet, wanted) > last_index(subnet)) {
        refuse("is the network's broadcast address");
    }
    // END SOLUTION
}

// The first free one after the last one handed out; past the end it goes on at the beginning.
[[maybe_unused]] IpAddress next_free(const Subnet& subnet, const LeaseTable& table) {
    // BEGIN SOLUTION 05.3
    const std::uint64_t last = last_index(subnet);
    std::uint64_t index = table.last ? index_of(subnet, *table.last) : last;
    for (std::uint64_t tried = 0; tried < subnet.capacity(); ++tried) {
        index = index >= last ? first_index : index + 1;
        if (find_lease(table, subnet.host(index)) == nullptr) return subnet.host(index);
    }
    refuse_exhausted(subnet);
    // END SOLUTION
}

}  // namespace

AddressPool::AddressPool(FdRef state, const Subnet& subnet) : state_(state), subnet_(subnet) {}

IpAddress AddressPool::lease(const std::string& owner, const std::optional<IpAddress>& wanted) {
    const trace::Step step{5, "lease an address", "under a lock: two at once would get the same"};
    check_owner_name(owner);
    // BEGIN SOLUTION 05.3
    const std::string file = lease_file_name(subnet_);
    const FileLock lock = FileLock::wait(state_, lock_name(file));
    LeaseTable table = read_table(state_, file);
    if (const Lease* const own = find_lease(table, owner)) return own->address;
    if (wanted) check_wanted(subnet_, *wanted);
    const IpAddress address = wanted ? *wanted : next_free(subnet_, table);
    if (const Lease* const other = find_lease(table, address)) {
        throw std::runtime_error(fmt::format("{} is taken by {}", address.text(), other->owner));
    }
    if (!wanted) table.last = address;
    table.leases.push_back({address, owner});
    replace_file(state_, file, lease_table_text(table));
    return address;
    // END SOLUTION
}

void AddressPool::release(const std::string& owner) {
    const trace::Step step{5, "give the address back", "or the pool would be empty one day"};
    // BEGIN SOLUTION 05.3
    const std::string file = lease_file_name(subnet_);
    const FileLock lock = FileLock::wait(state_, lock_name(file));
    LeaseTable table = read_table(state_, file);
    const auto removed =
        std::erase_if(table.leases, [&](const Lease& lease) { return lease.owner == owner; });
    if (removed > 0) replace_file(state_, file, lease_table_text(table));
    // END SOLUTION
}

std::vector<Lease> AddressPool::leases() const {
    return read_table(state_, lease_file_name(subnet_)).leases;
}

void AddressPool::remove() {
    const std::string file = lease_file_name(subnet_);
    remove_file(state_, file);
    remove_file(state_, lock_name(file));
}

}  // namespace tenon
