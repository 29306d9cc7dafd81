// What an operation has to know of a container, asked of the kernel.
#include "tenon/container.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>

#include <algorithm>
#include <cerrno>

#include "lifecycle_parts.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// The kernel's PF_EXITING, see status.cpp.
constexpr std::uint64_t exiting = 0x4;
// PF_FORKNOEXEC: cloned, and not become another program since.
constexpr std::uint64_t not_executed = 0x40;

bool has_ended(const ProcessFacts& facts) {
    return facts.state == 'Z' || facts.state == 'X' || (facts.flags & exiting) != 0;
}

// @param folder  /proc/PID, or /proc/PID/task/TID
std::optional<ProcessFacts> read_facts(const std::string& folder) {
    try {
        const std::optional<std::string> text =
            read_kernel_file_if_present(FdRef::working_directory(), folder + "/stat");
        return text ? parse_process_stat(*text) : std::nullopt;
    } catch (const SysError& error) {
        if (error.error() != ESRCH) throw;  // it ended between open and read
        return std::nullopt;
    }
}

// One of `threads` that lives.
std::optional<ProcessFacts> find_living(const std::string& tasks,
                                        const std::vector<std::string>& threads) {
    for (const std::string& thread : threads) {
        const std::optional<ProcessFacts> facts = read_facts(fmt::format("{}/{}", tasks, thread));
        if (facts && !has_ended(*facts)) return facts;
    }
    return std::nullopt;
}

// Any thread of the process that lives. Nothing where all have ended: who is in exit(2) makes no
// thread any more, so all is said when there is nobody new since they were looked at.
std::optional<ProcessFacts> find_living_thread(FdRef folder, const std::string& tasks) {
    constexpr int rounds = 16;
    std::vector<std::string> threads = sys::names_in(folder);
    for (int round = 0; round < rounds; ++round) {
        if (auto living = find_living(tasks, threads)) return living;
        std::vector<std::string> now = sys::names_in(folder);
        if (std::includes(threads.begin(), threads.end(), now.begin(), now.end())) {
            return std::nullopt;
        }
        threads = std::move(now);
    }
    return ProcessFacts{.state = 'R'};  // whoever makes threads that fast lives
}

std::optional<ProcessFacts> look_at_threads(const std::string& process) {
    const std::string tasks = process + "/task";
    try {
        const UniqueFd folder =
            sys::openat(FdRef::working_directory(), tasks, O_RDONLY | O_DIRECTORY);
        return find_living_thread(folder, tasks);
    } catch (const SysError& error) {
        if (error.error() != ENOENT && error.error() != ESRCH) throw;
        return std::nullopt;
    }
}

}  // namespace

std::optional<ProcessFacts> look_at_process(pid_t pid) {
    const std::string process = fmt::format("/proc/{}", pid);
    std::optional<ProcessFacts> facts = read_facts(process);
    if (!facts || !has_ended(*facts)) return facts;
    // What stands there is the first thread. It may end, and leave the process to the others: who
    // took that for the end could be made to forget a container that runs. exit(2), NOTES
    if (const std::optional<ProcessFacts> thread = look_at_threads(process)) {
        facts->state = thread->state;
        facts->flags = thread->flags;
    }
    return facts;
}

CgroupHierarchy open_recorded_hierarchy(const ContainerRecord& record) {
    CgroupHierarchy hierarchy{.mount_point = record.cgroup_mount};
    hierarchy.root =
        sys::openat(FdRef::working_directory(), record.cgroup_mount, O_RDONLY | O_DIRECTORY);
    if (sys::file_system_type(hierarchy.root) != CGROUP2_SUPER_MAGIC) {
        throw ContainerError(record.cgroup_mount + " is no cgroup2 mount any more");
    }
    return hierarchy;
}

namespace {

// Not any more where the group goes while we look: ENODEV comes from read(2) then.
bool is_frozen(const ContainerRecord& record) {
    try {
        const std::optional<std::string> freeze = read_kernel_file_if_present(
            FdRef::working_directory(),
            fmt::format("{}/{}/cgroup.freeze", record.cgroup_mount, record.cgroup));
        return freeze && freeze->starts_with('1');
    } catch (const SysError& error) {
        if (error.error() != ENODEV) throw;
        return false;
    }
}

}  // namespace

Container Container::load(const ContainerRoot& root, const std::string& id) {
    ContainerFolder folder = ContainerFolder::open(root, id);
    std::optional<ContainerRecord> record = folder.read_record();
    if (!record) throw NoContainer();
    return {std::move(folder), std::move(*record)};
}

FileLock Container::lock_and_look(Operation operation) const {
    if (record_.pid == 0) require(ContainerStatus::Creating, operation, record_.id);
    FileLock lock = folder_.lock();
    std::optional<ContainerRecord> record = folder_.read_record();
    if (!record) throw NoContainer();
    record_ = std::move(*record);
    return lock;
}

oci::Spec Container::spec() const {
    return oci::spec_from(folder_.read_config());
}

CgroupManager Container::cgroup() const {
    if (record_.cgroup.empty()) throw ContainerError("the container has no cgroup of its own");
    try {
        return CgroupManager::open(open_recorded_hierarchy(record_), record_.cgroup);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        throw ContainerError("container not running");  // its group went with it
    }
}

Observation Container::observe() const {
    Observation seen;
    if (record_.pid == 0) return seen;
    seen.process = look_at_process(record_.pid);
    if (!seen.process) return seen;
    // Whoever was killed after its Go, and before it took the gate away, has left the file.
    seen.waits_at_gate = (seen.process->flags & not_executed) != 0 &&
                         sys::fstatat_if_present(folder_.directory(), gate_name).has_value();
    if (record_.cgroup.empty()) return seen;
    seen.frozen = is_frozen(record_);
    return seen;
}

ContainerStatus Container::status() const {
    return status_from(record_, observe());
}

bool remove_remains(const ContainerRoot& root, const std::string& id) {
    try {
        const ContainerFolder folder = ContainerFolder::open(root, id);
        const FileLock lock = folder.lock();
        if (folder.read_record()) return false;
        folder.remove();
        return true;
    } catch (const NoContainer&) {
        return true;
    }
}

}  // namespace tenon
