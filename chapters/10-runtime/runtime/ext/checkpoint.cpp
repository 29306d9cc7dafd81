#include "checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>

#include "checkpoint_notes.hpp"
#include "checkpoint_parts.hpp"
#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/messages.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/rootfs_options.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::ext {

namespace {

constexpr std::chrono::milliseconds end_patience{10'000};

void make_folder(const std::string& path) {
    try {
        sys::mkdirat(FdRef::working_directory(), path, 0700);
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw;
    }
}

// Where a target of the plan is in the container, seen from in there.
std::string place_of(FdRef root, const std::string& target) {
    try {
        const UniqueFd found = open_beneath(root, target, O_PATH);
        return sys::readlinkat(FdRef::working_directory(),
                               fmt::format("/proc/self/fd/{}", found.ref().number()));
    } catch (const SysError&) {
        return target;  // a mask of nothing, or a mount that is gone
    }
}

CheckpointNotes notes_of(pid_t pid, const oci::Spec& spec) {
    const FdRef here = FdRef::working_directory();
    const std::vector<MountInfo> mounts =
        parse_mountinfo(read_kernel_file(here, fmt::format("/proc/{}/mountinfo", pid)));
    const UniqueFd root =
        sys::openat(here, fmt::format("/proc/{}/root", pid), O_PATH | O_DIRECTORY);
    return {.files = standard_files_of(pid, mounts),
            .mounts = find_outside_mounts(
                mounts, mounts_from(spec, in_initial_user_namespace()),
                [&](const std::string& target) { return place_of(root, target); })};
}

void declare_outside(const CheckpointNotes& notes, bool shell_job, CriuRequest& request) {
    for (const OutsideMount& each : notes.mounts) {
        request.external.push_back(fmt::format("mnt[{}]:{}", each.place, each.place));
    }
    for (const std::string& name : notes.files) {
        const bool by_criu = shell_job && name.starts_with("tty[");
        if (must_be_declared(name) && !by_criu) request.external.push_back(criu_name(name));
    }
}

void declare_namespaces(pid_t pid, const oci::Spec& spec, CriuRequest& request) {
    for (const oci::LinuxNamespace& each : joined_namespaces(spec)) {
        if (!is_external_namespace(each)) continue;
        const std::string_view kind = proc_name(*namespace_from_name(each.type));
        const struct stat file = sys::stat(fmt::format("/proc/{}/ns/{}", pid, kind));
        request.external.push_back(fmt::format("{}[{}]:{}", kind, file.st_ino, external_key(each)));
    }
}

void require_parent(const CheckpointWishes& wishes, FdRef images) {
    const std::string& parent = wishes.parent_path;
    if (parent.empty()) return;
    if (parent.starts_with('/')) {
        throw std::invalid_argument("--parent-path must be relative to --image-path");
    }
    try {
        sys::openat(images, parent, O_PATH | O_DIRECTORY);
    } catch (const SysError& error) {
        throw SysError(error.error(), "open --parent-path", parent);
    }
}

CriuRequest dump_request(const Container& container, const CheckpointWishes& wishes,
                         const oci::Spec& spec) {
    const ContainerRecord& record = container.record();
    CriuRequest request = request_for(wishes.criu, spec);
    request.task = wishes.pre_dump ? CriuTask::PreDump : CriuTask::Dump;
    request.log_file = "dump.log";
    request.pid = record.pid;
    request.root = record.rootfs;
    request.leave_running = wishes.leave_running;
    request.parent_images = wishes.parent_path;
    request.track_memory = wishes.pre_dump || !wishes.parent_path.empty();
    request.page_server = wishes.page_server;
    request.page_server_port = wishes.page_server_port;
    if (!record.cgroup.empty()) {
        request.freeze_cgroup = record.cgroup_mount + "/" + record.cgroup;
    }
    return request;
}

void require_state(ContainerStatus status) {
    if (status == ContainerStatus::Running || status == ContainerStatus::Paused) return;
    throw ContainerError(
        fmt::format("Container cannot be checkpointed in {} state", status_name(status)));
}

// A criu that was killed has left the freezer as it was.
void thaw_again(const Container& container, ContainerStatus before) noexcept {
    try {
        if (before == ContainerStatus::Running && container.status() == ContainerStatus::Paused) {
            container.cgroup().thaw();
        }
    } catch (const std::exception& error) {
        tell_warning(error.what());
    }
}

void tell_of_lazy_pages(const CheckpointWishes& wishes, const CriuNotice& notice) {
    if (notice.script != "status-ready" || !wishes.status) return;
    sys::write_once(*wishes.status, std::string_view{"\0", 1}, "--status-fd");
}

}  // namespace

UniqueFd open_images(const CriuWishes& wishes, bool make) {
    if (make) make_folder(wishes.image_path);
    UniqueFd images =
        sys::openat(FdRef::working_directory(), wishes.image_path, O_RDONLY | O_DIRECTORY);
    if (!wishes.work_path.empty()) make_folder(wishes.work_path);
    return images;
}

const std::string& work_path_of(const CriuWishes& wishes) {
    return wishes.work_path.empty() ? wishes.image_path : wishes.work_path;
}

CriuRequest request_for(const CriuWishes& wishes, const oci::Spec& spec) {
    CriuRequest request{.cgroups = wishes.cgroups, .flags = wishes.flags};
    // What an engine has put into the network it puts there again, by its hooks.
    request.empty_network = true;
    const auto file = spec.annotations.find("org.criu.config");
    if (file != spec.annotations.end()) request.config_file = file->second;
    return request;
}

bool is_external_namespace(const oci::LinuxNamespace& ns) {
    return ns.type == "network" || ns.type == "pid";
}

std::string external_key(const oci::LinuxNamespace& ns) {
    return ns.type == "network" ? "extRootNetNS" : "extRootPidNS";
}

namespace {

[[noreturn]] void refuse_namespace(const std::string& type) {
    throw std::invalid_argument(fmt::format(
        "/linux/namespaces: criu cannot restore into the {} namespace of somebody else", type));
}

bool lists_mount_namespace(const oci::Linux& config) {
    return std::any_of(config.namespaces.begin(), config.namespaces.end(),
                       [](const oci::LinuxNamespace& each) { return each.type == "mount"; });
}

}  // namespace

std::vector<oci::LinuxNamespace> joined_namespaces(const oci::Spec& spec) {
    std::vector<oci::LinuxNamespace> joined;
    // Not listed is inherited.
    if (!spec.linux || !lists_mount_namespace(*spec.linux)) refuse_namespace("mount");
    for (const oci::LinuxNamespace& each : spec.linux->namespaces) {
        if (each.path.empty()) continue;
        if (each.type == "user" || each.type == "cgroup" || each.type == "mount") {
            refuse_namespace(each.type);
        }
        joined.push_back(each);
    }
    return joined;
}

void write_checkpoint(const ContainerRoot& root, const std::string& id,
                      const CheckpointWishes& wishes) {
    require_criu("checkpoint");
    const EndingSignals signals;
    const ContainerFolder folder = ContainerFolder::open(root, id);
    const FileLock lock = folder.lock();
    const Container container = Container::load(root, id);
    const ContainerStatus before = container.status();
    require_state(before);
    const pid_t pid = container.record().pid;
    const UniqueFd first = sys::pidfd_open(pid);
    const UniqueFd images = open_images(wishes.criu, true);
    require_parent(wishes, images);
    const oci::Spec spec = container.spec();
    CriuRequest request = dump_request(container, wishes, spec);
    declare_namespaces(pid, spec, request);
    if (!wishes.pre_dump) {
        const CheckpointNotes notes = notes_of(pid, spec);
        declare_outside(notes, wishes.criu.flags.shell_job, request);
        write_notes(images, notes);
    }
    try {
        run_criu({.request = request,
                  .images_path = wishes.criu.image_path,
                  .work_path = work_path_of(wishes.criu),
                  .prepare = {},
                  .on_notice = [&](CriuNotice& notice) { tell_of_lazy_pages(wishes, notice); },
                  .spawner = {}});
    } catch (...) {
        thaw_again(container, before);
        throw;
    }
    if (wishes.leave_running || wishes.pre_dump) return;
    sys::poll_for_input(first, end_patience);
}

}  // namespace tenon::ext
