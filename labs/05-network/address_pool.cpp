// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
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
#include "tenon/todo.hpp"

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
    // TASK 05.3  addresses that two commands share  (25 points)
    // man: flock(2), rename(2)
    // hint: Two commands read the same file, find the same address free, and both write it down.
    //   What has to happen under one lock?
    // more: ./course hint 05.3
    TENON_TODO("05.3");
}

// The first free one after the last one handed out; past the end it goes on at the beginning.
[[maybe_unused]] IpAddress next_free(const Subnet& subnet, const LeaseTable& table) {
    // TASK 05.3, continued
    TENON_TODO("05.3");
}

}  // namespace

AddressPool::AddressPool(FdRef state, const Subnet& subnet) : state_(state), subnet_(subnet) {}

IpAddress AddressPool::lease(const std::string& owner, const std::optional<IpAddress>& wanted) {
    const trace::Step step{5, "lease an address", "under a lock: two at once would get the same"};
    check_owner_name(owner);
    // TASK 05.3, continued
    TENON_TODO("05.3");
}

void AddressPool::release(const std::string& owner) {
    const trace::Step step{5, "give the address back", "or the pool would be empty one day"};
    // TASK 05.3, continued
    TENON_TODO("05.3");
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
