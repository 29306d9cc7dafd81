#include "criu_request.hpp"

#include <sched.h>

#include "criu_wire.hpp"

namespace tenon::ext {

namespace {

// The numbers of criu_opts' fields.
enum : unsigned {
    images_dir_fd = 1,
    pid_field = 2,
    leave_running = 3,
    ext_unix_sk = 4,
    tcp_established = 5,
    evasive_devices = 6,
    shell_job = 7,
    file_locks = 8,
    log_level = 9,
    log_file = 10,
    page_server = 11,
    notify_scripts = 12,
    root_field = 13,
    parent_img = 14,
    track_mem = 15,
    auto_dedup = 16,
    work_dir_fd = 17,
    manage_cgroups = 24,
    cg_root = 25,
    rst_sibling = 26,
    inherit_fd = 27,
    manage_cgroups_mode = 34,
    external_field = 37,
    empty_ns = 38,
    join_ns = 39,
    freeze_cgroup = 44,
    lazy_pages = 48,
    orphan_pts_master = 50,
    config_file = 51,
    lsm_profile = 53,
    lsm_mount_context = 63,
};
constexpr std::uint64_t everything = 4;  // of its log

std::uint64_t number_of(FdRef file) {
    return static_cast<std::uint64_t>(file.number());
}

std::string pair_of(std::string_view first, std::string_view second) {
    WireWriter pair;
    pair.text(1, first);
    pair.text(2, second);
    return pair.bytes();
}

std::string numbered(std::string_view text, std::uint64_t number) {
    WireWriter pair;
    pair.text(1, text);
    pair.number(2, number);
    return pair.bytes();
}

void write_places(const CriuRequest& request, WireWriter& options) {
    options.number(images_dir_fd, number_of(request.images));
    options.number(work_dir_fd, number_of(request.work));
    options.number(log_level, everything);
    options.text(log_file, request.log_file);
    options.text_if_any(root_field, request.root);
    options.text_if_any(parent_img, request.parent_images);
    options.text_if_any(config_file, request.config_file);
}

void write_flags(const CriuRequest& request, WireWriter& options) {
    options.flag(leave_running, request.leave_running);
    options.flag(ext_unix_sk, request.flags.external_unix_sockets);
    options.flag(tcp_established, request.flags.tcp_established);
    options.flag(shell_job, request.flags.shell_job);
    options.flag(file_locks, request.flags.file_locks);
    options.flag(track_mem, request.track_memory);
    options.flag(auto_dedup, request.flags.auto_dedup);
    options.flag(lazy_pages, request.flags.lazy_pages);
    // The master of the container's terminal is outside, and so an orphan; it comes back by a
    // notification.
    options.flag(orphan_pts_master, true);
    options.flag(notify_scripts, true);
}

void write_outside(const CriuRequest& request, WireWriter& options) {
    for (const std::string& each : request.external) options.text(external_field, each);
    for (const CriuSubstitute& each : request.inherited) {
        options.text(inherit_fd, numbered(each.key, number_of(each.file)));
    }
    for (const CriuJoined& each : request.joined) {
        options.text(join_ns, pair_of(each.kind, each.path));
    }
    if (request.empty_network) options.number(empty_ns, CLONE_NEWNET);
    if (request.page_server_port != 0) {
        options.text(page_server, numbered(request.page_server, request.page_server_port));
    }
}

void write_groups(const CriuRequest& request, WireWriter& options) {
    options.flag(manage_cgroups, true);
    options.number(manage_cgroups_mode, static_cast<std::uint64_t>(request.cgroups));
    options.text_if_any(freeze_cgroup, request.freeze_cgroup);
    if (!request.cgroup_root.empty()) options.text(cg_root, pair_of("", request.cgroup_root));
}

void write_restore(const CriuRequest& request, WireWriter& options) {
    options.flag(rst_sibling, true);  // our child, not criu's
    options.flag(evasive_devices, true);
    options.text_if_any(lsm_profile, request.lsm_profile);
    options.text_if_any(lsm_mount_context, request.lsm_mount_context);
}

void read_notification(std::string_view message, CriuAnswer& answer) {
    for (const WireField& field : read_wire(message)) {
        if (field.number == 1) answer.script = field.text;
        if (field.number == 2) answer.pid = static_cast<pid_t>(field.value);
    }
}

}  // namespace

std::string encoded(const CriuRequest& request) {
    WireWriter options;
    write_places(request, options);
    if (request.pid != 0) options.number(pid_field, static_cast<std::uint64_t>(request.pid));
    write_flags(request, options);
    write_outside(request, options);
    write_groups(request, options);
    if (request.task == CriuTask::Restore) write_restore(request, options);
    WireWriter message;
    message.number(1, static_cast<std::uint64_t>(request.task));
    message.text(2, options.bytes());
    return message.bytes();
}

std::string encoded_consent(bool go_on) {
    WireWriter message;
    message.number(1, static_cast<std::uint64_t>(CriuTask::Notify));
    message.number(3, go_on ? 1 : 0);
    return message.bytes();
}

CriuAnswer decoded_answer(std::string_view message) {
    enum : unsigned { type = 1, success = 2, notify = 5, cr_errno = 7 };
    CriuAnswer answer;
    for (const WireField& field : read_wire(message)) {
        if (field.number == type) answer.task = static_cast<CriuTask>(field.value);
        if (field.number == success) answer.success = field.value != 0;
        if (field.number == notify) read_notification(field.text, answer);
        if (field.number == cr_errno) answer.error = static_cast<int>(field.value);
    }
    return answer;
}

}  // namespace tenon::ext
